//! `model.safetensors` of an n-gram model: a tensor for each length k of n-grams, which is used as it lies in the file.
//!
//! For all lengths but the longest, `{k}.contexts` U32 `[M + 1, 5]`; for the longest, `{k}.ngrams` U32 `[M, 3]`. The
//! numbers of a row are those of [`Context`] and [`Longest`], little-endian, a float by its bits.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use artifact::config::NgramConfig;
use artifact::{Error, Result, write_atomic_by};
use fs_err as fs;
use kernels::Mapping;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, View as Tensor};

use super::column::Words;
use super::trie::{BACKOFF, Context, FIRST, LOGPROB, Longest, SUFFIX, TOKEN, Trie};

/// Records that are checked in one task.
const TASK: usize = 1 << 16;

/// Writes the file atomically.
pub(super) fn write(path: &Path, trie: &Trie) -> Result<()> {
    let tensors = (1..).zip(trie.levels()).map(|(k, words)| {
        let width = if k < trie.order() { size_of::<Context>() } else { size_of::<Longest>() } / 4;
        (name(k, trie.order()), Level { shape: [words.len() / width, width], words })
    });
    let tensors: Vec<(String, Level<'_>)> = tensors.collect();
    write_atomic_by(path, |temporary| {
        safetensors::serialize_to_file(tensors, None, temporary)
            .map_err(|error| Error::refused(format!("{}: {error}", path.display())))
    })
}

fn name(k: usize, order: usize) -> String {
    format!("{k}.{}", if k < order { "contexts" } else { "ngrams" })
}

struct Level<'a> {
    shape: [usize; 2],
    words: &'a [u32],
}

impl Tensor for Level<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::U32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(self.words))
    }

    fn data_len(&self) -> usize {
        size_of_val(self.words)
    }
}

/// Maps the file and checks all of it, so that no question can meet an index beyond the end or a number that is none.
pub(super) fn read(path: &Path, config: &NgramConfig) -> Result<Trie> {
    let mapping = Arc::new(Mapping::new(fs::File::open(path)?.file())?);
    let tensors = SafeTensors::deserialize(&mapping)
        .map_err(|error| Error::malformed(path, "a safetensors file", error.to_string()))?;
    let file = File { path, mapping: &mapping, tensors, config };
    let mut contexts = Vec::with_capacity(config.order - 1);
    // The level above says how many there are.
    let mut count = config.vocab_size;
    for k in 1..config.order {
        let words = file.level::<5>(k, count + 1)?;
        let above = contexts.last().map(Words::records);
        file.check_records(k, &words.records::<5>()[..count], above)?;
        count = file.check_contexts(k, words.records())?;
        contexts.push(words);
    }
    let longest = file.level::<3>(config.order, count)?;
    file.check_records(config.order, longest.records::<3>(), contexts.last().map(Words::records))?;
    if file.tensors.len() != config.order {
        let expected = format!("{} tensors, of an n-gram model of that order", config.order);
        return Err(file.malformed(expected, format!("{} tensors", file.tensors.len())));
    }
    Ok(Trie { contexts, longest })
}

struct File<'a> {
    path: &'a Path,
    mapping: &'a Arc<Mapping>,
    tensors: SafeTensors<'a>,
    config: &'a NgramConfig,
}

impl File<'_> {
    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::malformed(self.path, expected, found)
    }

    /// The tensor of level k, `[rows, N]`.
    fn level<const N: usize>(&self, k: usize, rows: usize) -> Result<Words> {
        let name = name(k, self.config.order);
        let view = self.tensors.tensor(&name).map_err(|_| {
            self.malformed(format!("a tensor `{name}`"), "none of that name")
                .with_hint("older files have other tensors: train the model again")
        })?;
        if view.dtype() != Dtype::U32 || view.shape() != [rows, N] {
            let found = format!("{:?} of shape {:?}", view.dtype(), view.shape());
            return Err(self.malformed(format!("`{name}` as U32 of shape [{rows}, {N}]"), found));
        }
        let begin = view.data().as_ptr().addr() - self.mapping.as_ptr().addr();
        Words::mapped(self.mapping, begin..begin + view.data().len()).ok_or_else(|| {
            self.malformed(format!("`{name}` at a multiple of 4 bytes"), format!("byte {begin}"))
        })
    }

    /// Checks what all n-grams have; `above` is the level above, with its end.
    fn check_records<const N: usize>(
        &self,
        k: usize,
        records: &[[u32; N]],
        above: Option<&[Context]>,
    ) -> Result<()> {
        let name = name(k, self.config.order);
        let vocab_size = self.config.vocab_size;
        let suffixes = above.map_or(1, |above| above.len() - 1);
        let wrong = records.par_iter().with_min_len(TASK).position_first(|record| {
            let logprob = f32::from_bits(record[LOGPROB]);
            let backoff = if N > BACKOFF { f32::from_bits(record[BACKOFF]) } else { 0.0 };
            record[TOKEN] as usize >= vocab_size
                || record[SUFFIX] as usize >= suffixes
                || !(logprob.is_finite() && logprob <= 0.0 && backoff.is_finite())
        });
        if let Some(index) = wrong {
            let [token, suffix] = [TOKEN, SUFFIX].map(|field| records[index][field]);
            let expected = format!(
                "`{name}` of tokens below {vocab_size}, suffixes below {suffixes}, and logarithms of probabilities"
            );
            let logprob = f32::from_bits(records[index][LOGPROB]);
            return Err(self.malformed(expected, format!("{token}, {suffix} and {logprob} in row {index}")));
        }
        let rising = |range: &[[u32; N]]| range.is_sorted_by(|a, b| a[TOKEN] < b[TOKEN]);
        let sound = match above {
            // Each token at its own index: as many as there are, different and rising.
            None => rising(records),
            Some(above) => above
                .par_windows(2)
                .with_min_len(TASK)
                .all(|pair| rising(&records[pair[0][FIRST] as usize..pair[1][FIRST] as usize])),
        };
        if sound {
            return Ok(());
        }
        Err(self.malformed(format!("`{name}` with tokens that rise after each context"), "others"))
    }

    /// Checks where children begin; gives their number.
    fn check_contexts(&self, k: usize, contexts: &[Context]) -> Result<usize> {
        let rising = contexts.par_windows(2).with_min_len(TASK).all(|pair| pair[0][FIRST] <= pair[1][FIRST]);
        if !rising || contexts[0][FIRST] != 0 {
            let name = name(k, self.config.order);
            return Err(self.malformed(format!("`{name}` with children rising from 0"), "others"));
        }
        Ok(contexts[contexts.len() - 1][FIRST] as usize)
    }
}
