//! What each conversation adds to a model's figures: `outcomes.jsonl`, by which a later report is compared in pairs.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Result, json};

/// The file's name, beside `report.json`.
pub const OUTCOMES_FILE: &str = "outcomes.jsonl";

/// A line of `outcomes.jsonl`: one held-out conversation and one model. A figure is the sum of its parts over the
/// conversations, divided by the sum of what they are parts of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The conversation's id.
    pub conversation: String,
    /// The model's name.
    pub model: String,
    /// Negative log-likelihood of the assistant's turns, in bits.
    pub bits: f64,
    /// UTF-8 bytes of those turns.
    pub bytes: usize,
    /// Greedy replies whose action was looked for.
    pub action_turns: usize,
    /// Those that carry out the expected action.
    pub action_correct: usize,
    /// Greedy replies that must repeat something.
    pub recall_turns: usize,
    /// Those that repeat all of it.
    pub recall_correct: usize,
}

impl Outcome {
    /// Reads the file of a directory; none where there is no such file.
    pub fn read(dir: &Path) -> Result<Option<Vec<Self>>> {
        let path = dir.join(OUTCOMES_FILE);
        if path.exists() { json::lines(&path)?.collect::<Result<_>>().map(Some) } else { Ok(None) }
    }

    /// Writes the file into a directory.
    pub fn write(dir: &Path, outcomes: &[Self]) -> Result<()> {
        let mut file = json::LinesWriter::create(&dir.join(OUTCOMES_FILE))?;
        for outcome in outcomes {
            file.write(outcome)?;
        }
        file.flush()
    }
}
