//! The architectures, their layers, and generation.
//!
//! *A mixer is the only layer that moves information across time.* Shapes are written in one alphabet: B batch,
//! T time, C channels, H heads, K kv heads, D head width, F feed-forward, V vocabulary, N rows of a batch, S segments.

mod arguments;
pub mod batch;
pub mod chat;
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
pub use decoder::Decoder;
pub use language_model::{LanguageModel, Session};
pub use ngram::Ngram;
pub use params::{Params, Visitor};
pub use preset::Preset;

/// A model of any architecture: the closed set that `config.json` names.
pub enum Model {
    /// A neural network.
    Decoder(Box<Decoder>),
    /// Counts.
    Ngram(Box<Ngram>),
}

impl Model {
    /// Reads a model directory.
    ///
    /// # Errors
    /// [`artifact::Error`] naming the file when the directory holds no model of this set.
    pub fn read(dir: &Path) -> Result<Self> {
        Ok(match ModelConfig::read(dir)? {
            ModelConfig::Qwen3(config) => Self::Decoder(Box::new(Decoder::read(dir, &config)?)),
            ModelConfig::Decoder(config) => Self::Decoder(Box::new(Decoder::read(dir, &config)?)),
            ModelConfig::Ngram(config) => Self::Ngram(Box::new(Ngram::read(dir, &config)?)),
        })
    }

    /// The model as evaluation and deployment see it.
    pub fn into_language_model(self) -> Box<dyn LanguageModel> {
        match self {
            Self::Decoder(model) => model,
            Self::Ngram(model) => model,
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
