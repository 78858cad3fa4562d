//! The `train` stage: fits a model to token shards.
//!
//! A neural network is fitted by `AdamW`, or Muon, on packed batches of whole conversations; n-grams are counted, and turns
//! indexed for BM25. The result has the layout of the model directory that training began from, and `metrics.jsonl` beside it.

pub mod adamw;
mod arguments;
mod batches;
mod budget;
mod checkpoint;
mod counting;
mod identity;
mod inputs;
mod log;
pub mod muon;
mod neural;
pub mod norm;
pub mod optimizer;
mod peak_memory;
mod schedule;
mod settings;
mod validation;

use std::path::Path;

use artifact::config::ModelConfig;
use model::decoder::Config;

pub use arguments::{Arguments, BudgetArguments, CountingArguments};
pub use schedule::Decay;
pub use settings::{Optimizer, Publish, Rounding};

/// Trains as the arguments say and publishes `--out`.
///
/// # Errors
/// When an input is missing or malformed, an option is out of its range, training diverges, or the disk is full.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = ModelConfig::read(&arguments.model)?;
    let inputs = inputs::Inputs::read(&arguments.data, &arguments.model, config.vocab_size())?;
    match config {
        ModelConfig::Qwen3(config) => fit(&Config::Qwen3(config), &inputs, &arguments),
        ModelConfig::Qwen2(config) => fit(&Config::Qwen2(config), &inputs, &arguments),
        ModelConfig::Llama(config) => fit(&Config::Llama(config), &inputs, &arguments),
        ModelConfig::Decoder(config) => fit(&Config::Naman(config), &inputs, &arguments),
        ModelConfig::Ngram(config) => {
            settings::refuse_budget(&arguments)?;
            let count = |dir: &Path| counting::count(&config, &inputs, &arguments, dir);
            counting::fit(count, &inputs, &arguments)
        }
        ModelConfig::Bm25(config) => {
            settings::refuse_budget(&arguments)?;
            counting::fit(|_| Ok(counting::index(&config, &inputs)), &inputs, &arguments)
        }
    }
}

fn fit(config: &Config, inputs: &inputs::Inputs, arguments: &Arguments) -> anyhow::Result<()> {
    settings::refuse_prune(arguments)?;
    let settings = settings::Settings::checked(arguments, config.shape().hidden_size)?;
    neural::fit(config, inputs, &settings, arguments)
}
