//! The n-gram model: interpolated modified Kneser-Ney over tokens.
//!
//! A document begins with the `bos` token, which is a context and never predicted; it has no end but its last token.
//! Tokens before a `bos` within a document are no context for those behind it.

mod arpa;
mod column;
mod count;
mod file;
mod kept;
mod kneser_ney;
mod links;
mod runs;
mod score;
mod talk;
mod tasks;
mod trie;

use std::path::Path;

use artifact::config::NgramConfig;
use artifact::shard::Documents;
use artifact::{Result, weights};

use crate::{LanguageModel, Session};
use column::Place;
use count::Bound;
use talk::Talk;
use trie::Trie;

/// The longest n-gram, in tokens.
const MAX_ORDER: usize = 6;
/// Tokens that a session holds; nothing but the last `order - 1` matters.
const CONTEXT_LENGTH: usize = 1 << 20;

/// An n-gram model.
#[derive(Debug, PartialEq)]
pub struct Ngram {
    trie: Trie,
    bos: u32,
}

/// How a model is estimated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Estimation<'a> {
    /// n-grams of length k that occur at most `prune[k - 1]` times are left out; the last number holds for all longer
    /// ones. Their probability goes to shorter contexts, as with `lmplz --prune`.
    pub prune: &'a [u32],
    /// Where there is a bound, lists that do not fit it are kept in files.
    pub memory: Option<Memory<'a>>,
}

/// A bound on memory. The model does not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// Bytes, beside the documents. Where files are needed, the system maps those that are being read, and takes their
    /// pages back when memory is short.
    pub bytes: usize,
    /// Directory for the files, which have no names and vanish with the process.
    pub dir: &'a Path,
}

impl Memory<'_> {
    /// The least bound that is kept, in bytes.
    pub const LEAST: usize = 8 << 20;
}

impl Ngram {
    /// A model that has seen nothing: every token is equally likely.
    pub fn new(config: &NgramConfig) -> Self {
        let uniform = -(config.vocab_size as f32).ln();
        Self { trie: Trie::unigrams(uniform, config.order, config.vocab_size), bos: config.bos_token_id }
    }

    /// Maps `model.safetensors` of a model directory, and checks it.
    ///
    /// # Errors
    /// [`artifact::Error::Malformed`] when it holds no n-gram model of this configuration.
    pub fn read(dir: &Path, config: &NgramConfig) -> Result<Self> {
        let trie = file::read(&dir.join(weights::FILE), config)?;
        Ok(Self { trie, bos: config.bos_token_id })
    }

    /// Writes `model.safetensors` into a directory. The same model gives the same bytes.
    pub fn write(&self, dir: &Path) -> Result<()> {
        file::write(&dir.join(weights::FILE), &self.trie)
    }

    /// Estimates a model from documents; the same for any number of threads and any bound on memory.
    ///
    /// # Errors
    /// When a file cannot be written.
    ///
    /// # Panics
    /// When a token or `bos_token_id` is not below `vocab_size`, `order` is not 1 to 6, `vocab_size` is above 2^24, there
    /// are 2^32 tokens, or `prune` falls or does not begin with 0: every token is kept.
    pub fn fit(documents: &Documents, config: &NgramConfig, estimation: Estimation<'_>) -> Result<Self> {
        let (order, bos) = (config.order, config.bos_token_id);
        let prune = estimation.prune;
        assert!((bos as usize) < config.vocab_size, "bos_token_id below vocab_size");
        assert!((1..=MAX_ORDER).contains(&order), "an order of 1 to {MAX_ORDER}");
        assert!(prune.first().is_none_or(|&threshold| threshold == 0), "every token is kept");
        assert!(prune.is_sorted(), "what extends an n-gram is pruned with it");
        let last = prune.last().copied().unwrap_or(0);
        let prune: Vec<u32> = (0..order).map(|k| prune.get(k).copied().unwrap_or(last)).collect();

        // A position's key, and what each of its n-grams takes while they are estimated.
        let most = (documents.tokens.len() + documents.len()) * (16 + 24 * order);
        let (bound, window) = match estimation.memory {
            Some(Memory { bytes, dir }) if bytes < most => {
                // Sorting comes before the counters; buffers of files need the rest.
                let bytes = bytes.max(Memory::LEAST) / 2;
                (Bound { key_bytes: Some(bytes), place: Place::Disk(dir) }, bytes / size_of::<u32>())
            }
            _ => (Bound { key_bytes: None, place: Place::Memory }, usize::MAX),
        };
        let counts = count::count(documents, config.vocab_size, order, bos, bound)?;
        Ok(Self { trie: kneser_ney::estimate(counts, bos, &prune, window, bound.place)?, bos })
    }
}

impl LanguageModel for Ngram {
    fn vocab_size(&self) -> usize {
        self.trie.vocab_size()
    }

    fn context_length(&self) -> usize {
        CONTEXT_LENGTH
    }

    fn parameters(&self) -> usize {
        self.trie.len()
    }

    fn memory_bytes(&self) -> usize {
        self.trie.bytes()
    }

    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        score::score(&self.trie.view(), self.bos, tokens)
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Talk::new(self))
    }
}
