//! The gated causal convolution of Dauphin et al. 2017, dilated (Oord et al. 2016), over what its segment holds so far:
//!
//! ```text
//! a_t, b_t = bias + sum over j of W_j x_(t - (k - 1 - j) d)    y_t = W_o (a_t s(b_t))    x before the segment is 0
//! ```

use std::ops::Range;

use artifact::config::DecoderConfig;
use kernels::{Threads, glu, glu_backward};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::linear::Linear;
use super::rows::{Rows, add_column_sums, fill_rows};
use super::session::Span;
use super::{NamedTensor, NamedTensorMut, ROWS_PER_TASK, row_tasks};
use crate::Batch;

/// A gated causal convolution and its output projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Convolution {
    /// k
    taps: usize,
    /// Distance between taps, d.
    dilation: usize,
    /// The tensor `[2P, C, k]` that PyTorch's `Conv1d` stores, as a matrix. `[2P, C k]`
    conv: Linear,
    /// `[2P]`
    bias: Vec<f32>,
    /// `[C, P]`
    output: Linear,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct ConvolutionTape {
    /// a and b. `[N, 2P]`
    pairs: Rows,
    /// a s(b). `[N, P]`
    mixed: Rows,
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct ConvolutionScratch {
    /// What each row sees, tap after tap, or its gradient. `[N, k C]`
    taps: Rows,
    /// The weight in the order of taps, or its gradient. `[2P, k C]`
    weight: Rows,
    /// `[N, P]`
    dmixed: Rows,
}

/// The inputs that later rows of a session still see.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// A ring: the input at position t lies in row t modulo (k - 1) d. `[(k - 1) d, C]`
    rows: Vec<f32>,
}

impl History {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.rows.as_slice())
    }
}

impl Convolution {
    pub(super) fn zeros(config: &DecoderConfig, dilation: usize) -> Self {
        let (c, p, taps) = (config.hidden_size, config.mixer_size, config.kernel_size);
        Self {
            taps,
            dilation,
            conv: Linear::zeros(2 * p, c * taps),
            bias: vec![0.0; 2 * p],
            output: Linear::zeros(c, p),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            conv: self.conv.zeros_like(),
            bias: vec![0.0; self.bias.len()],
            output: self.output.zeros_like(),
            ..*self
        }
    }

    pub(super) fn matrices(&mut self) -> [&mut Linear; 2] {
        [&mut self.conv, &mut self.output]
    }

    /// P
    fn width(&self) -> usize {
        self.output.weight.dim().1
    }

    /// How far before its row each tap lies.
    fn distances(&self) -> impl Iterator<Item = usize> {
        let Self { taps, dilation, .. } = *self;
        (0..taps).map(move |tap| (taps - 1 - tap) * dilation)
    }

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(
        &self,
        x: ArrayView2<'_, f32>,
        batch: &Batch,
        y: &mut Rows,
        tape: &mut ConvolutionTape,
        scratch: &mut ConvolutionScratch,
    ) {
        let (n, p) = (x.dim().0, self.width());
        self.gather(x, batch, &mut scratch.taps);
        self.order_by_taps(&mut scratch.weight);
        tape.pairs.reset(n, 2 * p);
        fill_rows(tape.pairs.values_mut(), &self.bias);
        let weight = scratch.weight.view();
        let (precision, pairs) = (self.conv.precision, tape.pairs.view_mut());
        precision.product(scratch.taps.view(), weight.t(), 1.0, 1.0, pairs, Threads::All);
        tape.mixed.reset(n, p);
        tape.pairs
            .values()
            .par_chunks(row_tasks(2 * p))
            .zip(tape.mixed.values_mut().par_chunks_mut(row_tasks(p)))
            .for_each(|(pairs, mixed)| glu(pairs, p, mixed));
        self.output.forward(tape.mixed.view(), 1.0, y.view_mut());
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x; spends the tape.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        batch: &Batch,
        tape: &mut ConvolutionTape,
        dx: &mut Rows,
        scratch: &mut ConvolutionScratch,
        gradient: &mut Self,
    ) {
        let ((n, c), p) = (x.dim(), self.width());
        self.output.backward(dy, tape.mixed.view(), 0.0, scratch.dmixed.reset(n, p), &mut gradient.output);
        scratch
            .dmixed
            .values()
            .par_chunks(row_tasks(p))
            .zip(tape.pairs.values_mut().par_chunks_mut(row_tasks(2 * p)))
            .for_each(|(dmixed, pairs)| glu_backward(dmixed, p, pairs));
        let dpairs = tape.pairs.view();
        add_column_sums(tape.pairs.values(), &mut gradient.bias);

        // Forward was pairs = taps Wt + bias, so dW += dpairst taps, dtaps = dpairs W.
        self.gather(x, batch, &mut scratch.taps);
        let dweight = scratch.weight.reset(2 * p, self.taps * c);
        self.conv.precision.product(dpairs.t(), scratch.taps.view(), 1.0, 0.0, dweight, Threads::All);
        gradient.add_ordered_by_taps(&scratch.weight);
        self.order_by_taps(&mut scratch.weight);
        let dtaps = scratch.taps.view_mut();
        self.conv.precision.product(dpairs, scratch.weight.view(), 1.0, 0.0, dtaps, Threads::All);
        dx.reset_to_zero(n, c);
        self.scatter(scratch.taps.values(), batch, c, dx);
    }

    /// Each row's taps. `[N, k C]` from x `[N, C]`
    fn gather(&self, x: ArrayView2<'_, f32>, batch: &Batch, to: &mut Rows) {
        let (n, c) = x.dim();
        let x = x.as_slice().expect("rows are contiguous");
        to.reset(n, self.taps * c);
        let (segments, width) = (segments_of_rows(batch), self.taps * c);
        to.values_mut().par_chunks_mut(row_tasks(width)).enumerate().for_each(|(task, to)| {
            for (row, to) in (task * ROWS_PER_TASK..).zip(to.chunks_exact_mut(width)) {
                let position = row - segments[row].start;
                for (to, distance) in to.chunks_exact_mut(c).zip(self.distances()) {
                    if distance <= position {
                        to.copy_from_slice(&x[(row - distance) * c..][..c]);
                    } else {
                        to.fill(0.0);
                    }
                }
            }
        });
    }

    /// Backward of [`Self::gather`]: adds to dx `[N, C]` what all taps `[N, k C]` ask of each row.
    fn scatter(&self, dtaps: &[f32], batch: &Batch, c: usize, dx: &mut Rows) {
        let (segments, width) = (segments_of_rows(batch), self.taps * c);
        dx.values_mut().par_chunks_mut(row_tasks(c)).enumerate().for_each(|(task, dx)| {
            for (row, dx) in (task * ROWS_PER_TASK..).zip(dx.chunks_exact_mut(c)) {
                for (tap, distance) in self.distances().enumerate() {
                    if row + distance < segments[row].end {
                        kernels::add(dx, &dtaps[(row + distance) * width + tap * c..][..c]);
                    }
                }
            }
        });
    }

    /// The weight `[2P, C, k]` as `[2P, k, C]`, so that taps are whole rows of the input.
    fn order_by_taps(&self, to: &mut Rows) {
        let (outputs, width) = self.conv.weight.dim();
        let c = width / self.taps;
        to.reset(outputs, width);
        let rows = to.values_mut().par_chunks_mut(width).zip(self.conv.values().par_chunks(width));
        rows.for_each(|(to, from)| {
            for (tap, to) in to.chunks_exact_mut(c).enumerate() {
                for (to, from) in to.iter_mut().zip(from[tap..].iter().step_by(self.taps)) {
                    *to = *from;
                }
            }
        });
    }

    /// Adds a gradient `[2P, k, C]` to the weight's own `[2P, C, k]`.
    fn add_ordered_by_taps(&mut self, from: &Rows) {
        let (width, taps) = (self.conv.weight.dim().1, self.taps);
        let rows = self.conv.values_mut().par_chunks_mut(width).zip(from.values().par_chunks(width));
        rows.for_each(|(to, from)| {
            for (tap, from) in from.chunks_exact(width / taps).enumerate() {
                for (to, from) in to[tap..].iter_mut().step_by(taps).zip(from) {
                    *to += from;
                }
            }
        });
    }

    /// A session that has read nothing.
    pub(super) fn start(&self) -> History {
        let c = self.conv.weight.dim().1 / self.taps;
        History { rows: vec![0.0; (self.taps - 1) * self.dilation * c] }
    }

    /// The layer's output for the next rows x `[n, C]` of sessions.
    pub(super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        histories: Vec<&mut History>,
        threads: Threads,
    ) -> Vec<f32> {
        let (width, p) = (self.conv.weight.dim().1, self.width());
        let c = width / self.taps;
        let mut taps = vec![0.0; x.len() / c * width];
        for ((span, history), taps) in spans.iter().zip(histories).zip(Span::split(spans, &mut taps, width)) {
            self.tap(span.of(x, c), span.position, history, taps);
        }
        let mut pairs = self.conv.apply(&taps, threads);
        for pair in pairs.chunks_exact_mut(2 * p) {
            kernels::add(pair, &self.bias);
        }
        let mut mixed = vec![0.0; pairs.len() / 2];
        glu(&pairs, p, &mut mixed);
        self.output.apply(&mixed, threads)
    }

    /// What the taps find at the next rows x `[n, C]` of a session, the first of which stands at `position`: `taps`
    /// `[n, C taps]`, in PyTorch's order of the weight, channel after channel.
    fn tap(&self, x: &[f32], position: usize, history: &mut History, taps: &mut [f32]) {
        let width = self.conv.weight.dim().1;
        let c = width / self.taps;
        let kept = history.rows.len() / c;
        for ((t, x), taps) in (position..).zip(x.chunks_exact(c)).zip(taps.chunks_exact_mut(width)) {
            for (tap, distance) in self.distances().enumerate().filter(|&(_, distance)| distance <= t) {
                let from = if distance == 0 { x } else { &history.rows[(t - distance) % kept * c..][..c] };
                for (to, from) in taps[tap..].iter_mut().step_by(self.taps).zip(from) {
                    *to = *from;
                }
            }
            if kept > 0 {
                history.rows[t % kept * c..][..c].copy_from_slice(x);
            }
        }
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let ((outputs, width), (c, p)) = (self.conv.weight.dim(), self.output.weight.dim());
        tensor("mixer.conv.weight", &[outputs, width / self.taps, self.taps], self.conv.values());
        tensor("mixer.conv.bias", &[outputs], &self.bias);
        tensor("mixer.output.weight", &[c, p], self.output.values());
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let ((outputs, width), (c, p)) = (self.conv.weight.dim(), self.output.weight.dim());
        tensor("mixer.conv.weight", &[outputs, width / self.taps, self.taps], self.conv.values_mut());
        tensor("mixer.conv.bias", &[outputs], &mut self.bias);
        tensor("mixer.output.weight", &[c, p], self.output.values_mut());
    }
}

/// The segment of each row. `[N]`
fn segments_of_rows(batch: &Batch) -> Vec<Range<usize>> {
    batch.segments().flat_map(|rows| std::iter::repeat_n(rows.clone(), rows.len())).collect()
}
