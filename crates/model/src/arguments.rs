use std::path::PathBuf;

use artifact::config::MixerKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::preset::Preset;

/// Makes a model to be trained, or tells what a model is.
#[derive(Debug, Parser)]
#[command(name = "model", version, about)]
pub struct Arguments {
    /// The options of every binary.
    #[command(flatten)]
    pub common: terminal::Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an untrained model for a tokenizer
    New(Box<New>),
    /// Print what a model directory holds and costs: layers, parameters, operations, memory
    Info(Info),
    /// Exchange n-gram models with SRILM, KenLM and others, as ARPA text
    #[command(subcommand)]
    Arpa(Arpa),
}

/// Directions of `model arpa`.
#[derive(Debug, Subcommand)]
pub(crate) enum Arpa {
    /// Write an n-gram model as ARPA text, each word a token id in decimal
    Export(ExportArpa),
    /// Make a model directory of ARPA text whose words are token ids in decimal
    Import(ImportArpa),
}

/// Options of `model arpa export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArpa {
    /// Model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Token that stands nowhere but at the end of a document, to be written as `</s>` [default: none; `</s>` has no
    /// probability then]
    #[arg(long, value_name = "ID")]
    pub(crate) end: Option<u32>,
}

/// Options of `model arpa import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArpa {
    /// File to read, of order 1 to 6
    #[arg(long, value_name = "FILE")]
    pub(crate) arpa: PathBuf,
    /// Directory that preprocess wrote, for its tokenizer
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Token that `</s>` stands for [default: none; the file holds no n-gram with it]
    #[arg(long, value_name = "ID")]
    pub(crate) end: Option<u32>,
}

/// Options of `model new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Directory that preprocess wrote, for its tokenizer
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Family of models
    #[arg(long, value_enum, default_value_t = Architecture::Transformer)]
    pub(crate) architecture: Architecture,
    /// Mixers of a hybrid decoder, from the first block, over and over until each block has one: attention, gru, lstm,
    /// convolution. Sizes are those that the preset gives the first one
    #[arg(long, value_name = "MIXER,...", value_delimiter = ',', value_parser = mixer, conflicts_with = "architecture")]
    pub(crate) mixers: Option<Vec<MixerKind>>,
    /// Size of a neural model
    #[arg(long, value_enum, default_value_t = Preset::Micro)]
    pub(crate) preset: Preset,
    /// Channels, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) channels: Option<usize>,
    /// Blocks, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) blocks: Option<usize>,
    /// Query heads, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) heads: Option<usize>,
    /// Key and value heads, instead of the preset's; divides the query heads
    #[arg(long, value_name = "N")]
    pub(crate) kv_heads: Option<usize>,
    /// Width of a head, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) head_width: Option<usize>,
    /// Width of the state of a GRU, LSTM or convolution, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) mixer_width: Option<usize>,
    /// Taps of a convolution, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) kernel_size: Option<usize>,
    /// Width of the feed-forward layer, instead of the preset's
    #[arg(long, value_name = "N")]
    pub(crate) feed_forward: Option<usize>,
    /// Longest context in tokens, instead of the preset's 512
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context: Option<usize>,
    /// Give the head weights of its own instead of the embedding's
    #[arg(long)]
    pub(crate) untied: bool,
    /// Longest n-gram of an n-gram model, in tokens, 1 to 6
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) order: usize,
    /// Seed of the random weights
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

fn mixer(name: &str) -> Result<MixerKind, String> {
    serde_json::from_value(name.into()).map_err(|_| {
        "a mixer is attention, gru, lstm or convolution; several stand with commas between them".to_owned()
    })
}

/// Options of `model info`.
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// Model directory
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// List every tensor with its shape, and nothing else
    #[arg(long)]
    pub(crate) tensors: bool,
    /// Tokens of a batch, for the memory that training takes
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = batch_tokens)]
    pub(crate) batch_tokens: usize,
}

fn batch_tokens(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|tokens| (1..=1 << 24).contains(tokens))
        .ok_or_else(|| "expected 1 to 2^24".to_owned())
}

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// Attention: exactly Qwen3, so that transformers loads it
    Transformer,
    /// Gated recurrent units (Cho et al. 2014)
    Gru,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997)
    Lstm,
    /// Gated causal convolutions (Dauphin et al. 2017)
    Convolution,
    /// Counts of token sequences, modified Kneser-Ney
    Ngram,
    /// Replies of the training split, found by BM25 (Robertson & Zaragoza 2009)
    Bm25,
}

impl Architecture {
    /// The mixer of every block of a neural model.
    pub(crate) fn mixer(self) -> Option<MixerKind> {
        match self {
            Self::Transformer => Some(MixerKind::Attention),
            Self::Gru => Some(MixerKind::Gru),
            Self::Lstm => Some(MixerKind::Lstm),
            Self::Convolution => Some(MixerKind::Convolution),
            Self::Ngram | Self::Bm25 => None,
        }
    }
}
