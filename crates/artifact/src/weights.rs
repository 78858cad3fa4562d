//! Model weights: `model.safetensors`, tensors by their Hugging Face names.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Error, Result, write_atomic};

/// The file's name in a model directory.
pub const FILE: &str = "model.safetensors";

/// A named tensor in memory, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Its shape.
    pub shape: &'a [usize],
    /// Its values, as many as the shape says.
    pub data: &'a [f32],
}

/// Weights as read from a file, each converted to f32.
#[derive(Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// Reads a safetensors file whose tensors are F32, F16 or BF16.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::malformed(path, "a safetensors file", error.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let data = to_f32(&view).ok_or_else(|| {
                Error::malformed(path, format!("`{name}` as F32, F16 or BF16"), format!("{:?}", view.dtype()))
            })?;
            tensors.insert(name, (view.shape().to_vec(), data));
        }
        Ok(Self { tensors })
    }

    /// Takes the tensor `name` out, which must have this shape.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is absent or of another shape; `path` is the file to name.
    pub fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some((found, data)) = self.tensors.remove(name) else {
            return Err(Error::malformed(path, format!("a tensor `{name}` of shape {shape:?}"), "none of that name"));
        };
        if found != shape {
            return Err(Error::malformed(path, format!("`{name}` of shape {shape:?}"), format!("{found:?}")));
        }
        Ok(data)
    }

    /// Names of the tensors that nothing has taken.
    pub fn remaining(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
}

fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => return None,
    })
}

/// Writes tensors as F32, atomically, marked as PyTorch's (`format: pt`), which `transformers` asks for.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor<'a>)>) -> Result<()> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = tensor.data.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name, tensor.shape.to_vec(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shape and data agree");
        (name.as_str(), view)
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| Error::refused(format!("{}: {error}", path.display())))?;
    write_atomic(path, &bytes)
}
