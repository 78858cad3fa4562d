//! `model.safetensors` of an n-gram model, a group of tensors for each length k of n-grams.
//!
//! `{k}.tokens` U16 or U32 `[M]` (from k = 2), `{k}.logprob` F32 `[M]`, and for all but the longest `{k}.backoff` F32
//! `[M]` and `{k}.first` U32 `[M + 1]`. They mean what the fields of [`Level`] say. Wide types come first in the file,
//! so that each tensor is aligned.

use std::path::Path;

use artifact::config::NgramConfig;
use artifact::{Error, Result, write_atomic};
use fs_err as fs;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::trie::{Level, Tokens, Trie};

/// Writes the file atomically.
pub(super) fn write(path: &Path, trie: &Trie) -> Result<()> {
    let mut columns: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
    for (k, level) in (1..).zip(&trie.levels) {
        let mut column = |name: &str, dtype, bytes| columns.push((format!("{k}.{name}"), dtype, bytes));
        if k > 1 {
            match &level.tokens {
                Tokens::Narrow(tokens) => column("tokens", Dtype::U16, bytes(tokens, u16::to_le_bytes)),
                Tokens::Wide(tokens) => column("tokens", Dtype::U32, bytes(tokens, u32::to_le_bytes)),
            }
        }
        column("logprob", Dtype::F32, bytes(&level.logprob, f32::to_le_bytes));
        if k < trie.order() {
            column("backoff", Dtype::F32, bytes(&level.backoff, f32::to_le_bytes));
            column("first", Dtype::U32, bytes(&level.first, u32::to_le_bytes));
        }
    }
    let views = columns.iter().map(|(name, dtype, bytes)| {
        let length = bytes.len() * 8 / dtype.bitsize();
        let view = TensorView::new(*dtype, vec![length], bytes).expect("shape and data agree");
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None)
        .map_err(|error| Error::refused(format!("{}: {error}", path.display())))?;
    write_atomic(path, &bytes)
}

fn bytes<T: Copy, const N: usize>(values: &[T], encode: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * N);
    for &value in values {
        bytes.extend_from_slice(&encode(value));
    }
    bytes
}

/// Reads the file and checks it.
pub(super) fn read(path: &Path, config: &NgramConfig) -> Result<Trie> {
    let bytes = fs::read(path)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::malformed(path, "a safetensors file", error.to_string()))?;
    let file = File { path, tensors };
    let mut levels: Vec<Level> = Vec::with_capacity(config.order);
    for k in 1..=config.order {
        // The level above says how many there are.
        let length =
            levels.last().map_or(config.vocab_size, |level| level.first[level.first.len() - 1] as usize);
        levels.push(file.level(k, length, config)?);
        if let [.., above, level] = levels.as_slice() {
            file.check_children(k, above, level, config.vocab_size)?;
        }
    }
    let expected = 4 * config.order - 3;
    if file.tensors.len() != expected {
        let found = format!("{} tensors", file.tensors.len());
        return Err(file
            .malformed(format!("{expected} tensors, of an n-gram model of order {}", config.order), found));
    }
    Ok(Trie { levels })
}

struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl File<'_> {
    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::malformed(self.path, expected, found)
    }

    fn level(&self, k: usize, length: usize, config: &NgramConfig) -> Result<Level> {
        let tokens = if k == 1 {
            Tokens::new(Vec::new(), config.vocab_size)
        } else if config.vocab_size <= 1 << 16 {
            Tokens::Narrow(self.column(k, "tokens", Dtype::U16, length, u16::from_le_bytes)?)
        } else {
            Tokens::Wide(self.column(k, "tokens", Dtype::U32, length, u32::from_le_bytes)?)
        };
        let last = k == config.order;
        let level = Level {
            tokens,
            logprob: self.column(k, "logprob", Dtype::F32, length, f32::from_le_bytes)?,
            backoff: if last {
                Vec::new()
            } else {
                self.column(k, "backoff", Dtype::F32, length, f32::from_le_bytes)?
            },
            first: if last {
                Vec::new()
            } else {
                self.column(k, "first", Dtype::U32, length + 1, u32::from_le_bytes)?
            },
        };
        if let Some(value) = level.logprob.iter().find(|value| !value.is_finite() || **value > 0.0) {
            return Err(self.malformed(format!("`{k}.logprob` of 0 or less"), value.to_string()));
        }
        if let Some(value) = level.backoff.iter().find(|value| !value.is_finite()) {
            return Err(self.malformed(format!("`{k}.backoff` of finite numbers"), value.to_string()));
        }
        if !last && (level.first[0] != 0 || !level.first.is_sorted()) {
            return Err(self.malformed(format!("`{k}.first` rising from 0"), "offsets that do not"));
        }
        Ok(level)
    }

    /// Reads a tensor of rank 1.
    fn column<T, const N: usize>(
        &self,
        k: usize,
        name: &str,
        dtype: Dtype,
        length: usize,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>> {
        let name = format!("{k}.{name}");
        let view = self
            .tensors
            .tensor(&name)
            .map_err(|_| self.malformed(format!("a tensor `{name}`"), "none of that name"))?;
        if view.dtype() != dtype || view.shape() != [length] {
            let found = format!("{:?} of shape {:?}", view.dtype(), view.shape());
            return Err(self.malformed(format!("`{name}` as {dtype:?} of shape [{length}]"), found));
        }
        let (chunks, _) = view.data().as_chunks::<N>();
        Ok(chunks.iter().map(|&chunk| decode(chunk)).collect())
    }

    /// Checks that the children of each n-gram are different tokens of the vocabulary, in order.
    fn check_children(&self, k: usize, above: &Level, level: &Level, vocab_size: usize) -> Result<()> {
        for parent in 0..above.logprob.len() {
            let range = above.children(parent);
            let mut least = 0;
            for child in range {
                let token = level.tokens.get(child) as usize;
                if token < least || token >= vocab_size {
                    let expected = format!("`{k}.tokens` below {vocab_size}, rising after each context");
                    return Err(self.malformed(expected, format!("{token} at {child}")));
                }
                least = token + 1;
            }
        }
        Ok(())
    }
}
