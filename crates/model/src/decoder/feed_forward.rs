use artifact::config::DecoderConfig;
use kernels::{silu_mul, silu_mul_backward};
use rayon::prelude::*;

use super::linear::Linear;
use super::norm::{NormTape, RmsNorm};
use super::rows::{Rows, with_scratch};
use super::{NamedTensor, NamedTensorMut};

/// Norm and `SwiGLU` (Shazeer 2020): y = x + (silu(u Wgt) * (u Wut)) Wdt with u = norm(x).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedForward {
    norm: RmsNorm,
    /// Gate and up matrices, one product. `[2F, C]`
    gate_up: Linear,
    /// `[C, F]`
    down: Linear,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct FeedForwardTape {
    norm: NormTape,
    /// `[N, 2F]`
    gate_up: Rows,
    /// silu(gate) * up. `[N, F]`
    hidden: Rows,
}

/// Buffers that all blocks share: the weights as products take them.
#[derive(Debug, Default)]
pub(super) struct FeedForwardScratch {
    gate_up: Vec<u16>,
    down: Vec<u16>,
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
    pub(super) fn forward(&self, x: &mut Rows, tape: &mut FeedForwardTape, scratch: &mut FeedForwardScratch) {
        let ((n, c), f) = (x.view().dim(), self.width());
        let gate_up = self.gate_up.prepare(&mut scratch.gate_up);
        let down = self.down.prepare(&mut scratch.down);
        tape.gate_up.reset(n, 2 * f);
        tape.hidden.reset(n, f);
        x.tasks_mut()
            .zip(tape.norm.tasks(n, c))
            .zip(tape.gate_up.tasks_mut())
            .zip(tape.hidden.tasks_mut())
            .for_each(|(((x, norm), pairs), hidden)| {
                let normed = self.norm.forward_task(x, norm);
                gate_up.apply(normed, 0.0, pairs);
                silu_mul(pairs, f, hidden);
                down.apply(hidden, 1.0, x);
            });
    }

    /// dy `[N, C]` becomes dx; spends the tape.
    pub(super) fn backward(
        &self,
        dx: &mut Rows,
        tape: &mut FeedForwardTape,
        scratch: &mut FeedForwardScratch,
        gradient: &mut Self,
    ) {
        let (c, f) = self.down.weight.dim();
        self.down.accumulate(dx.view(), tape.hidden.view(), &mut gradient.down);
        let gate_up = self.gate_up.prepare_backward(&mut scratch.gate_up);
        let down = self.down.prepare_backward(&mut scratch.down);
        let partial: Vec<Vec<f32>> = dx
            .tasks_mut()
            .zip(tape.norm.tasks_backward())
            .zip(tape.gate_up.tasks_mut())
            .map(|((dx, norm), pairs)| {
                let rows = dx.len() / c;
                with_scratch(rows * (f + c), |scratch| {
                    let (dhidden, dnormed) = scratch.split_at_mut(rows * f);
                    down.apply(dx, 0.0, dhidden);
                    silu_mul_backward(dhidden, f, pairs);
                    gate_up.apply(pairs, 0.0, dnormed);
                    self.norm.backward_task(dnormed, norm, dx)
                })
            })
            .collect();
        gradient.norm.add_all(&partial);
        self.gate_up.accumulate(tape.gate_up.view(), tape.norm.normed(), &mut gradient.gate_up);
    }

    /// The few rows x `[n, C]` of a session become y, on the calling thread.
    pub(super) fn step(&self, x: &mut [f32], n: usize) {
        let gate_up = self.gate_up.apply(&self.norm.step(x), n);
        let mut hidden = vec![0.0; n * self.width()];
        silu_mul(&gate_up, self.width(), &mut hidden);
        kernels::add(x, &self.down.apply(&hidden, n));
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
