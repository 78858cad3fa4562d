use artifact::config::DecoderConfig;
use kernels::{silu_mul, silu_mul_backward};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::linear::Linear;
use super::rows::Rows;
use super::{NamedTensor, NamedTensorMut, row_tasks};

/// `SwiGLU` (Shazeer 2020): y = (silu(x Wgt) * (x Wut)) Wdt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedForward {
    /// Gate and up projections, one product. `[2F, C]`
    gate_up: Linear,
    /// `[C, F]`
    down: Linear,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct FeedForwardTape {
    /// `[N, 2F]`
    gate_up: Rows,
    /// silu(gate) * up. `[N, F]`
    hidden: Rows,
}

impl FeedForward {
    pub(super) fn zeros(config: &DecoderConfig) -> Self {
        let gate_up = Linear::zeros(2 * config.intermediate_size, config.hidden_size);
        let down = Linear::zeros(config.hidden_size, config.intermediate_size);
        if config.mlp_bias {
            Self { gate_up: gate_up.with_bias(), down: down.with_bias() }
        } else {
            Self { gate_up, down }
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self { gate_up: self.gate_up.zeros_like(), down: self.down.zeros_like() }
    }

    fn width(&self) -> usize {
        self.down.weight.dim().1
    }

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(&self, x: ArrayView2<'_, f32>, y: &mut Rows, tape: &mut FeedForwardTape) {
        let (n, width) = (x.dim().0, self.width());
        self.gate_up.forward(x, 0.0, tape.gate_up.reset(n, 2 * width));
        tape.hidden.reset(n, width);
        tape.gate_up
            .values()
            .par_chunks(row_tasks(2 * width))
            .zip(tape.hidden.values_mut().par_chunks_mut(row_tasks(width)))
            .for_each(|(gate_up, hidden)| silu_mul(gate_up, width, hidden));
        self.down.forward(tape.hidden.view(), 1.0, y.view_mut());
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x; spends the tape.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        tape: &mut FeedForwardTape,
        dx: &mut Rows,
        scratch: &mut Rows,
        gradient: &mut Self,
    ) {
        let (n, width) = (x.dim().0, self.width());
        let dhidden = scratch.reset(n, width);
        self.down.backward(dy, tape.hidden.view(), 0.0, dhidden, &mut gradient.down);
        scratch
            .values()
            .par_chunks(row_tasks(width))
            .zip(tape.gate_up.values_mut().par_chunks_mut(row_tasks(2 * width)))
            .for_each(|(dhidden, gate_up)| silu_mul_backward(dhidden, width, gate_up));
        let dx = dx.reset(n, x.dim().1);
        self.gate_up.backward(tape.gate_up.view(), x, 0.0, dx, &mut gradient.gate_up);
    }

    /// The layer's output for the few rows x `[n, C]` of a session, on the calling thread.
    pub(super) fn step(&self, x: &[f32], n: usize) -> Vec<f32> {
        let gate_up = self.gate_up.apply(x, n);
        let mut hidden = vec![0.0; n * self.width()];
        silu_mul(&gate_up, self.width(), &mut hidden);
        self.down.apply(&hidden, n)
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        self.gate_up.visit(&[("mlp.gate_proj", f), ("mlp.up_proj", f)], tensor);
        self.down.visit(&[("mlp.down_proj", c)], tensor);
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let (c, f) = self.down.weight.dim();
        self.gate_up.visit_mut(&[("mlp.gate_proj", f), ("mlp.up_proj", f)], tensor);
        self.down.visit_mut(&[("mlp.down_proj", c)], tensor);
    }
}
