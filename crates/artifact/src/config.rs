//! Model configuration: `config.json` and `generation_config.json`, as Hugging Face `transformers` reads them.

mod bm25;
mod decoder;
mod transformer;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::bm25::Bm25Config;
pub use self::decoder::{AttentionBias, DecoderConfig, MixerKind, RopeScaling};
pub use self::transformer::{Family, TransformerConfig};
use crate::{Error, Result, json};

/// The name of the configuration file in a model directory.
pub const FILE: &str = "config.json";
/// The name of the generation settings in a model directory.
pub const GENERATION_FILE: &str = "generation_config.json";

/// `config.json`: which architecture, and its shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "model_type")]
pub enum ModelConfig {
    /// The Transformer decoder, exactly `Qwen3ForCausalLM`.
    #[serde(rename = "qwen3")]
    Qwen3(TransformerConfig),
    /// Exactly `Qwen2ForCausalLM`.
    #[serde(rename = "qwen2")]
    Qwen2(TransformerConfig),
    /// Exactly `LlamaForCausalLM`.
    #[serde(rename = "llama")]
    Llama(TransformerConfig),
    /// A decoder of recurrent, convolutional or attending blocks; only naman loads it.
    #[serde(rename = "naman_decoder")]
    Decoder(DecoderConfig),
    /// An n-gram model; only naman loads it.
    #[serde(rename = "naman_ngram")]
    Ngram(NgramConfig),
    /// Retrieval of training replies; only naman loads it.
    #[serde(rename = "naman_bm25")]
    Bm25(Bm25Config),
}

/// The shape of an n-gram model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NgramConfig {
    /// Class names; ours.
    #[serde(default = "ngram_architectures")]
    pub architectures: Vec<String>,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// The longest n-gram, in tokens, 1 to 6.
    pub order: usize,
    /// Token that begins a conversation.
    pub bos_token_id: u32,
    /// Token that ends a turn.
    pub eos_token_id: u32,
    /// Token that fills a batch.
    pub pad_token_id: u32,
}

fn ngram_architectures() -> Vec<String> {
    vec!["NamanNgram".to_owned()]
}

/// `generation_config.json`: how replies are sampled unless a request says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GenerationConfig {
    /// Whether to sample; the likeliest token otherwise.
    pub do_sample: bool,
    /// Divides the logits before sampling; above 0.
    pub temperature: f32,
    /// Keep the k likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the likeliest tokens that together reach this probability.
    pub top_p: f32,
    /// Keep tokens at least this share of the likeliest one's probability.
    pub min_p: f32,
    /// Divides the logits of tokens already present; 1 changes nothing.
    pub repetition_penalty: f32,
    /// The most tokens of one reply.
    pub max_new_tokens: usize,
    /// Token that begins a conversation.
    pub bos_token_id: u32,
    /// Tokens that end a reply; `transformers` also writes one as a number.
    #[serde(deserialize_with = "one_or_many")]
    pub eos_token_id: Vec<u32>,
    /// Token that fills a batch.
    pub pad_token_id: u32,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(u32),
        Many(Vec<u32>),
    }
    Ok(match Ids::deserialize(deserializer)? {
        Ids::One(id) => vec![id],
        Ids::Many(ids) => ids,
    })
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            do_sample: true,
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_new_tokens: 128,
            bos_token_id: 0,
            eos_token_id: Vec::new(),
            pad_token_id: 0,
        }
    }
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a model directory and checks its ranges.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(GENERATION_FILE);
        let config: Self = json::read(&path)?;
        config.check(&path)?;
        Ok(config)
    }

    /// Checks that every setting is in its range.
    pub fn check(&self, path: &Path) -> Result<()> {
        let settings = [
            (
                "a finite temperature above 0",
                self.temperature,
                self.temperature > 0.0 && self.temperature.is_finite(),
            ),
            ("top_p above 0 and at most 1", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0),
            ("min_p from 0 to below 1", self.min_p, (0.0..1.0).contains(&self.min_p)),
            (
                "a finite repetition_penalty above 0",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite(),
            ),
        ];
        for (expected, found, legal) in settings {
            if !legal {
                return Err(Error::malformed(path, expected, found.to_string()));
            }
        }
        if self.max_new_tokens == 0 {
            return Err(Error::malformed(path, "max_new_tokens of at least 1", "0"));
        }
        Ok(())
    }
}

impl ModelConfig {
    /// Reads `config.json` of a model directory and checks its shapes.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let value = transformer::in_one_form(json::read(&path)?)
            .map_err(|found| Error::malformed(&path, "a model that naman computes", found))?;
        let config: Self = serde_json::from_value(value)
            .map_err(|error| Error::malformed(&path, "a model configuration", error.to_string()))?;
        config.check(&path)?;
        Ok(config)
    }

    /// Writes `config.json` into a model directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        json::write(&dir.join(FILE), self)
    }

    /// Vocabulary, V.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Qwen3(config) | Self::Qwen2(config) | Self::Llama(config) => config.vocab_size,
            Self::Decoder(config) => config.vocab_size,
            Self::Ngram(config) => config.vocab_size,
            Self::Bm25(config) => config.vocab_size,
        }
    }

    /// The shapes of the decoder that this is; none of an n-gram or a retrieval model.
    pub fn decoder(&self) -> Option<DecoderConfig> {
        match self {
            Self::Qwen3(config) => Some(config.decoder(Family::Qwen3)),
            Self::Qwen2(config) => Some(config.decoder(Family::Qwen2)),
            Self::Llama(config) => Some(config.decoder(Family::Llama)),
            Self::Decoder(config) => Some(config.clone()),
            Self::Ngram(_) | Self::Bm25(_) => None,
        }
    }

    /// The tokens that begin a conversation, end a turn, and fill a batch.
    pub fn special_tokens(&self) -> [(&'static str, u32); 3] {
        let (bos, eos, pad) = match self {
            Self::Qwen3(config) | Self::Qwen2(config) | Self::Llama(config) => {
                (config.bos_token_id, config.eos_token_id, config.pad_token_id)
            }
            Self::Decoder(config) => (config.bos_token_id, config.eos_token_id, config.pad_token_id),
            Self::Ngram(config) => (config.bos_token_id, config.eos_token_id, config.pad_token_id),
            Self::Bm25(config) => (config.bos_token_id, config.eos_token_id, config.pad_token_id),
        };
        [("bos_token_id", bos), ("eos_token_id", eos), ("pad_token_id", pad)]
    }

    /// Checks shapes and special tokens; `path` is the file to name.
    pub fn check(&self, path: &Path) -> Result<()> {
        match self {
            Self::Qwen3(config) => config.check(Family::Qwen3, path)?,
            Self::Qwen2(config) => config.check(Family::Qwen2, path)?,
            Self::Llama(config) => config.check(Family::Llama, path)?,
            Self::Decoder(config) => config.check(path)?,
            Self::Bm25(config) => config.check(path)?,
            Self::Ngram(config) => {
                if !(1..=6).contains(&config.order) || !(1..=LARGEST_VOCABULARY).contains(&config.vocab_size)
                {
                    let found = format!("order {} and vocab_size {}", config.order, config.vocab_size);
                    return Err(Error::malformed(
                        path,
                        "an order of 1 to 6 and a vocabulary of 1 to 2^24",
                        found,
                    ));
                }
            }
        }
        for (name, id) in self.special_tokens() {
            if id as usize >= self.vocab_size() {
                let expected = format!("{name} below the vocab_size of {}", self.vocab_size());
                return Err(Error::malformed(path, expected, id.to_string()));
            }
        }
        Ok(())
    }
}

/// The largest vocabulary that is read.
const LARGEST_VOCABULARY: usize = 1 << 24;
/// The most parameters that are read: 512 GiB of f32.
const MOST_PARAMETERS: usize = 1 << 37;

/// Checks each size, given as its name, its value and its limit.
fn check_sizes(path: &Path, sizes: &[(&str, usize, usize)]) -> Result<()> {
    for &(name, value, limit) in sizes {
        if !(1..=limit).contains(&value) {
            return Err(Error::malformed(path, format!("{name} of 1 to {limit}"), value.to_string()));
        }
    }
    Ok(())
}
