use std::path::PathBuf;

use clap::{Args, Parser};
use terminal::Common;

use crate::schedule::Decay;
use crate::settings::{Optimizer, Publish, Rounding};

/// Fits a model to token shards.
///
/// A neural network is trained for the given budget; n-grams are counted, and turns indexed, in one pass that needs no budget. An
/// interrupted run goes on from its last checkpoint when the same command is given again, and gives the weights that
/// the uninterrupted run would have given, bit for bit (for a budget in steps or epochs, and the same number of threads).
#[derive(Debug, Parser)]
#[command(version, about, allow_negative_numbers = true)]
pub struct Arguments {
    /// Options that every stage takes.
    #[command(flatten)]
    pub common: Common,

    /// Directory with token shards and tokenizer, written by preprocess
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// Model directory to start from, written by `model new` or an earlier train
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,

    /// Directory to write: the trained model and metrics.jsonl
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// How long to train.
    #[command(flatten)]
    pub budget: BudgetArguments,

    /// Input tokens in a batch, about: documents are not split to meet it
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub batch_tokens: usize,

    /// What moves the matrices between activations; AdamW moves all else
    #[arg(long, value_enum, default_value_t = Optimizer::Muon)]
    pub optimizer: Optimizer,

    /// Peak learning rate [default: 1.5e-3 at 256 channels, inversely proportional to them, at most 6e-3]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,

    /// Share of the budget in which the learning rate rises to its peak
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub warmup: f64,

    /// How the learning rate falls after the warm-up
    #[arg(long, value_enum, default_value_t = Decay::Linear)]
    pub decay: Decay,

    /// Where the learning rate ends, as a share of its peak
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub floor: f64,

    /// Weight decay of the projections; biases and norms have none
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub weight_decay: f64,

    /// Weight decay of the embedding and the head [default: that of the projections]
    #[arg(long, value_name = "RATE")]
    pub embedding_decay: Option<f64>,

    /// Publish a running mean of the weights with this decay a step, such as 0.999 [default: the weights themselves]
    #[arg(long, value_name = "DECAY")]
    pub average: Option<f64>,

    /// Decay of the gradient's running mean
    #[arg(long, value_name = "RATE", default_value_t = 0.9)]
    pub beta1: f64,

    /// Decay of the running mean of the gradient's square
    #[arg(long, value_name = "RATE", default_value_t = 0.99)]
    pub beta2: f64,

    /// Added to the root of the mean square
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-8)]
    pub epsilon: f64,

    /// Share of what each layer adds to the residual stream that is dropped in training
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub dropout: f64,

    /// What the factors of matrix products are rounded to; weights and sums are always f32
    #[arg(long, value_enum, default_value_t = Rounding::Auto)]
    pub precision: Rounding,

    /// The gradient is scaled down to at most this Euclidean norm
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    pub clip: f64,

    /// Seed of the order of documents
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Validate after so many steps, or, below 1, after this share of the budget
    #[arg(long, value_name = "STEPS|SHARE", default_value_t = 0.1)]
    pub valid_every: f64,

    /// Seconds between two checkpoints; each validation writes one too
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub checkpoint_every: f64,

    /// What the model is asked at each validation (repeatable)
    #[arg(long, value_name = "TEXT", default_values = ["안녕하세요", "오늘 날씨가 어때요?", "너 이름이 뭐야?"])]
    pub prompt: Vec<String>,

    /// How an n-gram model is counted.
    #[command(flatten)]
    pub counting: CountingArguments,

    /// Which weights become the result: those of the lowest validation loss, or those of the last step
    #[arg(long, value_enum, default_value_t = Publish::Best)]
    pub publish: Publish,
}

/// The training budget: exactly one of them.
#[derive(Debug, Clone, Copy, Default, Args)]
#[group(multiple = false)]
pub struct BudgetArguments {
    /// Train for so many steps of the optimizer
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,

    /// Train for so many passes over the training split; fractions are allowed
    #[arg(long, value_name = "N")]
    pub epochs: Option<f64>,

    /// Train for so many minutes; the learning rate follows the clock
    #[arg(long, value_name = "N")]
    pub minutes: Option<f64>,
}

/// Options of an n-gram model.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of an n-gram model")]
pub struct CountingArguments {
    /// Leave out n-grams of length 1, 2, ... that occur at most so often: `--prune 0 0 1` leaves out trigrams and longer
    /// ones that occur once. Begins with 0 and never falls; the last number holds for all longer n-grams [default: 0]
    #[arg(long, value_name = "COUNT", num_args = 1..)]
    pub prune: Vec<u32>,

    /// Memory for counting, in MiB, beside the tokens; what does not fit it goes to files in the output directory while
    /// counting lasts. The model does not depend on it
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: usize,
}
