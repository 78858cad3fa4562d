//! The configuration of naman's own decoders: blocks that differ in what moves information across time.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LARGEST_VOCABULARY, MOST_PARAMETERS, check_sizes};
use crate::{Error, Result};

/// What a block moves information across time with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MixerKind {
    /// Causal self-attention, as Qwen3 computes it.
    Attention,
    /// A gated recurrent unit.
    Gru,
    /// A long short-term memory.
    Lstm,
    /// A gated causal convolution.
    Convolution,
}

/// Which projections of attention have a bias.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionBias {
    /// None.
    #[default]
    None,
    /// Those of queries, keys and values.
    QueryKeyValue,
    /// Those, and the one of the output.
    All,
}

/// How rotary frequencies are changed for a context longer than that of pre-training, as `transformers` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rope_type", rename_all = "snake_case")]
pub enum RopeScaling {
    /// Llama 3.1: a long wave turns `factor` times slower, a short one as before, and between the two the change is
    /// gradual.
    Llama3 {
        /// Divides the frequencies of long waves; at least 1.
        factor: f64,
        /// A wave is long that turns fewer times than this in the original context.
        low_freq_factor: f64,
        /// A wave is short that turns more times than this in the original context.
        high_freq_factor: f64,
        /// The context of pre-training, in tokens.
        original_max_position_embeddings: usize,
    },
}

/// The shapes of a decoder whose blocks may each have another mixer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecoderConfig {
    /// Class names; ours.
    #[serde(default = "architectures")]
    pub architectures: Vec<String>,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// Channels, C.
    pub hidden_size: usize,
    /// Feed-forward width, F.
    pub intermediate_size: usize,
    /// The mixer of each block, from the first.
    pub mixers: Vec<MixerKind>,
    /// Width of the state of GRU, LSTM and convolution, P.
    pub mixer_size: usize,
    /// Taps of a convolution.
    #[serde(default = "kernel_size")]
    pub kernel_size: usize,
    /// Distance between the taps of each block that convolves, from the first; begun again where there are more blocks.
    #[serde(default = "dilations")]
    pub dilations: Vec<usize>,
    /// Query heads of attention, H.
    #[serde(default = "heads")]
    pub num_attention_heads: usize,
    /// Key and value heads of attention, K; divides H.
    #[serde(default = "heads")]
    pub num_key_value_heads: usize,
    /// Head width of attention, D; even.
    #[serde(default = "head_dim")]
    pub head_dim: usize,
    /// The longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in `RMSNorm`.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies of attention.
    #[serde(default = "rope_theta")]
    pub rope_theta: f64,
    /// How the rotary frequencies are changed for a longer context.
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    /// Whether attention normalises each head of queries and keys.
    #[serde(default = "yes")]
    pub qk_norm: bool,
    /// Which projections of attention have a bias.
    #[serde(default)]
    pub attention_bias: AttentionBias,
    /// Whether the projections of the feed-forward have a bias.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
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

pub(super) fn float32() -> String {
    "float32".to_owned()
}

fn yes() -> bool {
    true
}

fn architectures() -> Vec<String> {
    vec!["NamanDecoder".to_owned()]
}

pub(super) fn kernel_size() -> usize {
    4
}

pub(super) fn dilations() -> Vec<usize> {
    vec![1]
}

fn heads() -> usize {
    1
}

fn head_dim() -> usize {
    64
}

pub(super) fn rope_theta() -> f64 {
    10_000.0
}

impl DecoderConfig {
    /// The mixer of each block, with its dilation where it is a convolution and 1 elsewhere.
    pub fn blocks(&self) -> impl Iterator<Item = (MixerKind, usize)> {
        let mut dilations = self.dilations.iter().copied().cycle();
        self.mixers.iter().map(move |&mixer| {
            let dilation = if mixer == MixerKind::Convolution { dilations.next() } else { None };
            (mixer, dilation.unwrap_or(1))
        })
    }

    /// Every tensor of `model.safetensors`: its name and shape, as Hugging Face and PyTorch name them.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (c, f, v, p) = (self.hidden_size, self.intermediate_size, self.vocab_size, self.mixer_size);
        let recurrent = |gates: usize| {
            vec![
                ("mixer.weight_ih", vec![gates * p, c]),
                ("mixer.weight_hh", vec![gates * p, p]),
                ("mixer.bias_ih", vec![gates * p]),
                ("mixer.bias_hh", vec![gates * p]),
                ("mixer.output.weight", vec![c, p]),
            ]
        };
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![v, c])];
        for (layer, mixer) in self.mixers.iter().enumerate() {
            let mut block = vec![("input_layernorm.weight", vec![c])];
            block.extend(match mixer {
                MixerKind::Attention => self.attention_tensors(),
                MixerKind::Gru => recurrent(3),
                MixerKind::Lstm => recurrent(4),
                MixerKind::Convolution => vec![
                    ("mixer.conv.weight", vec![2 * p, c, self.kernel_size]),
                    ("mixer.conv.bias", vec![2 * p]),
                    ("mixer.output.weight", vec![c, p]),
                ],
            });
            block.extend([
                ("post_attention_layernorm.weight", vec![c]),
                ("mlp.gate_proj.weight", vec![f, c]),
                ("mlp.up_proj.weight", vec![f, c]),
                ("mlp.down_proj.weight", vec![c, f]),
            ]);
            if self.mlp_bias {
                block.extend([
                    ("mlp.gate_proj.bias", vec![f]),
                    ("mlp.up_proj.bias", vec![f]),
                    ("mlp.down_proj.bias", vec![c]),
                ]);
            }
            tensors.extend(
                block.into_iter().map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)),
            );
        }
        tensors.push(("model.norm.weight".to_owned(), vec![c]));
        if !self.tie_word_embeddings {
            tensors.push(("lm_head.weight".to_owned(), vec![v, c]));
        }
        tensors
    }

    fn attention_tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let c = self.hidden_size;
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let mut tensors = vec![
            ("self_attn.q_proj.weight", vec![queries, c]),
            ("self_attn.k_proj.weight", vec![keys, c]),
            ("self_attn.v_proj.weight", vec![keys, c]),
            ("self_attn.o_proj.weight", vec![c, queries]),
        ];
        if self.attention_bias != AttentionBias::None {
            tensors.extend([
                ("self_attn.q_proj.bias", vec![queries]),
                ("self_attn.k_proj.bias", vec![keys]),
                ("self_attn.v_proj.bias", vec![keys]),
            ]);
        }
        if self.attention_bias == AttentionBias::All {
            tensors.push(("self_attn.o_proj.bias", vec![c]));
        }
        if self.qk_norm {
            tensors.extend([
                ("self_attn.q_norm.weight", vec![self.head_dim]),
                ("self_attn.k_norm.weight", vec![self.head_dim]),
            ]);
        }
        tensors
    }

    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Checks that the shapes fit together and are of a size that a machine can hold.
    pub fn check(&self, path: &Path) -> Result<()> {
        let fail = |expected: &str, found: String| Err(Error::malformed(path, expected, found));
        check_sizes(
            path,
            &[
                ("vocab_size", self.vocab_size, LARGEST_VOCABULARY),
                ("hidden_size", self.hidden_size, 1 << 17),
                ("intermediate_size", self.intermediate_size, 1 << 19),
                ("number of mixers", self.mixers.len(), 1 << 12),
                ("mixer_size", self.mixer_size, 1 << 17),
                ("kernel_size", self.kernel_size, 1 << 10),
                ("number of dilations", self.dilations.len(), 1 << 12),
                ("num_attention_heads", self.num_attention_heads, 1 << 12),
                ("num_key_value_heads", self.num_key_value_heads, 1 << 12),
                ("head_dim", self.head_dim, 1 << 12),
                ("max_position_embeddings", self.max_position_embeddings, 1 << 20),
            ],
        )?;
        if self.mixers.contains(&MixerKind::Convolution) {
            // A tap beyond the context would never see anything, and a session holds all that lies before it.
            let farthest = (self.max_position_embeddings - 1) / (self.kernel_size - 1).max(1);
            if let Some(dilation) = self.dilations.iter().find(|dilation| !(1..=farthest).contains(*dilation))
            {
                let expected =
                    format!("dilations of 1 to {farthest}, for {} taps within the context", self.kernel_size);
                return fail(&expected, dilation.to_string());
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            let found = format!("{} and {}", self.num_attention_heads, self.num_key_value_heads);
            return fail("num_attention_heads as a multiple of num_key_value_heads", found);
        }
        if !self.head_dim.is_multiple_of(2) {
            return fail("an even head_dim", self.head_dim.to_string());
        }
        if !(0.0..1.0).contains(&self.rms_norm_eps) {
            return fail("rms_norm_eps from 0 to below 1", self.rms_norm_eps.to_string());
        }
        if !(1.0..=1e12).contains(&self.rope_theta) {
            return fail("rope_theta of 1 to 1e12", self.rope_theta.to_string());
        }
        if let Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: original,
        }) = self.rope_scaling
        {
            if !(1.0..=1e6).contains(&factor) {
                return fail("a rope_scaling factor of 1 to 1e6", factor.to_string());
            }
            if !(low > 0.0 && low < high && high.is_finite()) {
                return fail(
                    "low_freq_factor above 0 and below high_freq_factor",
                    format!("{low} and {high}"),
                );
            }
            check_sizes(path, &[("original_max_position_embeddings", original, 1 << 20)])?;
        }
        // Each factor is bounded above, so no product overflows 64 bits.
        let parameters = self.parameters();
        if parameters > MOST_PARAMETERS {
            return fail("shapes of at most 2^37 parameters", format!("{parameters}"));
        }
        Ok(())
    }
}
