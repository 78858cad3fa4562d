use artifact::config::{DecoderConfig, Family, ModelConfig, TransformerConfig};

/// The configuration that a decoder is made from, and written with.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    /// Exactly `Qwen3ForCausalLM`, so that others load it.
    Qwen3(TransformerConfig),
    /// Exactly `Qwen2ForCausalLM`.
    Qwen2(TransformerConfig),
    /// Exactly `LlamaForCausalLM`.
    Llama(TransformerConfig),
    /// Blocks of any mixers.
    Naman(DecoderConfig),
}

impl Config {
    /// The shapes of the decoder.
    pub fn shape(&self) -> DecoderConfig {
        match self {
            Self::Qwen3(config) => config.decoder(Family::Qwen3),
            Self::Qwen2(config) => config.decoder(Family::Qwen2),
            Self::Llama(config) => config.decoder(Family::Llama),
            Self::Naman(config) => config.clone(),
        }
    }

    /// As `config.json` holds it.
    pub fn into_model_config(self) -> ModelConfig {
        match self {
            Self::Qwen3(config) => ModelConfig::Qwen3(config),
            Self::Qwen2(config) => ModelConfig::Qwen2(config),
            Self::Llama(config) => ModelConfig::Llama(config),
            Self::Naman(config) => ModelConfig::Decoder(config),
        }
    }
}

impl From<&DecoderConfig> for Config {
    fn from(config: &DecoderConfig) -> Self {
        Self::Naman(config.clone())
    }
}

impl From<&Config> for Config {
    fn from(config: &Config) -> Self {
        config.clone()
    }
}
