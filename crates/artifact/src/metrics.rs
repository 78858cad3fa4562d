//! The course of a training run: `metrics.jsonl`, one row a line, in the order of steps.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Result, json};

/// The file's name in a model directory.
pub const FILE: &str = "metrics.jsonl";

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Row {
    /// A step of the optimizer.
    Step(StepRow),
    /// A look at the validation split.
    Validation(ValidationRow),
}

impl Row {
    /// The number of steps taken when the row was written.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step(row) => row.step,
            Self::Validation(row) => row.step,
        }
    }
}

/// A step of the optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepRow {
    /// Steps taken, this one included.
    pub step: u64,
    /// Passes over the training split, this step included.
    pub epoch: f64,
    /// Tokens read, this step included.
    pub tokens: u64,
    /// Seconds since training began, interruptions left out.
    pub seconds: f64,
    /// Mean over the targets of the batch, before the step.
    pub loss_nats_per_token: f64,
    /// The optimizer's step size.
    pub learning_rate: f64,
    /// Euclidean norm of the whole gradient, before clipping.
    pub gradient_norm: f64,
    /// Tokens of this step over its seconds.
    pub tokens_per_second: f64,
}

/// A look at the validation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValidationRow {
    /// Steps taken; 0 for a model that is counted or indexed.
    pub step: u64,
    /// Passes over the training split.
    pub epoch: f64,
    /// Training tokens read.
    pub tokens: u64,
    /// Seconds since training began, interruptions left out.
    pub seconds: f64,
    /// Mean over the validation targets.
    pub loss_nats_per_token: f64,
    /// Information of the targets, end-of-turn tokens included, over the bytes of their text, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Whether no earlier validation had a lower loss.
    pub best: bool,
    /// What the model replies to fixed prompts, greedily.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// The most memory that training has held resident so far, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// A reply to a fixed prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// What the person says.
    pub prompt: String,
    /// What the model replies.
    pub reply: String,
}

/// Reads the `metrics.jsonl` of a model directory.
pub fn read(dir: &Path) -> Result<Vec<Row>> {
    json::lines(&dir.join(FILE))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::LinesWriter;

    #[test]
    fn rows_are_tagged_by_kind_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let step = StepRow {
            step: 3,
            epoch: 0.1,
            tokens: 6000,
            seconds: 1.5,
            loss_nats_per_token: 0.1 + 0.2,
            learning_rate: 1e-3,
            gradient_norm: 2.0,
            tokens_per_second: 4000.0,
        };
        let validation = ValidationRow {
            step: 3,
            epoch: 0.1,
            tokens: 6000,
            seconds: 2.0,
            loss_nats_per_token: 2.5,
            bits_per_byte: Some(1.25),
            best: true,
            answers: vec![Answer { prompt: "안녕하세요".to_owned(), reply: "반가워요".to_owned() }],
            peak_memory_bytes: Some(1 << 20),
        };
        let rows = vec![Row::Step(step), Row::Validation(validation)];
        let mut writer = LinesWriter::create(&dir.path().join(FILE)).unwrap();
        for row in &rows {
            writer.write(row).unwrap();
        }
        writer.flush().unwrap();

        let text = fs_err::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.starts_with(r#"{"kind":"step","step":3,"#), "{text}");
        assert!(text.contains(r#"{"kind":"validation","step":3,"#), "{text}");
        assert_eq!(read(dir.path()).unwrap(), rows);
    }
}
