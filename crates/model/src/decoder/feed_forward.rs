use std::ops::Range;

use artifact::config::DecoderConfig;
use kernels::{Aligned, Buffer, KeptRows, Precision, Role, Threads, silu_mul, silu_mul_backward};
use rayon::prelude::*;

use super::dropout::Dropout;
use super::linear::Linear;
use super::norm::{NormTape, RmsNorm};
use super::rows::{Rows, columns, with_scratch};
use super::{NamedTensor, NamedTensorMut, rows_per_task};

/// Hidden values that a thread takes at a time where it computes gates again: they stay in its cache.
const PANEL: usize = 128;

/// Norm and `SwiGLU` (Shazeer 2020): y = x + (silu(u Wgt) * (u Wut)) Wdt with u = norm(x).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedForward {
    norm: RmsNorm,
    /// `[F, C]`
    gate: Linear,
    /// `[F, C]`
    up: Linear,
    /// `[C, F]`
    down: Linear,
}

/// What the backward pass needs of the forward pass; the rest it computes again.
#[derive(Debug, Default)]
pub(super) struct FeedForwardTape {
    norm: NormTape,
    /// u Wgt and u Wut, if they are kept. `[N, F]`
    gates: [Rows; 2],
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct FeedForwardScratch {
    /// The weights as products take them, forward and backward.
    weights: [Aligned<u16>; 6],
    /// u `[N, C]`
    normed: KeptRows,
    /// `[N, F]`
    dgate: KeptRows,
    /// `[N, F]`
    dup: KeptRows,
    /// silu(gate) * up. `[N, F]`
    hidden: KeptRows,
    /// `[N, C]`
    dy: KeptRows,
}

impl FeedForward {
    pub(super) fn zeros(config: &DecoderConfig) -> Self {
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let linear = |outputs, inputs| {
            let linear = Linear::zeros(outputs, inputs);
            if config.mlp_bias { linear.with_bias() } else { linear }
        };
        Self {
            norm: RmsNorm::new(c, config.rms_norm_eps as f32),
            gate: linear(f, c),
            up: linear(f, c),
            down: linear(c, f),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            norm: self.norm.zeros_like(),
            gate: self.gate.zeros_like(),
            up: self.up.zeros_like(),
            down: self.down.zeros_like(),
        }
    }

    pub(super) fn matrices(&mut self) -> [&mut Linear; 3] {
        [&mut self.gate, &mut self.up, &mut self.down]
    }

    /// F
    fn width(&self) -> usize {
        self.down.weight.dim().1
    }

    fn precision(&self) -> Precision {
        self.gate.precision
    }

    /// Whether the backward pass computes gates again. In bfloat16 that takes less time than to write them to memory and
    /// to read them.
    fn repeats(&self) -> bool {
        self.precision() == Precision::Bf16
    }

    /// Hidden values that are taken at a time.
    fn panel(&self) -> usize {
        if self.repeats() { PANEL.min(self.width()) } else { self.width() }
    }

    fn panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (f, panel) = (self.width(), self.panel());
        (0..f).step_by(panel).map(move |start| start..f.min(start + panel))
    }

    /// For each task of N rows the place of its gates, if they are kept.
    fn kept_gates<'a>(&self, n: usize, [gate, up]: &'a mut [Rows; 2]) -> Vec<Option<[&'a mut [f32]; 2]>> {
        let f = self.width();
        if self.repeats() {
            return (0..n.div_ceil(rows_per_task(n))).map(|_| None).collect();
        }
        let [gate, up] = [gate, up].map(|rows| {
            rows.reset(n, f);
            let task = rows.task();
            rows.values_mut().chunks_mut(task)
        });
        gate.zip(up).map(|(gate, up)| Some([gate, up])).collect()
    }

    /// x `[N, C]` becomes y. A thread takes some rows through the whole layer, while they are in its cache.
    pub(super) fn forward(
        &self,
        x: &mut Rows,
        tape: &mut FeedForwardTape,
        scratch: &mut FeedForwardScratch,
        dropout: Option<Dropout>,
    ) {
        let (n, c) = x.dim();
        let [gate, up, down, ..] = &mut scratch.weights;
        let (gate, up, down) = (self.gate.prepare(gate), self.up.prepare(up), self.down.prepare(down));
        let kept = self.kept_gates(n, &mut tape.gates);
        let tasks = x.tasks_mut().zip(tape.norm.tasks(n, c)).zip(kept);
        tasks.enumerate().for_each(|(task, ((x, norm), mut kept))| {
            let rows = x.len() / c;
            let (narrow, wide) = (rows * c, rows * self.panel());
            with_scratch([narrow, narrow, wide, wide, wide], |[normed, branch, gates, ups, hidden]| {
                self.norm.forward_task(x, norm, normed);
                let y = if dropout.is_some() { &mut *branch } else { &mut *x };
                if dropout.is_some() {
                    y.fill(0.0);
                }
                let mut buffer = Buffer::take();
                let normed = gate.rows(normed, &mut buffer);
                for panel in self.panels() {
                    let wide = rows * panel.len();
                    let (gates, ups, hidden) = (&mut gates[..wide], &mut ups[..wide], &mut hidden[..wide]);
                    let [gates, ups] = kept.as_mut().map_or([gates, ups], |[gates, ups]| [gates, ups]);
                    gate.outputs(panel.clone()).apply_to(normed, 0.0, gates);
                    up.outputs(panel.clone()).apply_to(normed, 0.0, ups);
                    silu_mul(gates, ups, hidden);
                    down.inputs(panel).apply(hidden, 1.0, y);
                }
                if let Some(dropout) = dropout {
                    dropout.apply(branch, task * rows_per_task(n) * c);
                    kernels::add(x, branch);
                }
            });
        });
    }

    /// dy `[N, C]` becomes dx; spends the tape.
    pub(super) fn backward(
        &self,
        dx: &mut Rows,
        tape: &mut FeedForwardTape,
        scratch: &mut FeedForwardScratch,
        gradient: &mut Self,
        dropout: Option<Dropout>,
    ) {
        let ((n, c), f, precision) = (dx.dim(), self.width(), self.precision());
        let FeedForwardScratch { weights, normed, dgate, dup, hidden, dy } = scratch;
        let [gate, up, _, gate_back, up_back, down_back] = weights;
        let (gate, up) = (self.gate.prepare(gate), self.up.prepare(up));
        let (gate_back, up_back) = (self.gate.prepare_backward(gate_back), self.up.prepare_backward(up_back));
        let down_back = self.down.prepare_backward(down_back);
        let kept_rows =
            [(&mut *normed, c), (&mut *dgate, f), (&mut *dup, f), (&mut *hidden, f), (&mut *dy, c)];
        let kept_rows = KeptRows::tasks(kept_rows, precision, n, rows_per_task(n));
        let kept = self.kept_gates(n, &mut tape.gates);
        let tasks = dx.tasks_mut().zip(tape.norm.tasks_backward()).zip(kept).zip(kept_rows);
        let parts: Vec<[Vec<f32>; 4]> = tasks
            .enumerate()
            .map(|(task, (((dx, norm), mut kept), keep))| {
                let [mut keep_normed, mut keep_dgate, mut keep_dup, mut keep_hidden, mut keep_dy] = keep;
                let rows = dx.len() / c;
                let (narrow, wide) = (rows * c, rows * self.panel());
                let lengths = [narrow, narrow, narrow, wide, wide, wide];
                with_scratch(lengths, |[normed, dy, dnormed, gates, ups, hidden]| {
                    let [mut gate_bias, mut up_bias, mut down_bias] =
                        [&self.gate, &self.up, &self.down].map(Linear::zero_bias_part);
                    self.norm.repeat_task(norm, normed);
                    keep_normed.store(normed, Role::Input);
                    dy.copy_from_slice(dx);
                    if let Some(dropout) = dropout {
                        dropout.apply(dy, task * rows_per_task(n) * c);
                    }
                    keep_dy.store(dy, Role::Gradient);
                    Linear::add_to_bias_part(&mut down_bias, 0..c, dy);
                    let (mut normed_buffer, mut dy_buffer) = (Buffer::take(), Buffer::take());
                    let normed = gate.rows(normed, &mut normed_buffer);
                    let dy = down_back.rows(dy, &mut dy_buffer);
                    for panel in self.panels() {
                        let (first, width) = (panel.start, panel.len());
                        let wide = rows * width;
                        let (gates, ups, hidden) =
                            (&mut gates[..wide], &mut ups[..wide], &mut hidden[..wide]);
                        let [gates, ups] = if let Some([gates, ups]) = &mut kept {
                            [&mut **gates, &mut **ups]
                        } else {
                            gate.outputs(panel.clone()).apply_to(normed, 0.0, gates);
                            up.outputs(panel.clone()).apply_to(normed, 0.0, ups);
                            [gates, ups]
                        };
                        silu_mul(gates, ups, hidden);
                        keep_hidden.store_columns(first, hidden, width, Role::Input);
                        down_back.outputs(panel.clone()).apply_to(dy, 0.0, hidden);
                        silu_mul_backward(hidden, gates, ups);
                        keep_dgate.store_columns(first, gates, width, Role::Gradient);
                        keep_dup.store_columns(first, ups, width, Role::Gradient);
                        Linear::add_to_bias_part(&mut gate_bias, panel.clone(), gates);
                        Linear::add_to_bias_part(&mut up_bias, panel.clone(), ups);
                        let keep = if first > 0 { 1.0 } else { 0.0 };
                        gate_back.inputs(panel.clone()).apply(gates, keep, dnormed);
                        up_back.inputs(panel).apply(ups, 1.0, dnormed);
                    }
                    [self.norm.backward_task(dnormed, norm, dx), gate_bias, up_bias, down_bias]
                })
            })
            .collect();
        let [norm_parts, gate_bias, up_bias, down_bias] = columns(parts);
        gradient.norm.add_all(&norm_parts);
        gradient.gate.add_kept(dgate, normed, &gate_bias);
        gradient.up.add_kept(dup, normed, &up_bias);
        gradient.down.add_kept(dy, hidden, &down_bias);
    }

    /// The few rows x `[n, C]` of sessions become y.
    pub(super) fn step(&self, x: &mut [f32], threads: Threads) {
        let normed = self.norm.step(x);
        let (gate, up) = (self.gate.apply(&normed, threads), self.up.apply(&normed, threads));
        let mut hidden = vec![0.0; gate.len()];
        silu_mul(&gate, &up, &mut hidden);
        kernels::add(x, &self.down.apply(&hidden, threads));
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        tensor("post_attention_layernorm.weight", &[c], &self.norm.weight);
        self.gate.visit(&[("mlp.gate_proj", f)], tensor);
        self.up.visit(&[("mlp.up_proj", f)], tensor);
        self.down.visit(&[("mlp.down_proj", c)], tensor);
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        tensor("post_attention_layernorm.weight", &[c], &mut self.norm.weight);
        self.gate.visit_mut(&[("mlp.gate_proj", f)], tensor);
        self.up.visit_mut(&[("mlp.up_proj", f)], tensor);
        self.down.visit_mut(&[("mlp.down_proj", c)], tensor);
    }
}
