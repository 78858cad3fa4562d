use kernels::{Threads, softmax};
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::linear::Linear;
use super::rows::Rows;

/// Rows of logits held at once: no `[N, V]` array ever is.
const BLOCK: usize = 256;

/// Buffers of the loss.
#[derive(Debug, Default)]
pub(super) struct CrossEntropyScratch {
    /// `[BLOCK, V]`
    logits: Rows,
}

/// Where the gradient of the loss goes.
pub(super) struct HeadGradient<'a> {
    /// Multiplies the gradient of the sum over rows.
    pub(super) scale: f32,
    /// Of the hidden states; overwritten. `[M, C]`
    pub(super) hidden: ArrayViewMut2<'a, f32>,
    /// Of the head; added to. `[V, C]`
    pub(super) head: ArrayViewMut2<'a, f32>,
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
    let (head, precision) = (head.weight.view(), head.precision);
    let vocabulary = head.dim().0;
    let mut nats = vec![0.0; targets.len()];
    for start in (0..targets.len()).step_by(BLOCK) {
        let rows = start..targets.len().min(start + BLOCK);
        let hidden = hidden.slice(ndarray::s![rows.clone(), ..]);
        let logits = scratch.logits.reset(rows.len(), vocabulary);
        precision.product(hidden, head.t(), 1.0, 0.0, logits, Threads::All);
        let scale = gradient.as_ref().map(|gradient| gradient.scale);
        scratch
            .logits
            .values_mut()
            .par_chunks_exact_mut(vocabulary)
            .zip(&targets[rows.clone()])
            .zip(&mut nats[rows.clone()])
            .for_each(|((logits, &target), nats)| {
                let logit = logits[target as usize];
                *nats = softmax(logits) - logit;
                if let Some(scale) = scale {
                    logits[target as usize] -= 1.0;
                    for value in logits {
                        *value *= scale;
                    }
                }
            });
        if let Some(gradient) = &mut gradient {
            let dlogits = scratch.logits.view();
            let dhidden = gradient.hidden.slice_mut(ndarray::s![rows, ..]);
            precision.product(dlogits, head, 1.0, 0.0, dhidden, Threads::All);
            precision.product(dlogits.t(), hidden, 1.0, 1.0, gradient.head.view_mut(), Threads::All);
        }
    }
    nats
}
