use kernels::{KeptRows, Role, Threads, softmax};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::linear::Linear;
use super::rows::Rows;
use crate::language_model::{Prediction, likeliest};

/// Logits held at once, about: no `[N, V]` array ever is. The more rows, the less often the head's gradient is read and
/// written.
const LOGITS: usize = 1 << 23;
/// Rows of logits that a thread takes at a time.
const ROWS: usize = 32;

/// Rows whose logits are held at once.
pub(crate) fn rows_of_logits(vocabulary: usize) -> usize {
    (LOGITS / vocabulary).next_multiple_of(ROWS).clamp(ROWS, 32 * ROWS)
}

/// Buffers of the loss.
#[derive(Debug, Default)]
pub(super) struct CrossEntropyScratch {
    /// Of a block of rows. `[block, V]`
    logits: Rows,
    /// `[block, V]`
    dlogits: KeptRows,
    /// `[block, C]`
    hidden: KeptRows,
}

/// Where the gradient of the loss goes.
pub(super) struct HeadGradient<'a> {
    /// Multiplies the gradient of the sum over rows.
    pub(super) scale: f32,
    /// Of the hidden states; overwritten. `[M, C]`
    pub(super) hidden: ArrayViewMut2<'a, f32>,
    /// Of the head; added to.
    pub(super) head: &'a mut Linear,
}

/// Cross-entropy of logits = hidden headt against `targets` `[M]`, in nats a row.
///
/// `hidden` is `[M, C]`, `head` `[V, C]`. Loss was logsumexp(z) - z[target], so dz = softmax(z) - onehot(target),
/// dhidden = dz head, dhead += dzt hidden.
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
        precision.product(
            hidden,
            head.weight.t(),
            1.0,
            0.0,
            scratch.logits.reset(n, vocabulary),
            Threads::All,
        );
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
        let keep_dlogits = scratch.dlogits.tasks(precision, (n, vocabulary), ROWS);
        let keep_hidden = scratch.hidden.tasks(precision, (n, c), ROWS);
        let hidden = hidden.to_slice().expect("rows are contiguous").par_chunks(ROWS * c);
        tasks.zip(keep_dlogits).zip(keep_hidden.zip(hidden)).for_each(
            |((((logits, targets), nats), keep_dlogits), (keep_hidden, hidden))| {
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
        let dlogits = scratch.logits.view();
        precision.product(dlogits, head.weight.view(), 1.0, 0.0, dhidden, Threads::All);
        dhead.add_kept(&scratch.dlogits, &scratch.hidden, &[]);
    }
    nats
}

/// What the model makes of `targets` `[M]`, given the states `hidden` `[M, C]` before them.
pub(super) fn predict(
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
