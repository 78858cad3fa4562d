//! What becomes of queries and keys before they meet: QK-norm (Dehghani et al. 2023), where there is one, and RoPE.

use kernels::{rms_norm, rms_norm_backward};
use rayon::prelude::*;

use super::super::norm::RmsNorm;
use super::super::rope::Rope;
use super::super::rows::Rows;
use super::super::{ROWS_PER_TASK, row_tasks};
use super::Heads;
use crate::Batch;

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

/// All rows: `rotated` `[N, (H + K) D]` and the norms' `scales` `[N, H + K]` from `qkv` `[N, (H + 2K) D]`.
pub(super) fn forward(
    heads: Heads,
    norms: Option<&HeadNorms>,
    batch: &Batch,
    rope: &Rope,
    qkv: &Rows,
    rotated: &mut Rows,
    scales: &mut Rows,
) {
    let n = batch.len();
    rotated.reset(n, heads.rotated());
    scales.reset(n, heads.queries + heads.keys);
    qkv.values()
        .par_chunks(row_tasks(heads.all()))
        .zip(rotated.values_mut().par_chunks_mut(row_tasks(heads.rotated())))
        .zip(scales.values_mut().par_chunks_mut(row_tasks(heads.queries + heads.keys)))
        .zip(positions(batch).par_chunks(ROWS_PER_TASK))
        .for_each(|(((qkv, rotated), scales), positions)| {
            let rows = qkv
                .chunks_exact(heads.all())
                .zip(rotated.chunks_exact_mut(heads.rotated()))
                .zip(scales.chunks_exact_mut(heads.queries + heads.keys));
            for (((qkv, rotated), scales), &position) in rows.zip(positions) {
                norm_and_rotate(heads, norms, qkv, rotated, scales, rope, position);
            }
        });
}

/// Backward of [`forward`], given its `qkv` and `scales`: adds the part of queries and keys to `dqkv`
/// `[N, (H + 2K) D]`; spends `drotated` `[N, (H + K) D]`.
pub(super) fn backward(
    heads: Heads,
    norms: Option<(&HeadNorms, &mut HeadNorms)>,
    batch: &Batch,
    rope: &Rope,
    (qkv, scales): (&Rows, &Rows),
    drotated: &mut Rows,
    dqkv: &mut Rows,
) {
    let queries = heads.queries * heads.width;
    let weights = norms.as_ref().map(|(norms, _)| *norms);
    // Summed in the order of the rows, so that the result does not depend on the number of threads.
    let partial: Vec<(Vec<f32>, Vec<f32>)> = drotated
        .values_mut()
        .par_chunks_mut(row_tasks(heads.rotated()))
        .zip(dqkv.values_mut().par_chunks_mut(row_tasks(heads.all())))
        .zip(qkv.values().par_chunks(row_tasks(heads.all())))
        .zip(scales.values().par_chunks(row_tasks(heads.queries + heads.keys)))
        .zip(positions(batch).par_chunks(ROWS_PER_TASK))
        .map(|((((drotated, dqkv), qkv), scales), positions)| {
            let mut dw = (vec![0.0; heads.width], vec![0.0; heads.width]);
            let rows = drotated
                .chunks_exact_mut(heads.rotated())
                .zip(dqkv.chunks_exact_mut(heads.all()))
                .zip(qkv.chunks_exact(heads.all()))
                .zip(scales.chunks_exact(heads.queries + heads.keys));
            for ((((drotated, dqkv), qkv), scales), &position) in rows.zip(positions) {
                rope.rotate(drotated, position, -1.0);
                let (x, dx) = (&qkv[..heads.rotated()], &mut dqkv[..heads.rotated()]);
                let Some(HeadNorms { query, key }) = weights else {
                    kernels::add(dx, drotated);
                    continue;
                };
                let ((dyq, dyk), (xq, xk)) = (drotated.split_at(queries), x.split_at(queries));
                let (scales_q, scales_k) = scales.split_at(heads.queries);
                let (dxq, dxk) = dx.split_at_mut(queries);
                rms_norm_backward(dyq, xq, &query.weight, scales_q, dxq, &mut dw.0);
                rms_norm_backward(dyk, xk, &key.weight, scales_k, dxk, &mut dw.1);
            }
            dw
        })
        .collect();
    if let Some((_, gradient)) = norms {
        for (query, key) in &partial {
            kernels::add(&mut gradient.query.weight, query);
            kernels::add(&mut gradient.key.weight, key);
        }
    }
}

/// The position of each row in its segment. `[N]`
fn positions(batch: &Batch) -> Vec<usize> {
    batch.segments().flat_map(|rows| 0..rows.len()).collect()
}
