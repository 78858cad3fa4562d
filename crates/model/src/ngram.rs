//! The n-gram model: interpolated modified Kneser-Ney over tokens.
//!
//! A document begins with the `bos` token, which is a context and never predicted; it has no end but its last token.
//! Tokens before a `bos` within a document are no context for those behind it.

mod arpa;
mod count;
mod file;
mod kneser_ney;
mod talk;
mod trie;

use std::path::Path;

use artifact::config::NgramConfig;
use artifact::shard::Documents;
use artifact::{Result, weights};

use crate::{LanguageModel, Session};
use talk::{State, Talk};
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

impl Ngram {
    /// A model that has seen nothing: every token is equally likely.
    pub fn new(config: &NgramConfig) -> Self {
        let vocab_size = config.vocab_size;
        let uniform = -(vocab_size as f32).ln();
        Self {
            trie: Trie::unigrams(vec![uniform; vocab_size], config.order, vocab_size),
            bos: config.bos_token_id,
        }
    }

    /// Reads `model.safetensors` of a model directory.
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

    /// Estimates a model from documents; the same for any number of threads.
    ///
    /// # Panics
    /// When a token or `bos_token_id` is not below `vocab_size`, `order` is not 1 to 6, `vocab_size` is above 2^24, or there
    /// are 2^32 tokens.
    pub fn fit(documents: &Documents, config: &NgramConfig) -> Self {
        Self::fit_pruned(documents, config, &[])
    }

    /// As [`Ngram::fit`], without the n-grams of length k that occur at most `prune[k - 1]` times; the last number
    /// holds for all longer ones. Their probability goes to shorter contexts, as with `lmplz --prune`.
    ///
    /// # Panics
    /// As [`Ngram::fit`], and when `prune` falls, or does not begin with 0: every token is kept.
    pub fn fit_pruned(documents: &Documents, config: &NgramConfig, prune: &[u32]) -> Self {
        assert!((config.bos_token_id as usize) < config.vocab_size, "bos_token_id below vocab_size");
        assert!((1..=MAX_ORDER).contains(&config.order), "an order of 1 to {MAX_ORDER}");
        assert!(prune.first().is_none_or(|&threshold| threshold == 0), "every token is kept");
        assert!(prune.is_sorted(), "what extends an n-gram is pruned with it");
        let last = prune.last().copied().unwrap_or(0);
        let prune: Vec<u32> = (0..config.order).map(|k| prune.get(k).copied().unwrap_or(last)).collect();
        let counts = count::count(documents, config.vocab_size, config.order, config.bos_token_id);
        Self { trie: kneser_ney::estimate(counts, config.bos_token_id, &prune), bos: config.bos_token_id }
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
        let Some((&first, rest)) = tokens.split_first() else { return Vec::new() };
        let mut state = State::default();
        state.read(self, first);
        rest.iter().map(|&token| state.read(self, token)).collect()
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Talk::new(self))
    }
}
