//! The course of a model's training, from its `metrics.jsonl`: how the loss fell, how fast, in how much memory.

use std::path::Path;

use artifact::Result;
use artifact::metrics::{self, Row, StepRow};
use artifact::report::{CurvePoint, Training};

/// Points of the training loss; each is the mean of as many steps as fit.
const TRAIN_POINTS: usize = 120;

/// What training left to tell; nothing of a model that was not trained.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// How the loss fell.
    pub learning_curve: Vec<CurvePoint>,
    /// What it took.
    pub training: Option<Training>,
}

/// Reads the course of a model directory.
pub(crate) fn read(model: &Path) -> Result<Course> {
    if !model.join(metrics::FILE).is_file() {
        return Ok(Course::default());
    }
    let rows = metrics::read(model)?;
    Ok(Course { learning_curve: learning_curve(&rows), training: training(&rows) })
}

/// What training took; none of a run without rows.
fn training(rows: &[Row]) -> Option<Training> {
    let (tokens, seconds) = match rows.last()? {
        Row::Step(row) => (row.tokens, row.seconds),
        Row::Validation(row) => (row.tokens, row.seconds),
    };
    let mut speeds: Vec<f64> = steps(rows).map(|row| row.tokens_per_second).collect();
    speeds.sort_by(f64::total_cmp);
    let tokens_per_second = match speeds.get(speeds.len() / 2) {
        Some(&median) => median,
        None if seconds > 0.0 => tokens as f64 / seconds,
        None => return None,
    };
    let peak_memory_bytes = rows.iter().rev().find_map(|row| match row {
        Row::Step(_) => None,
        Row::Validation(row) => row.peak_memory_bytes,
    });
    Some(Training { tokens_per_second, tokens, seconds, peak_memory_bytes })
}

fn steps(rows: &[Row]) -> impl Iterator<Item = &StepRow> {
    rows.iter().filter_map(|row| match row {
        Row::Step(row) => Some(row),
        Row::Validation(_) => None,
    })
}

fn learning_curve(rows: &[Row]) -> Vec<CurvePoint> {
    let steps: Vec<_> = steps(rows).collect();
    let mut points = Vec::new();
    for group in steps.chunks(steps.len().div_ceil(TRAIN_POINTS).max(1)) {
        let last = group.last().expect("chunks are never empty");
        let sum: f64 = group.iter().map(|row| row.loss_nats_per_token).sum();
        points.push(CurvePoint {
            step: last.step,
            tokens: last.tokens,
            seconds: last.seconds,
            train_loss_nats_per_token: Some(sum / group.len() as f64),
            valid_loss_nats_per_token: None,
        });
    }
    for row in rows {
        let Row::Validation(row) = row else { continue };
        points.push(CurvePoint {
            step: row.step,
            tokens: row.tokens,
            seconds: row.seconds,
            train_loss_nats_per_token: None,
            valid_loss_nats_per_token: Some(row.loss_nats_per_token),
        });
    }
    // Stable: at one step the training loss stands before the validation that follows it.
    points.sort_by_key(|point| point.step);
    points
}
