//! The retrieval model: replies of the training split, found by BM25 (Robertson & Zaragoza 2009).
//!
//! A *turn* is a question and the reply that followed it. The question is everything between the reply before and this
//! one; the *earlier* tokens are those before it. Questions are searched for the tokens of the question at hand, the best
//! of them for the earlier tokens too, and the replies found vote for the next token. Tokens are the terms, so that
//! nothing else of a language is needed.

mod index;
mod talk;

use std::path::Path;

use artifact::config::Bm25Config;
use artifact::shard::{self, Documents};
use artifact::{Error, Result, weights};

use self::index::Index;
use self::talk::Talk;
use crate::{LanguageModel, Session};

/// Tokens that a session holds.
const CONTEXT_LENGTH: usize = 1 << 20;

/// A retrieval model: its documents and an index over them.
#[derive(Debug)]
pub struct Bm25 {
    config: Bm25Config,
    documents: Documents,
    index: Index,
    /// ln of each token's share of all replies, one added to each count. `[V]`
    unigrams: Vec<f32>,
}

/// A turn that a search has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'a> {
    /// How well it fits; above 0.
    pub score: f32,
    /// Its place among all turns, in the order of the documents.
    pub turn: usize,
    /// The tokens of its reply, that which ends it included.
    pub reply: &'a [u32],
}

impl Bm25 {
    /// Indexes the turns of documents.
    ///
    /// # Panics
    /// When a token is not below `vocab_size`.
    pub fn fit(documents: Documents, config: &Bm25Config) -> Self {
        let index = Index::new(&documents, config);
        let mut counts = vec![1_u32; config.vocab_size];
        for (&token, _) in documents.tokens.iter().zip(&documents.loss).filter(|(_, flag)| **flag == 1) {
            counts[token as usize] += 1;
        }
        let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        let unigrams = counts.iter().map(|&count| (f64::from(count) / total).ln() as f32).collect();
        Self { config: config.clone(), documents, index, unigrams }
    }

    /// Reads `model.safetensors` of a model directory, which is a token shard, and indexes it.
    ///
    /// # Errors
    /// [`artifact::Error::Malformed`] when it is no token shard of this vocabulary.
    pub fn read(dir: &Path, config: &Bm25Config) -> Result<Self> {
        let path = dir.join(weights::FILE);
        let documents = shard::read_file(&path)?;
        if let Some(token) = documents.tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            let expected = format!("`tokens` below {}", config.vocab_size);
            return Err(Error::malformed(&path, expected, token.to_string()));
        }
        Ok(Self::fit(documents, config))
    }

    /// Writes `model.safetensors` into a directory. The same model gives the same bytes.
    pub fn write(&self, dir: &Path) -> Result<()> {
        shard::write_file(&dir.join(weights::FILE), &self.documents, self.config.vocab_size)
    }

    /// The number of turns.
    pub fn turns(&self) -> usize {
        self.index.turns.len()
    }

    /// The turns that fit best, the best first; among equals the first.
    ///
    /// The score of a turn is the BM25 score of its question for `question`, plus, where that is near the best, a share
    /// of the BM25 score of its earlier tokens for `earlier`.
    pub fn search(&self, question: &[u32], earlier: &[u32]) -> Vec<Found<'_>> {
        let found = self.index.search(&self.documents, question, earlier);
        found
            .into_iter()
            .map(|(turn, score)| Found {
                score,
                turn,
                reply: &self.documents.tokens[self.index.turns[turn].reply()],
            })
            .collect()
    }
}

impl LanguageModel for Bm25 {
    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context_length(&self) -> usize {
        CONTEXT_LENGTH
    }

    /// The number of postings.
    fn parameters(&self) -> usize {
        self.index.postings()
    }

    fn memory_bytes(&self) -> usize {
        let Documents { tokens, loss, starts } = &self.documents;
        size_of_val(tokens.as_slice())
            + size_of_val(loss.as_slice())
            + size_of_val(starts.as_slice())
            + self.index.bytes()
            + size_of_val(self.unigrams.as_slice())
    }

    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        let Some((&first, rest)) = tokens.split_first() else { return Vec::new() };
        let mut talk = Talk::new(self);
        talk.read(first);
        rest.iter()
            .map(|&token| {
                let logprob = talk.logprob(token);
                talk.read(token);
                logprob
            })
            .collect()
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Talk::new(self))
    }
}
