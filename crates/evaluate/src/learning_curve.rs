//! How the loss of a model fell in training, from its `metrics.jsonl`.

use std::path::Path;

use artifact::Result;
use artifact::metrics::{self, Row};
use artifact::report::CurvePoint;

/// Points of the training loss; each is the mean of as many steps as fit.
const TRAIN_POINTS: usize = 120;

/// Reads the learning curve of a model directory; empty where training left no metrics.
pub(crate) fn read(model: &Path) -> Result<Vec<CurvePoint>> {
    if !model.join(metrics::FILE).is_file() {
        return Ok(Vec::new());
    }
    let rows = metrics::read(model)?;
    let steps: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Step(row) => Some(row),
            Row::Validation(_) => None,
        })
        .collect();
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
    for row in &rows {
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
    Ok(points)
}
