//! The Transformers that `transformers` and naman both compute: Qwen3, Qwen2 and Llama, which differ in norms and biases.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::check_sizes;
use super::decoder::{
    AttentionBias, DecoderConfig, MixerKind, RopeScaling, dilations, float32, kernel_size, rope_theta,
};
use crate::{Error, Result};

/// Whose `modeling_*.py` of `transformers` says what is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `Qwen3ForCausalLM`: norms of queries and keys; biases where `attention_bias` asks for them.
    Qwen3,
    /// `Qwen2ForCausalLM`: biases of queries, keys and values.
    Qwen2,
    /// `LlamaForCausalLM`: biases where `attention_bias` and `mlp_bias` ask for them.
    Llama,
}

/// The shapes of a `Qwen3ForCausalLM`, `Qwen2ForCausalLM` or `LlamaForCausalLM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransformerConfig {
    /// Class names for `transformers`.
    #[serde(default)]
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
    /// Key and value heads, K; divides H. As many as query heads where a file has none.
    pub num_key_value_heads: usize,
    /// Head width, D; even. C / H where a file has none.
    pub head_dim: usize,
    /// The longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in `RMSNorm`.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    #[serde(default = "rope_theta")]
    pub rope_theta: f64,
    /// How the rotary frequencies are changed for a longer context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the head is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Whether the projections of attention have biases, in Qwen3 and Llama; Qwen2 has some in any case.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether the projections of the feed-forward have biases, in Llama.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mlp_bias: bool,
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

fn silu() -> String {
    "silu".to_owned()
}

impl TransformerConfig {
    /// The decoder that this is: attention in every block.
    pub fn decoder(&self, family: Family) -> DecoderConfig {
        DecoderConfig {
            architectures: self.architectures.clone(),
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            mixers: vec![MixerKind::Attention; self.num_hidden_layers],
            mixer_size: self.hidden_size,
            kernel_size: kernel_size(),
            dilations: dilations(),
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
            max_position_embeddings: self.max_position_embeddings,
            rms_norm_eps: self.rms_norm_eps,
            rope_theta: self.rope_theta,
            rope_scaling: self.rope_scaling,
            qk_norm: family == Family::Qwen3,
            attention_bias: match family {
                Family::Qwen2 => AttentionBias::QueryKeyValue,
                Family::Qwen3 | Family::Llama if self.attention_bias => AttentionBias::All,
                Family::Qwen3 | Family::Llama => AttentionBias::None,
            },
            mlp_bias: family == Family::Llama && self.mlp_bias,
            tie_word_embeddings: self.tie_word_embeddings,
            bos_token_id: self.bos_token_id,
            eos_token_id: self.eos_token_id,
            pad_token_id: self.pad_token_id,
            torch_dtype: self.torch_dtype.clone(),
        }
    }

    /// Checks that the shapes fit together and are of a size that a machine can hold.
    pub fn check(&self, family: Family, path: &Path) -> Result<()> {
        check_sizes(path, &[("num_hidden_layers", self.num_hidden_layers, 1 << 12)])?;
        if self.hidden_act != "silu" {
            return Err(Error::malformed(path, "hidden_act silu", self.hidden_act.clone()));
        }
        self.decoder(family).check(path)
    }
}

/// Brings what versions of `transformers` write differently (`rope_parameters`, `dtype`), or leave out, to one form,
/// which all of them read.
///
/// # Errors
/// What the configuration asks for beyond the plain architecture: other rescaled frequencies, sliding windows.
pub(super) fn in_one_form(mut value: Value) -> std::result::Result<Value, String> {
    let Some(config) = value.as_object_mut() else { return Ok(value) };
    // What is null stands for the default of its class, as what is absent does.
    config.retain(|_, value| !value.is_null());
    let class = match config.get("model_type").and_then(Value::as_str) {
        Some("qwen3") => "Qwen3ForCausalLM",
        Some("qwen2") => "Qwen2ForCausalLM",
        Some("llama") => "LlamaForCausalLM",
        _ => return Ok(value),
    };
    config.entry("architectures").or_insert_with(|| json!([class]));
    rope_in_one_form(config)?;
    refuse_windows(config)?;
    if let Some(dtype) = config.get("dtype").cloned() {
        config.entry("torch_dtype").or_insert(dtype);
    }

    let size = |config: &Map<String, Value>, key| config.get(key).and_then(Value::as_u64);
    let (channels, heads) = (size(config, "hidden_size"), size(config, "num_attention_heads"));
    if let Some(heads) = heads {
        config.entry("num_key_value_heads").or_insert_with(|| heads.into());
    }
    if let (Some(channels), Some(heads @ 1..)) = (channels, heads) {
        config.entry("head_dim").or_insert_with(|| (channels / heads).into());
    }

    // Llama 3 names several ends; generation_config.json has them all.
    if let Some(first) = config.get("eos_token_id").and_then(|ends| ends.get(0)).cloned() {
        config.insert("eos_token_id".to_owned(), first);
    }
    // Each stands in for the next: a document may begin with the token that ends it.
    for (absent, other) in [("bos_token_id", "eos_token_id"), ("pad_token_id", "bos_token_id")] {
        if let Some(other) = config.get(other).cloned() {
            config.entry(absent).or_insert(other);
        }
    }
    Ok(value)
}

/// Moves `rope_parameters` to `rope_theta` and `rope_scaling`.
fn rope_in_one_form(config: &mut Map<String, Value>) -> std::result::Result<(), String> {
    let mut scaling = None;
    for key in ["rope_parameters", "rope_scaling"] {
        let Some(mut rope) = config.remove(key) else { continue };
        let Some(settings) = rope.as_object_mut() else { return Err(format!("{key} {rope}")) };
        settings.retain(|_, value| !value.is_null());
        if let Some(theta) = settings.remove("rope_theta") {
            config.entry("rope_theta").or_insert(theta);
        }
        if let Some(part) = settings.get("partial_rotary_factor").filter(|part| part.as_f64() != Some(1.0)) {
            return Err(format!("{key} with a partial_rotary_factor of {part}"));
        }
        let kind = settings.remove("rope_type").or_else(|| settings.remove("type"));
        match kind.as_ref().and_then(Value::as_str).unwrap_or("default") {
            "default" => {}
            "llama3" => {
                settings.insert("rope_type".to_owned(), "llama3".into());
                let original = "original_max_position_embeddings";
                if let Some(context) = config.get(original).or_else(|| config.get("max_position_embeddings"))
                {
                    settings.entry(original).or_insert_with(|| context.clone());
                }
                scaling = Some(rope);
            }
            other => return Err(format!("{key} of type {other}")),
        }
    }
    if let Some(scaling) = scaling {
        config.insert("rope_scaling".to_owned(), scaling);
    }
    Ok(())
}

/// # Errors
/// When some layer does not attend to the whole context.
fn refuse_windows(config: &Map<String, Value>) -> std::result::Result<(), String> {
    if config.get("use_sliding_window") == Some(&Value::Bool(true)) {
        return Err("use_sliding_window".to_owned());
    }
    let layers = config.get("layer_types").and_then(Value::as_array);
    match layers.into_iter().flatten().find(|layer| **layer != "full_attention") {
        Some(layer) => Err(format!("layer_types with {layer}")),
        None => Ok(()),
    }
}
