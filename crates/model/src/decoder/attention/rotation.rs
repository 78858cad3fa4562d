//! What becomes of queries and keys before they meet: QK-norm (Dehghani et al. 2023), where there is one, and RoPE.

use kernels::{rms_norm, rms_norm_backward};

use super::super::norm::RmsNorm;
use super::super::rope::Rope;
use super::Heads;

/// The norms of queries and keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeadNorms {
    /// Of each query head. `[D]`
    pub(super) query: RmsNorm,
    /// Of each key head. `[D]`
    pub(super) key: RmsNorm,
}

impl HeadNorms {
    pub(super) fn zeros_like(&self) -> Self {
        Self { query: self.query.zeros_like(), key: self.key.zeros_like() }
    }
}

/// One row: queries and keys of `qkv` `[(H + 2K) D]`, normed and turned into `rotated` `[(H + K) D]`; `scales`
/// `[H + K]` takes the norms' scales.
pub(super) fn norm_and_rotate(
    heads: Heads,
    norms: Option<&HeadNorms>,
    qkv: &[f32],
    rotated: &mut [f32],
    scales: &mut [f32],
    rope: &Rope,
    position: usize,
) {
    let (x, queries) = (&qkv[..heads.rotated()], heads.queries * heads.width);
    match norms {
        Some(HeadNorms { query, key }) => {
            let ((xq, xk), (yq, yk)) = (x.split_at(queries), rotated.split_at_mut(queries));
            let (scales_q, scales_k) = scales.split_at_mut(heads.queries);
            rms_norm(xq, &query.weight, query.epsilon, yq, scales_q);
            rms_norm(xk, &key.weight, key.epsilon, yk, scales_k);
        }
        None => rotated.copy_from_slice(x),
    }
    rope.rotate(rotated, position, 1.0);
}

/// One task's rows: `rotated` `[rows, (H + K) D]` and the norms' `scales` `[rows, H + K]` from `qkv`
/// `[rows, (H + 2K) D]`.
pub(super) fn forward(
    heads: Heads,
    norms: Option<&HeadNorms>,
    rope: &Rope,
    positions: &[usize],
    qkv: &[f32],
    rotated: &mut [f32],
    scales: &mut [f32],
) {
    let rows = qkv
        .chunks_exact(heads.all())
        .zip(rotated.chunks_exact_mut(heads.rotated()))
        .zip(scales.chunks_exact_mut(heads.queries + heads.keys));
    for (((qkv, rotated), scales), &position) in rows.zip(positions) {
        norm_and_rotate(heads, norms, qkv, rotated, scales, rope, position);
    }
}

/// Backward of [`forward`], given its `qkv` and `scales`: the part of queries and keys of `dqkv` `[rows, (H + 2K) D]`;
/// spends `drotated` `[rows, (H + K) D]`. Returns the task's parts of the gradients of the norms' weights. `[D]`
pub(super) fn backward(
    heads: Heads,
    norms: Option<&HeadNorms>,
    rope: &Rope,
    positions: &[usize],
    (qkv, scales): (&[f32], &[f32]),
    drotated: &mut [f32],
    dqkv: &mut [f32],
) -> [Vec<f32>; 2] {
    let queries = heads.queries * heads.width;
    let mut dw = [vec![0.0; heads.width], vec![0.0; heads.width]];
    let rows = drotated
        .chunks_exact_mut(heads.rotated())
        .zip(dqkv.chunks_exact_mut(heads.all()))
        .zip(qkv.chunks_exact(heads.all()))
        .zip(scales.chunks_exact(heads.queries + heads.keys));
    for ((((drotated, dqkv), qkv), scales), &position) in rows.zip(positions) {
        rope.rotate(drotated, position, -1.0);
        let (x, dx) = (&qkv[..heads.rotated()], &mut dqkv[..heads.rotated()]);
        let Some(HeadNorms { query, key }) = norms else {
            dx.copy_from_slice(drotated);
            continue;
        };
        dx.fill(0.0);
        let ((dyq, dyk), (xq, xk)) = (drotated.split_at(queries), x.split_at(queries));
        let (scales_q, scales_k) = scales.split_at(heads.queries);
        let (dxq, dxk) = dx.split_at_mut(queries);
        rms_norm_backward(dyq, xq, &query.weight, scales_q, dxq, &mut dw[0]);
        rms_norm_backward(dyk, xk, &key.weight, scales_k, dxk, &mut dw[1]);
    }
    dw
}
