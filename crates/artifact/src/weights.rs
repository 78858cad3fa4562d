//! Model weights: `model.safetensors`, tensors by their Hugging Face names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use fs_err as fs;
use safetensors::tensor::{Dtype, Metadata, View};

use crate::{Error, Place, Result, write_atomic};

/// The file's name in a model directory.
pub const FILE: &str = "model.safetensors";

/// The longest header that is read, in bytes; the limit of the `safetensors` library.
const LONGEST_HEADER: u64 = 100_000_000;

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
    ///
    /// # Errors
    /// [`Error::Malformed`] when the file is no safetensors file, is cut short, or holds tensors of another type.
    pub fn read(path: &Path) -> Result<Self> {
        let (mut file, header) = open(path)?;
        let mut tensors = BTreeMap::new();
        // One tensor after the other, so that the file is never in memory beside the weights.
        for name in header.offset_keys() {
            let info = header.info(&name).expect("named by the header itself");
            // `open` has compared the offsets with the file's length.
            let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
            file.read_exact(&mut bytes)?;
            let data = to_f32(info.dtype, &bytes).ok_or_else(|| unreadable(path, &name, info.dtype))?;
            tensors.insert(name, (info.shape.clone(), data));
        }
        Ok(Self { tensors })
    }

    /// Takes the tensor `name` out, which must have this shape.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is absent or of another shape; `path` is the file to name.
    pub fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some((found, data)) = self.tensors.remove(name) else {
            return Err(Error::malformed(
                path,
                format!("a tensor `{name}` of shape {shape:?}"),
                "none of that name",
            ));
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

/// Opens a safetensors file at its first tensor, its header checked against the file's length.
fn open(path: &Path) -> Result<(fs::File, Metadata)> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let not_one = |found: String| Error::malformed(path, "a safetensors file", found);
    let mut size = [0; 8];
    if length < size.len() as u64 {
        return Err(not_one(format!("{length} bytes")));
    }
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER.min(length - 8) {
        let found = format!("a header of {size} bytes in a file of {length}");
        return Err(not_one(found));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| Error::at(path, Place::Offset(8), "a safetensors header", error.to_string()))?;
    let expected = 8 + size + header.data_len() as u64;
    if length != expected {
        let found = format!("{length} bytes");
        return Err(Error::malformed(path, format!("{expected} bytes, as its header says"), found)
            .with_hint("the file may be cut short; fetch or write it again"));
    }
    Ok((file, header))
}

/// Checks the header of a safetensors file, whatever the types of its tensors.
pub(crate) fn header(path: &Path) -> Result<()> {
    open(path).map(drop)
}

/// The tensors of a file, by name, with their shapes; only the header is read.
///
/// # Errors
/// As [`Weights::read`].
pub fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>> {
    let (_, header) = open(path)?;
    let readable = |(name, info): (String, &safetensors::tensor::TensorInfo)| match info.dtype {
        Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok((name, info.shape.clone())),
        other => Err(unreadable(path, &name, other)),
    };
    header.tensors().into_iter().map(readable).collect()
}

fn unreadable(path: &Path, name: &str, dtype: Dtype) -> Error {
    Error::malformed(path, format!("`{name}` as F32, F16 or BF16"), format!("{dtype:?}"))
}

fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => {
            bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        Dtype::BF16 => {
            bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        _ => return None,
    })
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.data)
    }
}

/// Writes tensors as F32, atomically, marked as PyTorch's (`format: pt`), which `transformers` asks for.
///
/// # Panics
/// When a tensor's shape and its number of values disagree.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor<'a>)>) -> Result<()> {
    let tensors: Vec<(String, Tensor<'a>)> = tensors.into_iter().collect();
    for (name, tensor) in &tensors {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len(), "the values of `{name}`");
    }
    let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    let bytes = safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| Error::refused(format!("{}: {error}", path.display())))?;
    write_atomic(path, &bytes)
}
