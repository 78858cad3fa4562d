use artifact::config::DecoderConfig;
use kernels::{KeptRows, Role, Threads, silu_mul, silu_mul_backward};
use rayon::prelude::*;

use super::dropout::Dropout;
use super::linear::Linear;
use super::norm::{NormTape, RmsNorm};
use super::rows::{Rows, columns, with_scratch};
use super::{NamedTensor, NamedTensorMut, ROWS_PER_TASK, row_tasks};

/// Norm and `SwiGLU` (Shazeer 2020): y = x + (silu(u Wgt) * (u Wut)) Wdt with u = norm(x).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedForward {
    norm: RmsNorm,
    /// Gate and up matrices, one product. `[2F, C]`
    gate_up: Linear,
    /// `[C, F]`
    down: Linear,
}

/// What the backward pass needs of the forward pass; the rest it computes again.
#[derive(Debug, Default)]
pub(super) struct FeedForwardTape {
    norm: NormTape,
    /// `[N, 2F]`
    gate_up: Rows,
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct FeedForwardScratch {
    /// The weights as products take them.
    weights: [Vec<u16>; 2],
    /// u `[N, C]`
    normed: KeptRows,
    /// `[N, 2F]`
    dgate_up: KeptRows,
    /// silu(gate) * up. `[N, F]`
    hidden: KeptRows,
    /// `[N, C]`
    dy: KeptRows,
}

impl FeedForward {
    pub(super) fn zeros(config: &DecoderConfig) -> Self {
        let norm = RmsNorm::new(config.hidden_size, config.rms_norm_eps as f32);
        let gate_up = Linear::zeros(2 * config.intermediate_size, config.hidden_size);
        let down = Linear::zeros(config.hidden_size, config.intermediate_size);
        if config.mlp_bias {
            Self { norm, gate_up: gate_up.with_bias(), down: down.with_bias() }
        } else {
            Self { norm, gate_up, down }
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            norm: self.norm.zeros_like(),
            gate_up: self.gate_up.zeros_like(),
            down: self.down.zeros_like(),
        }
    }

    pub(super) fn matrices(&mut self) -> [&mut Linear; 2] {
        [&mut self.gate_up, &mut self.down]
    }

    /// F
    fn width(&self) -> usize {
        self.down.weight.dim().1
    }

    /// x `[N, C]` becomes y. A thread takes some rows through the whole layer, while they are in its cache.
    pub(super) fn forward(
        &self,
        x: &mut Rows,
        tape: &mut FeedForwardTape,
        scratch: &mut FeedForwardScratch,
        dropout: Option<Dropout>,
    ) {
        let ((n, c), f) = (x.view().dim(), self.width());
        let [gate_up, down] = &mut scratch.weights;
        let (gate_up, down) = (self.gate_up.prepare(gate_up), self.down.prepare(down));
        tape.gate_up.reset(n, 2 * f);
        x.tasks_mut().zip(tape.norm.tasks(n, c)).zip(tape.gate_up.tasks_mut()).enumerate().for_each(
            |(task, ((x, norm), pairs))| {
                let rows = x.len() / c;
                with_scratch([rows * c, rows * f], |[normed, hidden]| {
                    self.norm.forward_task(x, norm, normed);
                    gate_up.apply(normed, 0.0, pairs);
                    silu_mul(pairs, f, hidden);
                    let Some(dropout) = dropout else { return down.apply(hidden, 1.0, x) };
                    let branch = normed;
                    down.apply(hidden, 0.0, branch);
                    dropout.apply(branch, task * row_tasks(c));
                    kernels::add(x, branch);
                });
            },
        );
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
        let ((n, c), f) = (dx.view().dim(), self.width());
        let FeedForwardScratch { weights: [gate_up, down], normed, dgate_up, hidden, dy } = scratch;
        let (gate_up, down) = (self.gate_up.prepare_backward(gate_up), self.down.prepare_backward(down));
        let kept = normed
            .tasks(self.gate_up.precision, (n, c), ROWS_PER_TASK)
            .zip(dgate_up.tasks(self.gate_up.precision, (n, 2 * f), ROWS_PER_TASK))
            .zip(hidden.tasks(self.down.precision, (n, f), ROWS_PER_TASK))
            .zip(dy.tasks(self.down.precision, (n, c), ROWS_PER_TASK));
        let tasks = dx.tasks_mut().zip(tape.norm.tasks_backward()).zip(tape.gate_up.tasks_mut()).zip(kept);
        let parts: Vec<[Vec<f32>; 3]> = tasks
            .enumerate()
            .map(|(task, (((dx, norm), pairs), (((keep_normed, keep_dgate_up), keep_hidden), keep_dy)))| {
                let rows = dx.len() / c;
                with_scratch([rows * c, rows * f, rows * c], |[narrow, wide, dy]| {
                    self.norm.repeat_task(norm, narrow);
                    keep_normed.store(narrow, Role::Input);
                    silu_mul(pairs, f, wide);
                    keep_hidden.store(wide, Role::Input);
                    dy.copy_from_slice(dx);
                    if let Some(dropout) = dropout {
                        dropout.apply(dy, task * row_tasks(c));
                    }
                    keep_dy.store(dy, Role::Gradient);
                    let down_bias = self.down.bias_part(dy);

                    down.apply(dy, 0.0, wide);
                    silu_mul_backward(wide, f, pairs);
                    keep_dgate_up.store(pairs, Role::Gradient);
                    let gate_up_bias = self.gate_up.bias_part(pairs);
                    gate_up.apply(pairs, 0.0, narrow);
                    [self.norm.backward_task(narrow, norm, dx), gate_up_bias, down_bias]
                })
            })
            .collect();
        let [norm_parts, gate_up_bias, down_bias] = columns(parts);
        gradient.norm.add_all(&norm_parts);
        gradient.gate_up.add_kept(dgate_up, normed, &gate_up_bias);
        gradient.down.add_kept(dy, hidden, &down_bias);
    }

    /// The few rows x `[n, C]` of sessions become y.
    pub(super) fn step(&self, x: &mut [f32], threads: Threads) {
        let gate_up = self.gate_up.apply(&self.norm.step(x), threads);
        let mut hidden = vec![0.0; gate_up.len() / 2];
        silu_mul(&gate_up, self.width(), &mut hidden);
        kernels::add(x, &self.down.apply(&hidden, threads));
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        tensor("post_attention_layernorm.weight", &[c], &self.norm.weight);
        self.gate_up.visit(&[("mlp.gate_proj", f), ("mlp.up_proj", f)], tensor);
        self.down.visit(&[("mlp.down_proj", c)], tensor);
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        tensor("post_attention_layernorm.weight", &[c], &mut self.norm.weight);
        self.gate_up.visit_mut(&[("mlp.gate_proj", f), ("mlp.up_proj", f)], tensor);
        self.down.visit_mut(&[("mlp.down_proj", c)], tensor);
    }
}
