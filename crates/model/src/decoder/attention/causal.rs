//! softmax(Q Kt / sqrt(D), causal) V of every segment and key head, a block of queries at a time.

use kernels::{Precision, Threads, dot, exp_shifted, softmax, softmax_backward};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::super::rows::with_scratch;
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
    rows: std::ops::Range<usize>,
    head: usize,
}

/// A task for each segment and key head, in the order of [`tiles`].
fn tasks(heads: Heads, batch: &Batch) -> Vec<Task> {
    let of_segment = |rows: std::ops::Range<usize>| {
        (0..heads.keys).map(move |head| Task { heads, rows: rows.clone(), head })
    };
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

/// Probabilities of queries `block` over the keys up to each, in `scores` `[block, block.end]`, not yet normalised.
fn scores<'a>(
    heads: Heads,
    precision: Precision,
    queries: ArrayView2<'_, f32>,
    keys: ArrayView2<'_, f32>,
    block: &std::ops::Range<usize>,
    buffer: &'a mut [f32],
) -> ArrayViewMut2<'a, f32> {
    let shape = (block.len(), block.end);
    let mut scores = ArrayViewMut2::from_shape(shape, &mut buffer[..block.len() * block.end])
        .expect("the slice has the shape's size");
    let queries = queries.slice_move(s![block.clone(), ..]);
    let keys = keys.slice_move(s![..block.end, ..]);
    precision.product(queries, keys.reversed_axes(), heads.scale(), 0.0, scores.view_mut(), Threads::One);
    scores
}

fn blocks(length: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..length).step_by(QUERY_BLOCK).map(move |start| start..length.min(start + QUERY_BLOCK))
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
    with_scratch([QUERY_BLOCK.min(length) * length], |[buffer]| {
        for head in 0..heads.group() {
            let columns = head * width..(head + 1) * width;
            for block in blocks(length) {
                let queries = queries.slice(s![.., columns.clone()]);
                let mut scores = scores(heads, precision, queries, keys, &block, buffer);
                for (i, row) in scores.rows_mut().into_iter().enumerate() {
                    let row = row.into_slice().expect("rows of the buffer are contiguous");
                    let (seen, future) = row.split_at_mut(block.start + i + 1);
                    log_sums[[block.start + i, head]] = softmax(seen);
                    future.fill(0.0);
                }
                let values = values.slice(s![..block.end, ..]);
                let mixed = mixed.slice_mut(s![block.clone(), columns.clone()]);
                precision.product(scores.view(), values, 1.0, 0.0, mixed, Threads::One);
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
    let size = QUERY_BLOCK.min(length) * length;
    to.keys.fill(0.0);
    to.values.fill(0.0);
    with_scratch([size, size], |[buffer, dbuffer]| {
        for head in 0..heads.group() {
            let columns = head * width..(head + 1) * width;
            for block in blocks(length) {
                let queries = was.queries.slice(s![.., columns.clone()]);
                let dmixed = dmixed.slice(s![block.clone(), columns.clone()]);
                let mixed = was.mixed.slice(s![block.clone(), columns.clone()]);
                let keys = was.keys.slice(s![..block.end, ..]);
                let mut p = scores(heads, precision, queries, was.keys, &block, buffer);
                for (i, row) in p.rows_mut().into_iter().enumerate() {
                    let row = row.into_slice().expect("rows of the buffer are contiguous");
                    let (seen, future) = row.split_at_mut(block.start + i + 1);
                    exp_shifted(seen, was.log_sums[[block.start + i, head]]);
                    future.fill(0.0);
                }
                let dvalues = to.values.slice_mut(s![..block.end, ..]);
                precision.product(p.t(), dmixed, 1.0, 1.0, dvalues, Threads::One);

                let shape = (block.len(), block.end);
                let mut dp = ArrayViewMut2::from_shape(shape, &mut dbuffer[..block.len() * block.end])
                    .expect("the slice has the shape's size");
                let values = was.values.slice(s![..block.end, ..]);
                precision.product(dmixed, values.t(), 1.0, 0.0, dp.view_mut(), Threads::One);
                let rows = p.rows_mut().into_iter().zip(dp.rows()).zip(dmixed.rows()).zip(mixed.rows());
                for (((p, dp), dmixed), mixed) in rows {
                    let contiguous = "rows of one head are contiguous";
                    let delta =
                        dot(dmixed.to_slice().expect(contiguous), mixed.to_slice().expect(contiguous));
                    let p = p.into_slice().expect(contiguous);
                    softmax_backward(p, dp.to_slice().expect(contiguous), delta, heads.scale());
                }
                let dqueries = to.queries.slice_mut(s![block.clone(), columns.clone()]);
                precision.product(p.view(), keys, 1.0, 0.0, dqueries, Threads::One);
                let queries = was.queries.slice(s![block.clone(), columns.clone()]);
                let dkeys = to.keys.slice_mut(s![..block.end, ..]);
                precision.product(p.t(), queries, 1.0, 1.0, dkeys, Threads::One);
            }
        }
    });
}
