//! `model.safetensors` of an n-gram model: tensors for each length k of n-grams, which are used as they lie in the file.
//!
//! `{k}.tokens` U32 `[M]` for k from 2; for all lengths but the longest, `{k}.contexts` U32 `[M + 1, 3]`, whose rows are
//! [`Context`]s; for the longest, `{k}.logprob` F32 `[M]`. All of them are little-endian.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use artifact::config::NgramConfig;
use artifact::{Error, Result, write_atomic_by};
use fs_err as fs;
use kernels::Mapping;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use super::column::Words;
use super::trie::{BACKOFF, Context, FIRST, LOGPROB, Level, Trie};

/// Records that are checked in one task.
const TASK: usize = 1 << 16;

/// Writes the file atomically.
pub(super) fn write(path: &Path, trie: &Trie) -> Result<()> {
    let mut columns = Vec::new();
    for (k, level) in (1..).zip(trie.levels()) {
        if k > 1 {
            let tokens = level.tokens();
            columns.push((format!("{k}.tokens"), Column::of(Dtype::U32, vec![tokens.len()], tokens)));
        }
        let values = level.values();
        columns.push(if k < trie.order() {
            let shape = vec![level.contexts().len(), size_of::<Context>() / size_of::<u32>()];
            (format!("{k}.contexts"), Column::of(Dtype::U32, shape, values))
        } else {
            (format!("{k}.logprob"), Column::of(Dtype::F32, vec![values.len()], values))
        });
    }
    let infos = columns.iter().scan(0, |end, (name, column)| {
        let begin = std::mem::replace(end, *end + size_of_val(column.words));
        let Column { dtype, shape, .. } = column;
        let info = TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (begin, *end) };
        Some((name.clone(), info))
    });
    let invalid = |error: &dyn Display| Error::refused(format!("{}: {error}", path.display()));
    let header = Metadata::new(None, infos.collect()).map_err(|error| invalid(&error))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| invalid(&error))?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    write_atomic_by(path, |temporary| {
        let mut file = fs::File::create(temporary)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, column) in &columns {
            file.write_all(bytemuck::cast_slice(column.words))?;
        }
        Ok(())
    })
}

/// Bytes of which a header has a multiple, so that what follows it is aligned.
const ALIGNMENT: usize = 8;

/// A tensor as it is written.
struct Column<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    words: &'a [u32],
}

impl<'a> Column<'a> {
    fn of(dtype: Dtype, shape: Vec<usize>, words: &'a [u32]) -> Self {
        Self { dtype, shape, words }
    }
}

/// Maps the file and checks all of it, so that no question can meet an index beyond the end or a number that is none.
pub(super) fn read(path: &Path, config: &NgramConfig) -> Result<Trie> {
    let mapping = Arc::new(Mapping::new(fs::File::open(path)?.file())?);
    let tensors = SafeTensors::deserialize(&mapping)
        .map_err(|error| Error::malformed(path, "a safetensors file", error.to_string()))?;
    let file = File { path, mapping: &mapping, tensors, vocab_size: config.vocab_size };
    let mut levels: Vec<Level> = Vec::with_capacity(config.order);
    // The level above says how many there are.
    let mut count = config.vocab_size;
    for k in 1..=config.order {
        let tokens = if k == 1 { Words::default() } else { file.tensor(k, "tokens", Dtype::U32, &[count])? };
        let values = if k < config.order {
            file.tensor(k, "contexts", Dtype::U32, &[count + 1, 3])?
        } else {
            file.tensor(k, "logprob", Dtype::F32, &[count])?
        };
        let level = Level::new(tokens, values);
        if let Some(above) = levels.last() {
            file.check_tokens(k, level.tokens(), above.contexts())?;
        }
        if k < config.order {
            count = file.check_contexts(k, level.contexts())?;
        } else if let Some(index) = position(level.values(), |&bits| !is_logarithm(bits)) {
            let found = format!("{} in row {index}", f32::from_bits(level.values()[index]));
            return Err(file.malformed(format!("`{k}.logprob` of 0 or less"), found));
        }
        levels.push(level);
    }
    let expected = 2 * config.order - 1;
    if file.tensors.len() != expected {
        let expected = format!("{expected} tensors, of an n-gram model of order {}", config.order);
        return Err(file.malformed(expected, format!("{} tensors", file.tensors.len())));
    }
    Ok(Trie::new(levels))
}

fn is_logarithm(bits: u32) -> bool {
    let logprob = f32::from_bits(bits);
    logprob.is_finite() && logprob <= 0.0
}

/// The first of them for which `is_wrong`.
fn position<T: Sync>(values: &[T], is_wrong: impl Fn(&T) -> bool + Sync + Send) -> Option<usize> {
    values.par_iter().with_min_len(TASK).position_first(is_wrong)
}

struct File<'a> {
    path: &'a Path,
    mapping: &'a Arc<Mapping>,
    tensors: SafeTensors<'a>,
    vocab_size: usize,
}

impl File<'_> {
    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::malformed(self.path, expected, found)
    }

    /// A tensor of level k.
    fn tensor(&self, k: usize, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Words> {
        let name = format!("{k}.{name}");
        let view = self.tensors.tensor(&name).map_err(|_| {
            self.malformed(format!("a tensor `{name}`"), "none of that name")
                .with_hint("it may be of another order or an older form: train the model again")
        })?;
        if view.dtype() != dtype || view.shape() != shape {
            let found = format!("{:?} of shape {:?}", view.dtype(), view.shape());
            return Err(self.malformed(format!("`{name}` as {dtype:?} of shape {shape:?}"), found));
        }
        let begin = view.data().as_ptr().addr() - self.mapping.as_ptr().addr();
        Words::mapped(self.mapping, begin..begin + view.data().len()).ok_or_else(|| {
            self.malformed(format!("`{name}` at a multiple of 4 bytes"), format!("byte {begin}"))
        })
    }

    /// Checks that the children of each context are different tokens of the vocabulary, in order.
    fn check_tokens(&self, k: usize, tokens: &[u32], above: &[Context]) -> Result<()> {
        let vocab_size = self.vocab_size;
        let wrong = above.par_windows(2).with_min_len(TASK).position_first(|pair| {
            let children = &tokens[pair[0][FIRST] as usize..pair[1][FIRST] as usize];
            !children.is_sorted_by(|a, b| a < b)
                || children.last().is_some_and(|&last| last as usize >= vocab_size)
        });
        let Some(context) = wrong else { return Ok(()) };
        let expected = format!("`{k}.tokens` below {vocab_size}, rising after each context");
        Err(self.malformed(expected, format!("others after context {context}")))
    }

    /// Checks the values of contexts; gives the number of their children.
    fn check_contexts(&self, k: usize, contexts: &[Context]) -> Result<usize> {
        let (end, own) = contexts.split_last().expect("a row behind the last context");
        let wrong = position(own, |context| {
            !is_logarithm(context[LOGPROB]) || !f32::from_bits(context[BACKOFF]).is_finite()
        });
        if let Some(index) = wrong {
            let [logprob, backoff] = [LOGPROB, BACKOFF].map(|field| f32::from_bits(contexts[index][field]));
            let expected = format!("`{k}.contexts` of logarithms, the first of a probability");
            return Err(self.malformed(expected, format!("{logprob} and {backoff} in row {index}")));
        }
        let rising = contexts.par_windows(2).with_min_len(TASK).all(|pair| pair[0][FIRST] <= pair[1][FIRST]);
        if !rising || contexts[0][FIRST] != 0 {
            return Err(self.malformed(format!("`{k}.contexts` with children that rise from 0"), "others"));
        }
        Ok(end[FIRST] as usize)
    }
}
