//! Model configuration: `config.json` and `generation_config.json`, as Hugging Face `transformers` reads them.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    Qwen3(Qwen3Config),
    /// An n-gram model; only naman loads it.
    #[serde(rename = "naman_ngram")]
    Ngram(NgramConfig),
}

/// The shapes of a `Qwen3ForCausalLM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Qwen3Config {
    /// Class names for `transformers`.
    #[serde(default = "qwen3_architectures")]
    pub architectures: Vec<String>,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// Channels, C.
    pub hidden_size: usize,
    /// Feed-forward width, F.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads, H.
    pub num_attention_heads: usize,
    /// Key and value heads, K; divides H.
    pub num_key_value_heads: usize,
    /// Head width, D; even.
    pub head_dim: usize,
    /// The longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in `RMSNorm`.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Whether projections have biases; this reader supports none.
    #[serde(default)]
    pub attention_bias: bool,
    /// Activation of the gate; this reader supports `silu`.
    #[serde(default = "silu")]
    pub hidden_act: String,
    /// Token that begins a conversation.
    pub bos_token_id: u32,
    /// Token that ends a turn.
    pub eos_token_id: u32,
    /// Token that fills a batch.
    pub pad_token_id: u32,
    /// Type of the stored weights.
    #[serde(default = "float32")]
    pub torch_dtype: String,
}

fn qwen3_architectures() -> Vec<String> {
    vec!["Qwen3ForCausalLM".to_owned()]
}

fn silu() -> String {
    "silu".to_owned()
}

fn float32() -> String {
    "float32".to_owned()
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

impl ModelConfig {
    /// Reads `config.json` of a model directory and checks its shapes.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let config: Self = json::read(&path)?;
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
            Self::Qwen3(config) => config.vocab_size,
            Self::Ngram(config) => config.vocab_size,
        }
    }

    fn check(&self, path: &Path) -> Result<()> {
        match self {
            Self::Qwen3(config) => config.check(path),
            Self::Ngram(config) if (1..=6).contains(&config.order) && config.vocab_size > 0 => Ok(()),
            Self::Ngram(config) => {
                let found = format!("order {} and vocab_size {}", config.order, config.vocab_size);
                Err(Error::malformed(path, "an order of 1 to 6 and a vocabulary", found))
            }
        }
    }
}

impl Qwen3Config {
    /// Checks that the shapes fit together and are of a size that a machine can hold.
    pub fn check(&self, path: &Path) -> Result<()> {
        let fail = |expected: &str, found: String| Err(Error::malformed(path, expected, found));
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 17),
            ("intermediate_size", self.intermediate_size, 1 << 19),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 12),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 12),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        for (name, value, limit) in sizes {
            if !(1..=limit).contains(&value) {
                return fail(&format!("{name} of 1 to {limit}"), value.to_string());
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            let found = format!("{} and {}", self.num_attention_heads, self.num_key_value_heads);
            return fail("num_attention_heads as a multiple of num_key_value_heads", found);
        }
        if !self.head_dim.is_multiple_of(2) {
            return fail("an even head_dim", self.head_dim.to_string());
        }
        if self.attention_bias || self.hidden_act != "silu" {
            let found = format!("attention_bias {} and hidden_act {}", self.attention_bias, self.hidden_act);
            return fail("no attention_bias and hidden_act silu", found);
        }
        Ok(())
    }
}
