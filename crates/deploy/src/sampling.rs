//! How replies are sampled: what a person or a request asks for, checked and laid over the model's own settings.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;

use artifact::config::GenerationConfig;

/// The most tokens of one reply, whoever asks: an n-gram model knows no end of its context.
pub(crate) const LONGEST_REPLY: usize = 4096;

/// What is asked for; where nothing is, the model's `generation_config.json` holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sampling {
    /// Divides the logits; 0 always takes the likeliest token.
    pub(crate) temperature: Option<f64>,
    /// Keep the likeliest tokens that together reach this probability.
    pub(crate) top_p: Option<f64>,
    /// Keep the k likeliest tokens; 0 keeps all.
    pub(crate) top_k: Option<usize>,
    /// Keep tokens at least this share of the likeliest one's probability.
    pub(crate) min_p: Option<f64>,
    /// Divides the logits of tokens already present.
    pub(crate) repetition_penalty: Option<f64>,
    /// The most tokens of the reply.
    pub(crate) max_tokens: Option<usize>,
}

/// A value outside its range.
#[derive(Debug, PartialEq)]
pub(crate) struct OutOfRange {
    /// The field, as it is written in a request.
    pub(crate) field: &'static str,
    expected: String,
    found: String,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field, self.expected, self.found)
    }
}

impl std::error::Error for OutOfRange {}

impl Sampling {
    /// Lays what is asked for over `model`'s settings.
    pub(crate) fn over(&self, model: &GenerationConfig) -> Result<GenerationConfig, OutOfRange> {
        let mut settings = model.clone();
        settings.max_new_tokens = settings.max_new_tokens.min(LONGEST_REPLY);
        if let Some(temperature) = within("temperature", self.temperature, 0.0..=2.0)? {
            settings.temperature = temperature;
            settings.do_sample = temperature > 0.0;
        }
        if let Some(top_p) = within("top_p", self.top_p, 0.0..=1.0)? {
            settings.top_p = top_p;
        }
        if let Some(top_k) = self.top_k {
            settings.top_k = top_k;
        }
        if let Some(min_p) = within("min_p", self.min_p, 0.0..=1.0)? {
            settings.min_p = min_p;
        }
        if let Some(penalty) = within("repetition_penalty", self.repetition_penalty, 0.1..=10.0)? {
            settings.repetition_penalty = penalty;
        }
        match self.max_tokens {
            None => {}
            Some(0) => {
                let expected = "at least 1".to_owned();
                return Err(OutOfRange { field: "max_tokens", expected, found: "0".to_owned() });
            }
            Some(tokens) => settings.max_new_tokens = tokens.min(LONGEST_REPLY),
        }
        Ok(settings)
    }
}

fn within(
    field: &'static str,
    value: Option<f64>,
    range: RangeInclusive<f64>,
) -> Result<Option<f32>, OutOfRange> {
    match value {
        Some(value) if !range.contains(&value) => {
            let expected = format!("{} to {}", range.start(), range.end());
            Err(OutOfRange { field, expected, found: value.to_string() })
        }
        value => Ok(value.map(|value| value as f32)),
    }
}

/// A seed that nobody chose: the standard library draws the keys of its hash maps from the system.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one("seed")
}
