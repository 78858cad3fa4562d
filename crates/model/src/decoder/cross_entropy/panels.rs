//! Rows with a panel of the vocabulary at a time, twice: for the sum of exponentials, then for the gradient. Logits never
//! leave a thread's cache; to compute them again takes less time than to write and to read them.

use kernels::{Buffer, KeptRows, KeptTask, Role, add_exponentials, exp_shifted};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::{CrossEntropyScratch, HeadGradient};
use crate::decoder::linear::{Linear, RowWise};
use crate::decoder::rows::with_scratch;
use crate::decoder::rows_per_task;

/// Logits of a row that a thread computes at a time.
const PANEL: usize = 256;
/// Gradients of logits held at once, about. The more rows, the less often the head's gradient is read and written.
const DLOGITS: usize = 1 << 24;

pub(super) fn cross_entropy(
    hidden: ArrayView2<'_, f32>,
    head: &Linear,
    targets: &[u32],
    gradient: Option<HeadGradient<'_>>,
    scratch: &mut CrossEntropyScratch,
) -> Vec<f32> {
    let (vocabulary, c) = head.weight.dim();
    let hidden = hidden.to_slice().expect("rows are contiguous");
    let mut nats = vec![0.0; targets.len()];
    let [forward, backward] = &mut scratch.head;
    let projection = head.prepare(forward);
    let task = rows_per_task(targets.len());
    let Some(HeadGradient { scale, hidden: dhidden, head: dhead }) = gradient else {
        let tasks = hidden.par_chunks(task * c).zip(targets.par_chunks(task));
        tasks
            .zip(nats.par_chunks_mut(task))
            .for_each(|((hidden, targets), nats)| losses(hidden, targets, projection, nats, None));
        return nats;
    };
    let dhidden = dhidden.into_slice().expect("rows are contiguous");
    let back = head.prepare_backward(backward);
    let rows = (DLOGITS / vocabulary).next_multiple_of(task);
    let blocks = hidden.chunks(rows * c).zip(targets.chunks(rows));
    let to = nats.chunks_mut(rows).zip(dhidden.chunks_mut(rows * c));
    for ((hidden, targets), (nats, dhidden)) in blocks.zip(to) {
        let kept = [(&mut scratch.dlogits, vocabulary), (&mut scratch.hidden, c)];
        let kept = KeptRows::tasks(kept, head.precision, targets.len(), task);
        let tasks = hidden.par_chunks(task * c).zip(targets.par_chunks(task));
        let to = nats.par_chunks_mut(task).zip(dhidden.par_chunks_mut(task * c)).zip(kept);
        tasks.zip(to).for_each(|((hidden, targets), ((nats, dhidden), [dlogits, mut keep_hidden]))| {
            keep_hidden.store(hidden, Role::Input);
            let gradient = TaskGradient { back, scale, dhidden, dlogits };
            losses(hidden, targets, projection, nats, Some(gradient));
        });
        dhead.add_kept(&scratch.dlogits, &scratch.hidden, &[]);
    }
    nats
}

/// Where the gradient of a task's rows goes.
struct TaskGradient<'w, 'a> {
    back: RowWise<'w>,
    scale: f32,
    /// Overwritten. `[rows, C]`
    dhidden: &'a mut [f32],
    /// `[rows, V]`
    dlogits: KeptTask<'a>,
}

/// The losses of one task's rows, and their gradient if it is asked for.
fn losses(
    hidden: &[f32],
    targets: &[u32],
    projection: RowWise<'_>,
    nats: &mut [f32],
    gradient: Option<TaskGradient<'_, '_>>,
) {
    let rows = targets.len();
    let panels =
        || (0..projection.outputs).step_by(PANEL).map(|start| start..projection.outputs.min(start + PANEL));
    let mut buffer = Buffer::take();
    let hidden = projection.rows(hidden, &mut buffer);
    with_scratch([rows * PANEL], |[logits]| {
        let mut sums = vec![(f32::NEG_INFINITY, 0.0); rows];
        for panel in panels() {
            let logits = &mut logits[..rows * panel.len()];
            projection.outputs(panel.clone()).apply_to(hidden, 0.0, logits);
            let of_rows = logits.chunks_exact(panel.len()).zip(targets).zip(&mut sums).zip(&mut *nats);
            for (((logits, &target), (top, total)), nats) in of_rows {
                (*top, *total) = add_exponentials(*top, *total, logits);
                if panel.contains(&(target as usize)) {
                    *nats = -logits[target as usize - panel.start];
                }
            }
        }
        let log_sums: Vec<f32> = sums.into_iter().map(|(top, total)| top + total.ln()).collect();
        nats.iter_mut().zip(&log_sums).for_each(|(nats, log_sum)| *nats += log_sum);

        let Some(TaskGradient { back, scale, dhidden, mut dlogits }) = gradient else { return };
        dhidden.fill(0.0);
        for panel in panels() {
            let logits = &mut logits[..rows * panel.len()];
            projection.outputs(panel.clone()).apply_to(hidden, 0.0, logits);
            for ((logits, &target), &log_sum) in
                logits.chunks_exact_mut(panel.len()).zip(targets).zip(&log_sums)
            {
                exp_shifted(logits, log_sum);
                if panel.contains(&(target as usize)) {
                    logits[target as usize - panel.start] -= 1.0;
                }
            }
            kernels::scale(logits, scale);
            dlogits.store_columns(panel.start, logits, panel.len(), Role::Gradient);
            back.inputs(panel).apply(logits, 1.0, dhidden);
        }
    });
}
