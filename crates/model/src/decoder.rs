//! The decoder.

use std::path::Path;

use artifact::Result;
use artifact::config::Qwen3Config;

use crate::{Batch, LanguageModel, Params, Session};

/// A neural language model.
pub struct Decoder {}

/// What a forward pass leaves for the backward pass, and every buffer of a training step; kept between steps.
#[derive(Default)]
pub struct Tape {}

/// The loss over a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// Sum over the targets, in nats.
    pub nats: f64,
    /// The number of targets.
    pub targets: usize,
}

impl Decoder {
    /// Random weights for a seed.
    pub fn new(_config: &Qwen3Config, _seed: u64) -> Self {
        todo!()
    }

    /// Reads a model directory.
    pub fn read(_dir: &Path, _config: &Qwen3Config) -> Result<Self> {
        todo!()
    }

    /// Writes `model.safetensors` into a directory.
    pub fn write(&self, _dir: &Path) -> Result<()> {
        todo!()
    }

    /// The same shapes, all zero: an empty gradient, or an optimizer's moments.
    pub fn zeros_like(&self) -> Self {
        todo!()
    }

    /// The loss over a batch.
    pub fn loss(&self, _batch: &Batch, _tape: &mut Tape) -> Loss {
        todo!()
    }

    /// The loss over a batch; adds `scale` times the gradient of its sum to `gradient`.
    pub fn gradient(&self, _batch: &Batch, _scale: f32, _tape: &mut Tape, _gradient: &mut Self) -> Loss {
        todo!()
    }
}

impl Params for Decoder {
    fn visit<'a>(&'a self, _visitor: &mut dyn FnMut(String, &[usize], &'a [f32])) {
        todo!()
    }
    fn visit_mut<'a>(&'a mut self, _visitor: &mut dyn FnMut(String, &[usize], &'a mut [f32])) {
        todo!()
    }
}

impl LanguageModel for Decoder {
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
