//! Interpolated modified Kneser-Ney.

use std::path::Path;

use artifact::Result;
use artifact::config::NgramConfig;
use artifact::shard::Documents;

use crate::{LanguageModel, Session};

/// An n-gram model.
pub struct Ngram {}

impl Ngram {
    /// Reads a model directory.
    pub fn read(_dir: &Path, _config: &NgramConfig) -> Result<Self> {
        todo!()
    }

    /// Writes the weights.
    pub fn write(&self, _dir: &Path) -> Result<()> {
        todo!()
    }

    /// Estimates a model from documents.
    pub fn fit(_documents: &Documents, _config: &NgramConfig) -> Self {
        todo!()
    }
}

impl LanguageModel for Ngram {
    fn vocab_size(&self) -> usize {
        todo!()
    }
    fn context_length(&self) -> usize {
        todo!()
    }
    fn parameters(&self) -> usize {
        todo!()
    }
    fn score(&self, _tokens: &[u32]) -> Vec<f32> {
        todo!()
    }
    fn session(&self) -> Box<dyn Session + '_> {
        todo!()
    }
}
