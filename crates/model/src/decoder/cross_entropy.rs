//! Cross-entropy of logits = hidden headt against targets `[M]`, in nats a row.
//!
//! Loss was logsumexp(z) - z[target], so dz = softmax(z) - onehot(target), dhidden = dz head, dhead += dzt hidden.

mod panels;
mod whole;

use kernels::{Aligned, KeptRows, Precision};
use ndarray::{ArrayView2, ArrayViewMut2};

pub(super) use self::whole::predict;
pub(crate) use self::whole::rows_of_logits;
use super::linear::Linear;
use super::rows::Rows;

/// Buffers of the loss.
#[derive(Debug, Default)]
pub(super) struct CrossEntropyScratch {
    /// The head as products take it, forward and backward.
    head: [Aligned<u16>; 2],
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

/// The loss of each row of `hidden` `[M, C]` against its target, for `head` `[V, C]`. No `[M, V]` array is ever held.
pub(super) fn cross_entropy(
    hidden: ArrayView2<'_, f32>,
    head: &Linear,
    targets: &[u32],
    gradient: Option<HeadGradient<'_>>,
    scratch: &mut CrossEntropyScratch,
) -> Vec<f32> {
    match head.precision {
        Precision::F32 => whole::cross_entropy(hidden, head, targets, gradient, scratch),
        Precision::Bf16 => panels::cross_entropy(hidden, head, targets, gradient, scratch),
    }
}
