use artifact::config::{DecoderConfig, Family, MixerKind, TransformerConfig};
use clap::ValueEnum;

/// One dial for the size of a neural model: it sets every shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 64 channels, 2 blocks (4 of convolutions): tests, in seconds
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
    /// P
    pub(crate) mixer_width: usize,
    /// k
    pub(crate) kernel_size: usize,
    /// F
    pub(crate) feed_forward: usize,
    /// The longest context, in tokens.
    pub(crate) context: usize,
}

/// The tokens that a configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialTokens {
    pub(crate) bos: u32,
    pub(crate) eos: u32,
    pub(crate) pad: u32,
}

impl Preset {
    /// Of attention: head widths of 64 and F = 3 C, or the nearest multiple of 128 to 8/3 C (Touvron et al. 2023) where
    /// C is large. The other mixers have the same C, and F such that the number of parameters is the same within 2 %;
    /// as many taps, or blocks, as a convolution needs to see the whole context.
    pub(crate) fn shape(self, mixer: MixerKind) -> Shape {
        let (channels, blocks, heads, kv_heads, head_width, feed_forward) = match self {
            Self::Nano => (64, 2, 2, 1, 32, 192),
            Self::Micro => (256, 4, 4, 2, 64, 768),
            Self::Small => (256, 6, 4, 2, 64, 768),
            Self::Base => (512, 8, 8, 4, 64, 1408),
        };
        let of_attention = Shape {
            channels,
            blocks,
            heads,
            kv_heads,
            head_width,
            mixer_width: channels,
            kernel_size: 4,
            feed_forward,
            context: 512,
        };
        match (mixer, self) {
            (MixerKind::Attention, _) => of_attention,
            (MixerKind::Gru, _) => {
                let feed_forward = match self {
                    Self::Nano => 104,
                    Self::Micro | Self::Small => 424,
                    Self::Base => 720,
                };
                Shape { feed_forward, ..of_attention }
            }
            (MixerKind::Lstm, _) => {
                let feed_forward = match self {
                    Self::Nano => 64,
                    Self::Micro | Self::Small => 256,
                    Self::Base => 384,
                };
                Shape { feed_forward, ..of_attention }
            }
            (MixerKind::Convolution, Self::Nano) => {
                Shape { blocks: 4, kernel_size: 5, mixer_width: 24, feed_forward: 40, ..of_attention }
            }
            (MixerKind::Convolution, Self::Micro) => {
                Shape { kernel_size: 5, mixer_width: 192, feed_forward: 320, ..of_attention }
            }
            (MixerKind::Convolution, Self::Small) => {
                Shape { mixer_width: 192, feed_forward: 448, ..of_attention }
            }
            (MixerKind::Convolution, Self::Base) => {
                Shape { mixer_width: 384, feed_forward: 768, ..of_attention }
            }
        }
    }
}

impl Shape {
    /// The configuration of a Transformer with these shapes and tokens.
    pub(crate) fn qwen3(self, vocab_size: usize, tokens: SpecialTokens) -> TransformerConfig {
        TransformerConfig {
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
            mlp_bias: false,
            rope_scaling: None,
            hidden_act: "silu".to_owned(),
            bos_token_id: tokens.bos,
            eos_token_id: tokens.eos,
            pad_token_id: tokens.pad,
            torch_dtype: "float32".to_owned(),
        }
    }

    /// The configuration of a decoder with these mixers, one a block.
    pub(crate) fn decoder(
        self,
        mixers: Vec<MixerKind>,
        vocab_size: usize,
        tokens: SpecialTokens,
    ) -> DecoderConfig {
        DecoderConfig {
            architectures: vec!["NamanDecoder".to_owned()],
            mixers,
            mixer_size: self.mixer_width,
            kernel_size: self.kernel_size,
            dilations: self.dilations(),
            ..self.qwen3(vocab_size, tokens).decoder(Family::Qwen3)
        }
    }

    /// Powers of the number of taps, so that each block's taps lie side by side what the blocks before have seen; the
    /// last one less, so that no tap reaches beyond the context.
    fn dilations(self) -> Vec<usize> {
        let Self { kernel_size, context, .. } = self;
        let largest = context.div_ceil(kernel_size.max(2));
        let powers = std::iter::successors(Some(1), |dilation| Some(dilation * kernel_size.max(2)));
        let mut dilations: Vec<usize> = powers.take_while(|&dilation| dilation < largest).collect();
        dilations.push(largest);
        dilations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: SpecialTokens = SpecialTokens { bos: 0, eos: 1, pad: 0 };
    const OURS: [MixerKind; 3] = [MixerKind::Gru, MixerKind::Lstm, MixerKind::Convolution];

    #[test]
    fn a_preset_gives_every_family_the_same_number_of_parameters() {
        for preset in Preset::value_variants() {
            let transformer = preset.shape(MixerKind::Attention).qwen3(4096, TOKENS).decoder(Family::Qwen3);
            // Without the embedding, which is the same for all, so that this holds for any vocabulary.
            let embedding = 4096 * transformer.hidden_size;
            let budget = (transformer.parameters() - embedding) as f64;
            for mixer in OURS {
                let shape = preset.shape(mixer);
                let config = shape.decoder(vec![mixer; shape.blocks], 4096, TOKENS);
                config.check(std::path::Path::new("config.json")).unwrap();
                let ratio = (config.parameters() - embedding) as f64 / budget;
                assert!((ratio - 1.0).abs() < 0.02, "{preset:?} {mixer:?}: {ratio}");
            }
        }
    }

    #[test]
    fn convolutions_see_every_token_of_the_context() {
        for preset in Preset::value_variants() {
            let shape = preset.shape(MixerKind::Convolution);
            let config = shape.decoder(vec![MixerKind::Convolution; shape.blocks], 4096, TOKENS);
            let mut seen = vec![true];
            for (_, dilation) in config.blocks() {
                let mut farther = vec![false; seen.len() + (config.kernel_size - 1) * dilation];
                for (distance, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
                    (0..config.kernel_size).for_each(|tap| farther[distance + tap * dilation] = true);
                }
                seen = farther;
            }
            let context = config.max_position_embeddings;
            assert!(seen.len() >= context && seen[..context].iter().all(|&seen| seen), "{preset:?}");
        }
    }
}
