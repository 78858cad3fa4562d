//! Causal self-attention with grouped queries (Ainslie et al. 2023), QK-norm (Dehghani et al. 2023) and RoPE, exactly
//! as `Qwen3Attention` computes it.

use artifact::config::DecoderConfig;
use kernels::{Threads, dot, exp_shifted, product, rms_norm, rms_norm_backward, softmax, softmax_backward};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::linear::Linear;
use super::norm::RmsNorm;
use super::rope::Rope;
use super::rows::Rows;
use super::time::Time;
use super::{NamedTensor, NamedTensorMut, ROWS_PER_TASK, row_tasks};
use crate::Batch;

/// Query rows whose scores are held at once: memory grows with T, not with T squared.
const QUERY_BLOCK: usize = 64;

/// Attention: the mixer of the Transformer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attention {
    heads: Heads,
    /// Query, key and value projections, one product. `[(H + 2K) D, C]`
    qkv: Linear,
    /// `[C, H D]`
    output: Linear,
    /// Of each query head. `[D]`
    query_norm: RmsNorm,
    /// Of each key head. `[D]`
    key_norm: RmsNorm,
}

/// The shape of the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heads {
    /// H
    queries: usize,
    /// K
    keys: usize,
    /// D
    width: usize,
}

impl Heads {
    /// Queries and keys together: (H + K) D.
    fn rotated(self) -> usize {
        (self.queries + self.keys) * self.width
    }

    /// Queries, keys and values together: (H + 2K) D.
    fn all(self) -> usize {
        self.rotated() + self.keys * self.width
    }

    /// Query heads that share a key head: H / K.
    fn group(self) -> usize {
        self.queries / self.keys
    }

    /// Divides the scores: 1 / sqrt(D).
    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct AttentionTape {
    /// Before norm and rotation. `[N, (H + 2K) D]`
    qkv: Rows,
    /// The norms' scales of queries and keys. `[N, H + K]`
    scales: Rows,
    /// Queries and keys after norm and rotation. `[N, (H + K) D]`
    rotated: Rows,
    /// Logarithm of each row's sum of exponentials. `[N, H]`
    log_sums: Rows,
    /// Heads' outputs, before the output projection. `[N, H D]`
    mixed: Rows,
}

/// Buffers of the backward pass, shared by all blocks.
#[derive(Debug, Default)]
pub(super) struct AttentionScratch {
    /// `[N, H D]`
    dmixed: Rows,
    /// `[N, (H + K) D]`
    drotated: Rows,
    /// `[N, (H + 2K) D]`
    dqkv: Rows,
}

impl Attention {
    pub(super) fn zeros(config: &DecoderConfig) -> Self {
        let heads = Heads {
            queries: config.num_attention_heads,
            keys: config.num_key_value_heads,
            width: config.head_dim,
        };
        let epsilon = config.rms_norm_eps as f32;
        Self {
            heads,
            qkv: Linear::zeros(heads.all(), config.hidden_size),
            output: Linear::zeros(config.hidden_size, heads.queries * heads.width),
            query_norm: RmsNorm::new(heads.width, epsilon),
            key_norm: RmsNorm::new(heads.width, epsilon),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            heads: self.heads,
            qkv: self.qkv.zeros_like(),
            output: self.output.zeros_like(),
            query_norm: self.query_norm.zeros_like(),
            key_norm: self.key_norm.zeros_like(),
        }
    }

    /// The rows of the fused projection as three weights: `(part's name, first row, end row)`.
    fn projections(&self) -> [(&'static str, usize, usize); 3] {
        let (queries, rotated) = (self.heads.queries * self.heads.width, self.heads.rotated());
        [
            ("self_attn.q_proj.weight", 0, queries),
            ("self_attn.k_proj.weight", queries, rotated),
            ("self_attn.v_proj.weight", rotated, self.heads.all()),
        ]
    }

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(
        &self,
        x: ArrayView2<'_, f32>,
        Time { batch, rope, .. }: Time<'_>,
        y: &mut Rows,
        tape: &mut AttentionTape,
    ) {
        let (n, heads) = (x.dim().0, self.heads);
        self.qkv.forward(x, 0.0, tape.qkv.reset(n, heads.all()));

        let positions = positions(batch);
        tape.rotated.reset(n, heads.rotated());
        tape.scales.reset(n, heads.queries + heads.keys);
        tape.qkv
            .values()
            .par_chunks(row_tasks(heads.all()))
            .zip(tape.rotated.values_mut().par_chunks_mut(row_tasks(heads.rotated())))
            .zip(tape.scales.values_mut().par_chunks_mut(row_tasks(heads.queries + heads.keys)))
            .zip(positions.par_chunks(ROWS_PER_TASK))
            .for_each(|(((qkv, rotated), scales), positions)| {
                let rows = qkv
                    .chunks_exact(heads.all())
                    .zip(rotated.chunks_exact_mut(heads.rotated()))
                    .zip(scales.chunks_exact_mut(heads.queries + heads.keys));
                for (((qkv, rotated), scales), &position) in rows.zip(positions) {
                    self.norm_and_rotate(qkv, rotated, scales, rope, position);
                }
            });

        tape.log_sums.reset(n, heads.queries);
        tape.mixed.reset(n, heads.queries * heads.width);
        let (rotated, values) = (tape.rotated.view(), tape.qkv.view());
        let group = heads.group();
        let mixed = tiles(tape.mixed.view_mut(), batch, group * heads.width);
        let log_sums = tiles(tape.log_sums.view_mut(), batch, group);
        self.tasks(batch).into_par_iter().zip(mixed).zip(log_sums).for_each(|((task, mixed), log_sums)| {
            let (keys, values) = (self.keys(rotated, &task), self.values(values, &task));
            let queries = self.queries(rotated, &task);
            attend(heads, queries, keys, values, mixed, log_sums);
        });
        self.output.forward(tape.mixed.view(), 1.0, y.view_mut());
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        Time { batch, rope, .. }: Time<'_>,
        tape: &AttentionTape,
        dx: &mut Rows,
        scratch: &mut AttentionScratch,
        gradient: &mut Self,
    ) {
        let (n, heads) = (x.dim().0, self.heads);
        let AttentionScratch { dmixed, drotated, dqkv } = scratch;
        let mixed_width = heads.queries * heads.width;
        self.output.backward(dy, tape.mixed.view(), 0.0, dmixed.reset(n, mixed_width), &mut gradient.output);

        // The values' gradient goes to its place at once; that of queries and keys passes rotation and norm first.
        let (_, dvalues) = dqkv.reset_to_zero(n, heads.all()).split_at(Axis(1), heads.rotated());
        let (dqueries, dkeys) = drotated.reset_to_zero(n, heads.rotated()).split_at(Axis(1), mixed_width);
        let group = heads.group();
        let dqueries = tiles(dqueries, batch, group * heads.width);
        let dkeys = tiles(dkeys, batch, heads.width);
        let dvalues = tiles(dvalues, batch, heads.width);
        let (rotated, qkv, dmixed) = (tape.rotated.view(), tape.qkv.view(), dmixed.view());
        self.tasks(batch).into_par_iter().zip(dqueries).zip(dkeys).zip(dvalues).for_each(
            |(((task, dqueries), dkeys), dvalues)| {
                let of_group = |all| self.queries(all, &task);
                let first = task.head * group;
                attend_backward(
                    heads,
                    Attended {
                        queries: of_group(rotated),
                        keys: self.keys(rotated, &task),
                        values: self.values(qkv, &task),
                        mixed: of_group(tape.mixed.view()),
                        log_sums: tape
                            .log_sums
                            .view()
                            .slice_move(s![task.rows.clone(), first..first + group]),
                    },
                    of_group(dmixed),
                    Attending { queries: dqueries, keys: dkeys, values: dvalues },
                );
            },
        );

        let positions = positions(batch);
        let partial: Vec<(Vec<f32>, Vec<f32>)> = drotated
            .values_mut()
            .par_chunks_mut(row_tasks(heads.rotated()))
            .zip(dqkv.values_mut().par_chunks_mut(row_tasks(heads.all())))
            .zip(tape.qkv.values().par_chunks(row_tasks(heads.all())))
            .zip(tape.scales.values().par_chunks(row_tasks(heads.queries + heads.keys)))
            .zip(positions.par_chunks(ROWS_PER_TASK))
            .map(|((((drotated, dqkv), qkv), scales), positions)| {
                let mut dw = (vec![0.0; heads.width], vec![0.0; heads.width]);
                let rows = drotated
                    .chunks_exact_mut(heads.rotated())
                    .zip(dqkv.chunks_exact_mut(heads.all()))
                    .zip(qkv.chunks_exact(heads.all()))
                    .zip(scales.chunks_exact(heads.queries + heads.keys));
                for ((((drotated, dqkv), qkv), scales), &position) in rows.zip(positions) {
                    rope.rotate(drotated, position, -1.0);
                    let (dq, dk) = drotated.split_at(mixed_width);
                    let (scales_q, scales_k) = scales.split_at(heads.queries);
                    let (xq, xk) = qkv[..heads.rotated()].split_at(mixed_width);
                    let (dxq, dxk) = dqkv[..heads.rotated()].split_at_mut(mixed_width);
                    rms_norm_backward(dq, xq, &self.query_norm.weight, scales_q, dxq, &mut dw.0);
                    rms_norm_backward(dk, xk, &self.key_norm.weight, scales_k, dxk, &mut dw.1);
                }
                dw
            })
            .collect();
        for (dq, dk) in &partial {
            kernels::add(&mut gradient.query_norm.weight, dq);
            kernels::add(&mut gradient.key_norm.weight, dk);
        }

        let dx = dx.reset(n, x.dim().1);
        self.qkv.backward(dqkv.view(), x, 0.0, dx, &mut gradient.qkv);
    }

    /// One row: queries and keys of `qkv` `[(H + 2K) D]` normed and turned into `rotated` `[(H + K) D]`.
    fn norm_and_rotate(
        &self,
        qkv: &[f32],
        rotated: &mut [f32],
        scales: &mut [f32],
        rope: &Rope,
        position: usize,
    ) {
        let queries = self.heads.queries * self.heads.width;
        let (xq, xk) = qkv[..self.heads.rotated()].split_at(queries);
        let (yq, yk) = rotated.split_at_mut(queries);
        let (scales_q, scales_k) = scales.split_at_mut(self.heads.queries);
        rms_norm(xq, &self.query_norm.weight, self.query_norm.epsilon, yq, scales_q);
        rms_norm(xk, &self.key_norm.weight, self.key_norm.epsilon, yk, scales_k);
        rope.rotate(rotated, position, 1.0);
    }

    /// A task for each segment and key head, in the order of [`tiles`].
    fn tasks(&self, batch: &Batch) -> Vec<Task> {
        let heads = 0..self.heads.keys;
        batch
            .segments()
            .flat_map(|rows| heads.clone().map(move |head| Task { rows: rows.clone(), head }))
            .collect()
    }

    /// A task's queries in a matrix whose columns begin with H heads. `[T, H/K D]`
    fn queries<'a>(&self, all: ArrayView2<'a, f32>, task: &Task) -> ArrayView2<'a, f32> {
        let width = self.heads.group() * self.heads.width;
        all.slice_move(s![task.rows.clone(), task.head * width..(task.head + 1) * width])
    }

    /// A task's keys in a matrix of queries and keys. `[T, D]`
    fn keys<'a>(&self, rotated: ArrayView2<'a, f32>, task: &Task) -> ArrayView2<'a, f32> {
        let start = (self.heads.queries + task.head) * self.heads.width;
        rotated.slice_move(s![task.rows.clone(), start..start + self.heads.width])
    }

    /// A task's values in a matrix of queries, keys and values. `[T, D]`
    fn values<'a>(&self, qkv: ArrayView2<'a, f32>, task: &Task) -> ArrayView2<'a, f32> {
        let start = self.heads.rotated() + task.head * self.heads.width;
        qkv.slice_move(s![task.rows.clone(), start..start + self.heads.width])
    }
}

impl Attention {
    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let (c, mixed) = self.output.weight.dim();
        for (name, start, end) in self.projections() {
            tensor(name, &[end - start, c], &self.qkv.values()[start * c..end * c]);
        }
        tensor("self_attn.q_norm.weight", &[self.heads.width], &self.query_norm.weight);
        tensor("self_attn.k_norm.weight", &[self.heads.width], &self.key_norm.weight);
        tensor("self_attn.o_proj.weight", &[c, mixed], self.output.values());
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let (c, mixed) = self.output.weight.dim();
        let projections = self.projections();
        let mut rest = self.qkv.values_mut();
        for (name, start, end) in projections {
            let (rows, below) = rest.split_at_mut((end - start) * c);
            rest = below;
            tensor(name, &[end - start, c], rows);
        }
        tensor("self_attn.q_norm.weight", &[self.heads.width], &mut self.query_norm.weight);
        tensor("self_attn.k_norm.weight", &[self.heads.width], &mut self.key_norm.weight);
        tensor("self_attn.o_proj.weight", &[c, mixed], self.output.values_mut());
    }
}

/// One segment and one key head: what a thread does at a time.
struct Task {
    rows: std::ops::Range<usize>,
    head: usize,
}

/// Keys and values of one attention layer, as far as a session has come.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// `[t, K D]`
    keys: Vec<f32>,
    /// `[t, K D]`
    values: Vec<f32>,
}

impl Cache {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.keys.as_slice()) + size_of_val(self.values.as_slice())
    }
}

impl Attention {
    /// The layer's output for the next rows x `[n, C]` of a session, the first of which stands at `position`.
    pub(super) fn step(
        &self,
        x: &[f32],
        n: usize,
        position: usize,
        rope: &Rope,
        cache: &mut Cache,
    ) -> Vec<f32> {
        let width = self.heads.queries * self.heads.width;
        let qkv = self.qkv.apply(x, n);
        let mut mixed = vec![0.0; n * width];
        let rows = qkv.chunks_exact(self.heads.all()).zip(mixed.chunks_exact_mut(width));
        for (row, (qkv, mixed)) in rows.enumerate() {
            self.step_row(qkv, position + row, rope, cache, mixed);
        }
        self.output.apply(&mixed, n)
    }

    /// One row at `position`, given all rows before it: `mixed` `[H D]` from `qkv` `[(H + 2K) D]`.
    fn step_row(&self, qkv: &[f32], position: usize, rope: &Rope, cache: &mut Cache, mixed: &mut [f32]) {
        let heads = self.heads;
        let (width, kept) = (heads.width, heads.keys * heads.width);
        let mut rotated = vec![0.0; heads.rotated()];
        let mut scales = vec![0.0; heads.queries + heads.keys];
        self.norm_and_rotate(qkv, &mut rotated, &mut scales, rope, position);
        let (queries, keys) = rotated.split_at(heads.queries * width);
        cache.keys.extend_from_slice(keys);
        cache.values.extend_from_slice(&qkv[heads.rotated()..]);

        let mut scores = vec![0.0; position + 1];
        for (head, (query, mixed)) in
            queries.chunks_exact(width).zip(mixed.chunks_exact_mut(width)).enumerate()
        {
            let start = head / heads.group() * width;
            for (score, keys) in scores.iter_mut().zip(cache.keys.chunks_exact(kept)) {
                *score = dot(query, &keys[start..start + width]) * heads.scale();
            }
            softmax(&mut scores);
            mixed.fill(0.0);
            for (score, values) in scores.iter().zip(cache.values.chunks_exact(kept)) {
                for (mixed, value) in mixed.iter_mut().zip(&values[start..start + width]) {
                    *mixed += score * value;
                }
            }
        }
    }
}

/// The position of each row in its segment. `[N]`
fn positions(batch: &Batch) -> Vec<usize> {
    batch.segments().flat_map(|rows| 0..rows.len()).collect()
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
    product(queries, keys.reversed_axes(), heads.scale(), 0.0, scores.view_mut(), Threads::One);
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
    queries: ArrayView2<'_, f32>,
    keys: ArrayView2<'_, f32>,
    values: ArrayView2<'_, f32>,
    mut mixed: ArrayViewMut2<'_, f32>,
    mut log_sums: ArrayViewMut2<'_, f32>,
) {
    let (length, width) = keys.dim();
    let mut buffer = vec![0.0; QUERY_BLOCK.min(length) * length];
    for head in 0..heads.group() {
        let columns = head * width..(head + 1) * width;
        for block in blocks(length) {
            let queries = queries.slice(s![.., columns.clone()]);
            let mut scores = scores(heads, queries, keys, &block, &mut buffer);
            for (i, row) in scores.rows_mut().into_iter().enumerate() {
                let row = row.into_slice().expect("rows of the buffer are contiguous");
                let (seen, future) = row.split_at_mut(block.start + i + 1);
                log_sums[[block.start + i, head]] = softmax(seen);
                future.fill(0.0);
            }
            let values = values.slice(s![..block.end, ..]);
            let mixed = mixed.slice_mut(s![block.clone(), columns.clone()]);
            product(scores.view(), values, 1.0, 0.0, mixed, Threads::One);
        }
    }
}

/// What [`attend`] read and wrote.
struct Attended<'a> {
    queries: ArrayView2<'a, f32>,
    keys: ArrayView2<'a, f32>,
    values: ArrayView2<'a, f32>,
    mixed: ArrayView2<'a, f32>,
    log_sums: ArrayView2<'a, f32>,
}

/// The gradients that [`attend_backward`] adds to.
struct Attending<'a> {
    queries: ArrayViewMut2<'a, f32>,
    keys: ArrayViewMut2<'a, f32>,
    values: ArrayViewMut2<'a, f32>,
}

/// Backward of [`attend`], with the probabilities computed again from the logarithms of their sums (Dao et al. 2022).
///
/// Forward was P = softmax(s Q Kt), O = P V, so dV = Pt dO, dP = dO Vt, dS = s P (dP - rowsum(dO O)), dQ = dS K,
/// dK = dSt Q.
fn attend_backward(heads: Heads, was: Attended<'_>, dmixed: ArrayView2<'_, f32>, mut to: Attending<'_>) {
    let (length, width) = was.keys.dim();
    let size = QUERY_BLOCK.min(length) * length;
    let (mut buffer, mut dbuffer) = (vec![0.0; size], vec![0.0; size]);
    for head in 0..heads.group() {
        let columns = head * width..(head + 1) * width;
        for block in blocks(length) {
            let queries = was.queries.slice(s![.., columns.clone()]);
            let dmixed = dmixed.slice(s![block.clone(), columns.clone()]);
            let mixed = was.mixed.slice(s![block.clone(), columns.clone()]);
            let keys = was.keys.slice(s![..block.end, ..]);
            let mut p = scores(heads, queries, was.keys, &block, &mut buffer);
            for (i, row) in p.rows_mut().into_iter().enumerate() {
                let row = row.into_slice().expect("rows of the buffer are contiguous");
                let (seen, future) = row.split_at_mut(block.start + i + 1);
                exp_shifted(seen, was.log_sums[[block.start + i, head]]);
                future.fill(0.0);
            }
            let dvalues = to.values.slice_mut(s![..block.end, ..]);
            product(p.t(), dmixed, 1.0, 1.0, dvalues, Threads::One);

            let shape = (block.len(), block.end);
            let mut dp = ArrayViewMut2::from_shape(shape, &mut dbuffer[..block.len() * block.end])
                .expect("the slice has the shape's size");
            let values = was.values.slice(s![..block.end, ..]);
            product(dmixed, values.t(), 1.0, 0.0, dp.view_mut(), Threads::One);
            let rows = p.rows_mut().into_iter().zip(dp.rows()).zip(dmixed.rows()).zip(mixed.rows());
            for (((p, dp), dmixed), mixed) in rows {
                let contiguous = "rows of one head are contiguous";
                let delta = dot(dmixed.to_slice().expect(contiguous), mixed.to_slice().expect(contiguous));
                let p = p.into_slice().expect(contiguous);
                softmax_backward(p, dp.to_slice().expect(contiguous), delta, heads.scale());
            }
            let dqueries = to.queries.slice_mut(s![block.clone(), columns.clone()]);
            product(p.view(), keys, 1.0, 0.0, dqueries, Threads::One);
            let queries = was.queries.slice(s![block.clone(), columns.clone()]);
            let dkeys = to.keys.slice_mut(s![..block.end, ..]);
            product(p.t(), queries, 1.0, 1.0, dkeys, Threads::One);
        }
    }
}
