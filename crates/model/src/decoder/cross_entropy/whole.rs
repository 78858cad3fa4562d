//! Blocks of rows with all their logits, which are computed once: where products take most of the time.

use kernels::{KeptRows, Role, Threads, softmax};
use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use super::{CrossEntropyScratch, HeadGradient};
use crate::decoder::linear::Linear;
use crate::language_model::{Prediction, likeliest};

/// Logits held at once, about. The more rows, the less often the head's gradient is read and written.
const LOGITS: usize = 1 << 23;
/// Rows of logits that a thread takes at a time.
const ROWS: usize = 32;

/// Rows whose logits are held at once.
pub(crate) fn rows_of_logits(vocabulary: usize) -> usize {
    (LOGITS / vocabulary).next_multiple_of(ROWS).clamp(ROWS, 32 * ROWS)
}

pub(super) fn cross_entropy(
    hidden: ArrayView2<'_, f32>,
    head: &Linear,
    targets: &[u32],
    mut gradient: Option<HeadGradient<'_>>,
    scratch: &mut CrossEntropyScratch,
) -> Vec<f32> {
    let ((vocabulary, c), precision) = (head.weight.dim(), head.precision);
    let block = rows_of_logits(vocabulary);
    let mut nats = vec![0.0; targets.len()];
    for start in (0..targets.len()).step_by(block) {
        let rows = start..targets.len().min(start + block);
        let n = rows.len();
        let hidden = hidden.slice(s![rows.clone(), ..]);
        let logits = scratch.logits.reset(n, vocabulary);
        precision.product(hidden, head.weight.t(), 1.0, 0.0, logits, Threads::All);
        let tasks = scratch
            .logits
            .values_mut()
            .par_chunks_mut(ROWS * vocabulary)
            .zip(targets[rows.clone()].par_chunks(ROWS))
            .zip(nats[rows.clone()].par_chunks_mut(ROWS));
        let Some(HeadGradient { scale, hidden: dhidden, head: dhead }) = &mut gradient else {
            tasks.for_each(|((logits, targets), nats)| row_losses(logits, targets, nats));
            continue;
        };
        let kept = [(&mut scratch.dlogits, vocabulary), (&mut scratch.hidden, c)];
        let kept = KeptRows::tasks(kept, precision, n, ROWS);
        let hidden = hidden.to_slice().expect("rows are contiguous").par_chunks(ROWS * c);
        tasks.zip(kept).zip(hidden).for_each(
            |((((logits, targets), nats), [mut keep_dlogits, mut keep_hidden]), hidden)| {
                row_losses(logits, targets, nats);
                for (logits, &target) in logits.chunks_exact_mut(vocabulary).zip(targets) {
                    logits[target as usize] -= 1.0;
                    kernels::scale(logits, *scale);
                }
                keep_dlogits.store(logits, Role::Gradient);
                keep_hidden.store(hidden, Role::Input);
            },
        );
        let dhidden = dhidden.slice_mut(s![rows, ..]);
        precision.product(scratch.logits.view(), head.weight.view(), 1.0, 0.0, dhidden, Threads::All);
        dhead.add_kept(&scratch.dlogits, &scratch.hidden, &[]);
    }
    nats
}

/// What the model makes of `targets` `[M]`, given the states `hidden` `[M, C]` before them.
pub(in crate::decoder) fn predict(
    hidden: ArrayView2<'_, f32>,
    head: &Linear,
    targets: &[u32],
    scratch: &mut CrossEntropyScratch,
) -> Vec<Prediction> {
    let vocabulary = head.weight.dim().0;
    let mut predictions = Vec::with_capacity(targets.len());
    let block = rows_of_logits(vocabulary);
    for (block, targets) in hidden.axis_chunks_iter(Axis(0), block).zip(targets.chunks(block)) {
        head.forward(block, 0.0, scratch.logits.reset(targets.len(), vocabulary));
        let rows = scratch.logits.values_mut().par_chunks_exact_mut(vocabulary).zip(targets);
        predictions.par_extend(rows.map(|(logits, &target)| {
            let likeliest = likeliest(logits) == target;
            let logit = logits[target as usize];
            Prediction { log_probability: logit - softmax(logits), likeliest }
        }));
    }
    predictions
}

/// Each row's loss; the logits become probabilities.
fn row_losses(logits: &mut [f32], targets: &[u32], nats: &mut [f32]) {
    let vocabulary = logits.len() / targets.len();
    for ((logits, &target), nats) in logits.chunks_exact_mut(vocabulary).zip(targets).zip(nats) {
        let logit = logits[target as usize];
        *nats = softmax(logits) - logit;
    }
}
