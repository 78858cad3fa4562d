//! The architectures, their layers, and generation.
//!
//! *A mixer is the only layer that moves information across time.* Shapes are written in one alphabet: B batch,
//! T time, C channels, H heads, K kv heads, D head width, F feed-forward, V vocabulary, N rows of a batch, S segments.

mod arguments;
pub mod batch;
pub mod bm25;
pub mod chat;
pub mod cost;
pub mod decoder;
mod exchange;
pub mod generate;
mod info;
mod language_model;
mod new;
pub mod ngram;
mod params;
mod preset;

use std::path::Path;

use artifact::Result;
use artifact::config::ModelConfig;

pub use arguments::Arguments;
pub use batch::Batch;
pub use bm25::Bm25;
use decoder::Config;
pub use decoder::Decoder;
pub use kernels::Precision;
pub use language_model::{LanguageModel, Prediction, Session, Turn};
pub use ngram::Ngram;
pub use params::{Params, Visitor};
pub use preset::Preset;

/// A model of any architecture: the closed set that `config.json` names.
pub enum Model {
    /// A neural network.
    Decoder(Box<Decoder>),
    /// Counts.
    Ngram(Box<Ngram>),
    /// Replies to search for.
    Bm25(Box<Bm25>),
}

impl Model {
    /// Reads a model directory.
    ///
    /// # Errors
    /// [`artifact::Error`] naming the file when the directory holds no model of this set.
    pub fn read(dir: &Path) -> Result<Self> {
        Ok(match ModelConfig::read(dir)? {
            ModelConfig::Qwen3(config) => Self::decoder(dir, Config::Qwen3(config))?,
            ModelConfig::Qwen2(config) => Self::decoder(dir, Config::Qwen2(config))?,
            ModelConfig::Llama(config) => Self::decoder(dir, Config::Llama(config))?,
            ModelConfig::Decoder(config) => Self::decoder(dir, Config::Naman(config))?,
            ModelConfig::Ngram(config) => Self::Ngram(Box::new(Ngram::read(dir, &config)?)),
            ModelConfig::Bm25(config) => Self::Bm25(Box::new(Bm25::read(dir, &config)?)),
        })
    }

    fn decoder(dir: &Path, config: Config) -> Result<Self> {
        Ok(Self::Decoder(Box::new(Decoder::read(dir, config)?)))
    }

    /// Writes `model.safetensors` into a directory, and what else the architecture writes. The same model gives the same
    /// bytes.
    pub fn write(&self, dir: &Path) -> Result<()> {
        match self {
            Self::Decoder(model) => model.write(dir),
            Self::Ngram(model) => model.write(dir),
            Self::Bm25(model) => model.write(dir),
        }
    }

    /// The model as evaluation and deployment see it.
    pub fn as_language_model(&self) -> &dyn LanguageModel {
        match self {
            Self::Decoder(model) => model.as_ref(),
            Self::Ngram(model) => model.as_ref(),
            Self::Bm25(model) => model.as_ref(),
        }
    }

    /// As [`Model::as_language_model`], kept.
    pub fn into_language_model(self) -> Box<dyn LanguageModel> {
        match self {
            Self::Decoder(model) => model,
            Self::Ngram(model) => model,
            Self::Bm25(model) => model,
        }
    }
}

/// Runs the command line.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        arguments::Command::New(new) => new::new(&new),
        arguments::Command::Info(info) => info::info(&info),
        arguments::Command::Arpa(arpa) => exchange::arpa(&arpa),
    }
}
