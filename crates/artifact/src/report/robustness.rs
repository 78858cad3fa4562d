//! How much a model loses when people write carelessly.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Estimate;

/// A model's greedy replies to the same histories, whose last user's turn is written otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Perturbed {
    /// How it is written.
    pub perturbation: Perturbation,
    /// A turn before.
    pub before: String,
    /// The same turn after.
    pub after: String,
    /// Replies to turns that the perturbation changes.
    pub replies: usize,
    /// Figures of those replies, by their names in [`super::ModelReport::figures`].
    pub figures: BTreeMap<String, Estimate>,
    /// Each figure less that of the replies to the same turns as they were, on the same resampled conversations.
    pub changes: BTreeMap<String, Estimate>,
}

/// A way to write a turn otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Perturbation {
    /// Letters that a finger beside the right key of the standard Korean keyboard makes.
    Typos,
    /// No spaces.
    NoSpaces,
    /// The other register: polite endings made casual, and casual ones polite.
    Register,
    /// Syllables left as their letters: ㅎㅏㄴ for 한.
    Jamo,
    /// Emoji and ㅋㅋ, ㅠㅠ among the words.
    Emoji,
}
