//! Figures with their intervals, and models compared by them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A figure measured on a sample of conversations.
///
/// The interval is the 95 % percentile bootstrap over conversations (Efron 1979): `low` and `high` are the 2.5 % and the
/// 97.5 % quantile of the figure over samples of the conversations, drawn with replacement, as many as there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The figure over all conversations.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
    /// Which of two values is the better one; absent where neither is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
}

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The smaller one: a loss.
    Lower,
    /// The larger one: a score.
    Higher,
}

/// Two models by one figure, on the same conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The figure's name in [`super::ModelReport::figures`].
    pub figure: String,
    /// The first model's name.
    pub first: String,
    /// The second model's name.
    pub second: String,
    /// The first model's value less the second's. The interval is of the difference itself: both are measured on the same
    /// resampled conversations, so that what is hard for both cancels out.
    pub difference: Estimate,
    /// The share of the resampled sets of conversations on which the first model is the better one, ties counted by half:
    /// near 1, the first is surely better; near 0, the second; near 0.5, who knows.
    pub first_is_better: f64,
}

/// A figure over a part of the turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossPart {
    /// By what the turns are parted.
    pub by: PartedBy,
    /// The part: a topic (empty for conversations without one), or a range such as `2-3`, `9+`.
    pub name: String,
    /// Turns of the assistant in it.
    pub turns: usize,
    /// Mean negative log-likelihood of a target, in nats.
    pub loss_nats_per_token: Estimate,
    /// Negative log-likelihood in bits for each UTF-8 byte of the turns.
    pub bits_per_byte: Estimate,
    /// The share of targets that the model finds the likeliest of all tokens.
    pub next_token_accuracy: Estimate,
}

/// By what turns are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartedBy {
    /// The topic of the conversation.
    Topic,
    /// Which of the assistant's turns in the conversation it is, from 1.
    Turn,
    /// Characters of the assistant's turn.
    Length,
}
