//! The configuration of a retrieval model.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LARGEST_VOCABULARY, check_sizes};
use crate::{Error, Result};

/// The most tokens that open a reply.
const LONGEST_PREFIX: usize = 64;

/// A model that repeats the replies of the training split, found by BM25.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bm25Config {
    /// Class names; ours.
    #[serde(default = "architectures")]
    pub architectures: Vec<String>,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// How soon further occurrences of a term count for less; 0 counts a term once.
    pub k1: f32,
    /// How far the length of a question counts, from 0 to 1.
    pub b: f32,
    /// The tokens that open the assistant's turn: behind them a reply begins.
    pub reply_prefix_token_ids: Vec<u32>,
    /// Token that begins a conversation.
    pub bos_token_id: u32,
    /// Token that ends a turn.
    pub eos_token_id: u32,
    /// Token that fills a batch.
    pub pad_token_id: u32,
}

fn architectures() -> Vec<String> {
    vec!["NamanBm25".to_owned()]
}

impl Bm25Config {
    /// Checks that every setting is in its range.
    pub fn check(&self, path: &Path) -> Result<()> {
        check_sizes(
            path,
            &[
                ("vocab_size", self.vocab_size, LARGEST_VOCABULARY),
                ("number of reply_prefix_token_ids", self.reply_prefix_token_ids.len(), LONGEST_PREFIX),
            ],
        )?;
        for (expected, found, legal) in [
            ("k1 from 0 to 100", self.k1, (0.0..=100.0).contains(&self.k1)),
            ("b from 0 to 1", self.b, (0.0..=1.0).contains(&self.b)),
        ] {
            if !legal {
                return Err(Error::malformed(path, expected, found.to_string()));
            }
        }
        if let Some(id) = self.reply_prefix_token_ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            let expected = format!("reply_prefix_token_ids below the vocab_size of {}", self.vocab_size);
            return Err(Error::malformed(path, expected, id.to_string()));
        }
        Ok(())
    }
}
