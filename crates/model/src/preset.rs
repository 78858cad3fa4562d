use artifact::config::Qwen3Config;
use clap::ValueEnum;

/// One dial for the size of a neural model: it sets every shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 64 channels, 2 blocks: tests, in seconds
    Nano,
    /// 256 channels, 4 blocks: a first bot, in minutes
    Micro,
    /// 256 channels, 6 blocks: a better one, in half an hour
    Small,
    /// 512 channels, 8 blocks: hours
    Base,
}

/// The shapes that a preset sets, each of which an option may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// C
    pub(crate) channels: usize,
    /// Number of blocks.
    pub(crate) blocks: usize,
    /// H
    pub(crate) heads: usize,
    /// K
    pub(crate) kv_heads: usize,
    /// D
    pub(crate) head_width: usize,
    /// F
    pub(crate) feed_forward: usize,
    /// The longest context, in tokens.
    pub(crate) context: usize,
}

impl Preset {
    /// Head widths of 64 and F = 3 C, or the nearest multiple of 128 to 8/3 C (Touvron et al. 2023) where C is large.
    pub(crate) fn shape(self) -> Shape {
        let (channels, blocks, heads, kv_heads, head_width, feed_forward) = match self {
            Self::Nano => (64, 2, 2, 1, 32, 192),
            Self::Micro => (256, 4, 4, 2, 64, 768),
            Self::Small => (256, 6, 4, 2, 64, 768),
            Self::Base => (512, 8, 8, 4, 64, 1408),
        };
        Shape { channels, blocks, heads, kv_heads, head_width, feed_forward, context: 512 }
    }
}

impl Shape {
    /// The configuration of a Transformer with these shapes and tokens.
    pub(crate) fn config(self, vocab_size: usize, bos: u32, eos: u32, pad: u32) -> Qwen3Config {
        Qwen3Config {
            architectures: vec!["Qwen3ForCausalLM".to_owned()],
            vocab_size,
            hidden_size: self.channels,
            intermediate_size: self.feed_forward,
            num_hidden_layers: self.blocks,
            num_attention_heads: self.heads,
            num_key_value_heads: self.kv_heads,
            head_dim: self.head_width,
            max_position_embeddings: self.context,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            tie_word_embeddings: true,
            attention_bias: false,
            hidden_act: "silu".to_owned(),
            bos_token_id: bos,
            eos_token_id: eos,
            pad_token_id: pad,
            torch_dtype: "float32".to_owned(),
        }
    }
}
