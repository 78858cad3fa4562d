//! Multiple-choice tasks by likelihood.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Estimate;

/// What a model reaches on one set of multiple-choice questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskReport {
    /// The set's name: its file's, without the ending.
    pub name: String,
    /// Questions.
    pub questions: usize,
    /// The share of questions whose right choice is the likeliest.
    pub accuracy: Estimate,
    /// The same after the log-likelihood of each choice is divided by its length, in characters.
    pub accuracy_by_length: Estimate,
    /// What guessing reaches: the mean of 1 / number of choices.
    pub chance: f64,
}
