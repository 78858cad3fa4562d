//! softmax(Q Kt / sqrt(D), causal) V of every segment and key head, a block of queries at a time.

use std::ops::Range;

use kernels::{Buffer, Precision, Threads, dot, exp_shifted, softmax, softmax_backward};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::super::rows::{matrix, matrix_mut, with_scratch};
use super::Heads;
use crate::Batch;

/// Query rows whose scores are held at once: memory grows with T, not with T squared.
const QUERY_BLOCK: usize = 64;

/// What the forward pass reads.
#[derive(Clone, Copy)]
pub(super) struct Projected<'a> {
    /// Queries and keys after norm and rotation. `[N, (H + K) D]`
    pub(super) rotated: ArrayView2<'a, f32>,
    /// Their own place, unused here, and the values. `[N, (H + 2K) D]`
    pub(super) qkv: ArrayView2<'a, f32>,
}

/// What the forward pass wrote.
#[derive(Clone, Copy)]
pub(super) struct Mixed<'a> {
    /// Heads' outputs. `[N, H D]`
    pub(super) mixed: ArrayView2<'a, f32>,
    /// Logarithm of each row's sum of exponentials. `[N, H]`
    pub(super) log_sums: ArrayView2<'a, f32>,
}

/// Overwrites `mixed` `[N, H D]` and `log_sums` `[N, H]`.
pub(super) fn forward(
    heads: Heads,
    precision: Precision,
    batch: &Batch,
    of: Projected<'_>,
    mixed: ArrayViewMut2<'_, f32>,
    log_sums: ArrayViewMut2<'_, f32>,
) {
    let group = heads.group();
    let mixed = tiles(mixed, batch, group * heads.width);
    let log_sums = tiles(log_sums, batch, group);
    tasks(heads, batch).into_par_iter().zip(mixed).zip(log_sums).for_each(|((task, mixed), log_sums)| {
        let (keys, values) = (task.keys(of.rotated), task.values(of.qkv));
        attend(heads, precision, task.queries(of.rotated), keys, values, mixed, log_sums);
    });
}

/// Backward of [`forward`]: overwrites `drotated` `[N, (H + K) D]`, and the values' part of `dqkv` `[N, (H + 2K) D]`.
pub(super) fn backward(
    heads: Heads,
    precision: Precision,
    batch: &Batch,
    of: Projected<'_>,
    was: Mixed<'_>,
    dmixed: ArrayView2<'_, f32>,
    drotated: ArrayViewMut2<'_, f32>,
    dqkv: ArrayViewMut2<'_, f32>,
) {
    let group = heads.group();
    let (_, dvalues) = dqkv.split_at(Axis(1), heads.rotated());
    let (dqueries, dkeys) = drotated.split_at(Axis(1), heads.queries * heads.width);
    let dqueries = tiles(dqueries, batch, group * heads.width);
    let dkeys = tiles(dkeys, batch, heads.width);
    let dvalues = tiles(dvalues, batch, heads.width);
    tasks(heads, batch).into_par_iter().zip(dqueries).zip(dkeys).zip(dvalues).for_each(
        |(((task, dqueries), dkeys), dvalues)| {
            let first = task.head * group;
            let attended = Attended {
                queries: task.queries(of.rotated),
                keys: task.keys(of.rotated),
                values: task.values(of.qkv),
                mixed: task.queries(was.mixed),
                log_sums: was.log_sums.slice_move(s![task.rows.clone(), first..first + group]),
            };
            let to = Attending { queries: dqueries, keys: dkeys, values: dvalues };
            attend_backward(heads, precision, attended, task.queries(dmixed), to);
        },
    );
}

/// One segment and one key head: what a thread does at a time.
struct Task {
    heads: Heads,
    rows: Range<usize>,
    head: usize,
}

/// A task for each segment and key head, in the order of [`tiles`].
fn tasks(heads: Heads, batch: &Batch) -> Vec<Task> {
    let of_segment =
        |rows: Range<usize>| (0..heads.keys).map(move |head| Task { heads, rows: rows.clone(), head });
    batch.segments().flat_map(of_segment).collect()
}

impl Task {
    /// The queries in a matrix whose columns begin with H heads. `[T, H/K D]`
    fn queries<'a>(&self, all: ArrayView2<'a, f32>) -> ArrayView2<'a, f32> {
        let width = self.heads.group() * self.heads.width;
        all.slice_move(s![self.rows.clone(), self.head * width..(self.head + 1) * width])
    }

    /// The keys in a matrix of queries and keys. `[T, D]`
    fn keys<'a>(&self, rotated: ArrayView2<'a, f32>) -> ArrayView2<'a, f32> {
        let start = (self.heads.queries + self.head) * self.heads.width;
        rotated.slice_move(s![self.rows.clone(), start..start + self.heads.width])
    }

    /// The values in a matrix of queries, keys and values. `[T, D]`
    fn values<'a>(&self, qkv: ArrayView2<'a, f32>) -> ArrayView2<'a, f32> {
        let start = self.heads.rotated() + self.head * self.heads.width;
        qkv.slice_move(s![self.rows.clone(), start..start + self.heads.width])
    }
}

/// Cuts a matrix `[N, K width]` into a tile `[T, width]` for each segment and key head, segment by segment.
fn tiles<'a>(matrix: ArrayViewMut2<'a, f32>, batch: &Batch, width: usize) -> Vec<ArrayViewMut2<'a, f32>> {
    let mut tiles = Vec::new();
    let mut rest = matrix;
    for rows in batch.segments() {
        let (mut segment, below) = rest.split_at(Axis(0), rows.len());
        rest = below;
        while segment.dim().1 > 0 {
            let (tile, right) = segment.split_at(Axis(1), width);
            tiles.push(tile);
            segment = right;
        }
    }
    tiles
}

fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(QUERY_BLOCK).map(move |start| start..length.min(start + QUERY_BLOCK))
}

/// Calls with the scores of each row up to its own key, `[block, block.end]`, with the row's number in the block, and makes
/// those of later keys zero.
fn for_each_row(scores: &mut [f32], block: &Range<usize>, mut with: impl FnMut(usize, &mut [f32])) {
    for (i, row) in scores.chunks_exact_mut(block.end).enumerate() {
        let (seen, future) = row.split_at_mut(block.start + i + 1);
        with(i, seen);
        future.fill(0.0);
    }
}

/// O = softmax(Q Kt / sqrt(D), causal) V for the query heads that share one key head.
///
/// `queries` and `mixed` `[T, H/K D]`, `keys` and `values` `[T, D]`, `log_sums` `[T, H/K]`.
fn attend(
    heads: Heads,
    precision: Precision,
    queries: ArrayView2<'_, f32>,
    keys: ArrayView2<'_, f32>,
    values: ArrayView2<'_, f32>,
    mut mixed: ArrayViewMut2<'_, f32>,
    mut log_sums: ArrayViewMut2<'_, f32>,
) {
    let (length, width) = keys.dim();
    let [mut for_keys, mut for_values, mut for_rows] = [(); 3].map(|()| Buffer::take());
    let keys = precision.prepare(keys.reversed_axes(), &mut for_keys, Threads::One);
    let values = precision.prepare(values, &mut for_values, Threads::One);
    let block_rows = QUERY_BLOCK.min(length);
    with_scratch([block_rows * length, block_rows * width], |[scores, part]| {
        for head in 0..heads.group() {
            let columns = head * width..(head + 1) * width;
            for block in blocks(length) {
                let (scores, part) =
                    (&mut scores[..block.len() * block.end], &mut part[..block.len() * width]);
                let queries = queries.slice(s![block.clone(), columns.clone()]);
                let queries = precision.prepare_rows(queries, heads.scale(), &mut for_rows);
                keys.columns(0..block.end).product(queries, 0.0, matrix_mut(scores, block.end));
                for_each_row(scores, &block, |i, row| {
                    log_sums[[block.start + i, head]] = softmax(row);
                });
                let scores = precision.prepare_rows(matrix(scores, block.end), 1.0, &mut for_rows);
                values.inner(0..block.end).product(scores, 0.0, matrix_mut(part, width));
                mixed.slice_mut(s![block, columns.clone()]).assign(&matrix(part, width));
            }
        }
    });
}

/// What [`attend`] read and wrote.
struct Attended<'a> {
    queries: ArrayView2<'a, f32>,
    keys: ArrayView2<'a, f32>,
    values: ArrayView2<'a, f32>,
    mixed: ArrayView2<'a, f32>,
    log_sums: ArrayView2<'a, f32>,
}

/// The gradients that [`attend_backward`] overwrites.
struct Attending<'a> {
    queries: ArrayViewMut2<'a, f32>,
    keys: ArrayViewMut2<'a, f32>,
    values: ArrayViewMut2<'a, f32>,
}

/// Backward of [`attend`], with the probabilities computed again from the logarithms of their sums (Dao et al. 2022).
///
/// Forward was P = softmax(s Q Kt), O = P V, so dV = Pt dO, dP = dO Vt, dS = s P (dP - rowsum(dO O)), dQ = dS K,
/// dK = dSt Q.
fn attend_backward(
    heads: Heads,
    precision: Precision,
    was: Attended<'_>,
    dmixed: ArrayView2<'_, f32>,
    mut to: Attending<'_>,
) {
    let (length, width) = was.keys.dim();
    let mut buffers = [(); 6].map(|()| Buffer::take());
    let [for_keys, for_keys_t, for_values_t, for_left, for_right, for_dmixed] = &mut buffers;
    let keys = precision.prepare(was.keys, for_keys, Threads::One);
    let keys_t = precision.prepare(was.keys.t(), for_keys_t, Threads::One);
    let values_t = precision.prepare(was.values.t(), for_values_t, Threads::One);
    let block_rows = QUERY_BLOCK.min(length);
    let (scores, all, part) = (block_rows * length, length * width, block_rows * width);
    with_scratch([scores, scores, all, all, part], |[p, dp, dkeys, dvalues, part]| {
        dkeys.fill(0.0);
        dvalues.fill(0.0);
        for head in 0..heads.group() {
            let columns = head * width..(head + 1) * width;
            for block in blocks(length) {
                let scores = block.len() * block.end;
                let (p, dp, part) = (&mut p[..scores], &mut dp[..scores], &mut part[..block.len() * width]);
                let (dkeys, dvalues) = (&mut dkeys[..block.end * width], &mut dvalues[..block.end * width]);
                let queries = was.queries.slice(s![block.clone(), columns.clone()]);
                let dmixed = dmixed.slice(s![block.clone(), columns.clone()]);
                let mixed = was.mixed.slice(s![block.clone(), columns.clone()]);

                let left = precision.prepare_rows(queries, heads.scale(), for_left);
                keys_t.columns(0..block.end).product(left, 0.0, matrix_mut(p, block.end));
                for_each_row(p, &block, |i, row| exp_shifted(row, was.log_sums[[block.start + i, head]]));
                let left = precision.prepare_rows(matrix(p, block.end).reversed_axes(), 1.0, for_left);
                let right = precision.prepare(dmixed, for_right, Threads::One);
                right.product(left, 1.0, matrix_mut(dvalues, width));

                let left = precision.prepare_rows(dmixed, 1.0, for_dmixed);
                values_t.columns(0..block.end).product(left, 0.0, matrix_mut(dp, block.end));
                for_each_row(p, &block, |i, p| {
                    let delta = dot(values_of(dmixed.row(i)), values_of(mixed.row(i)));
                    softmax_backward(p, &dp[i * block.end..], delta, heads.scale());
                });
                let left = precision.prepare_rows(matrix(p, block.end), 1.0, for_left);
                keys.inner(0..block.end).product(left, 0.0, matrix_mut(part, width));
                to.queries.slice_mut(s![block.clone(), columns.clone()]).assign(&matrix(part, width));
                let left = precision.prepare_rows(matrix(p, block.end).reversed_axes(), 1.0, for_left);
                let right = precision.prepare(queries, for_right, Threads::One);
                right.product(left, 1.0, matrix_mut(dkeys, width));
            }
        }
        to.keys.assign(&matrix(dkeys, width));
        to.values.assign(&matrix(dvalues, width));
    });
}

/// A head's part of a row.
fn values_of(row: ArrayView1<'_, f32>) -> &[f32] {
    row.to_slice().expect("a head's values are contiguous")
}
