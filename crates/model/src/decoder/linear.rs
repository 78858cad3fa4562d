use kernels::{Precision, Prepared, Threads, matvec, product};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::rows::{matrix, matrix_mut};

/// A matrix without bias: y = x Wt, with W `[outputs, inputs]` as Hugging Face stores it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    /// `[outputs, inputs]`
    pub(super) weight: Array2<f32>,
    /// Of the products that training makes.
    pub(super) precision: Precision,
}

impl Linear {
    pub(super) fn zeros(outputs: usize, inputs: usize) -> Self {
        Self { weight: Array2::zeros((outputs, inputs)), precision: Precision::default() }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self { weight: Array2::zeros(self.weight.dim()), precision: self.precision }
    }

    /// y = keep y + x Wt, for x `[N, inputs]` and y `[N, outputs]`.
    pub(super) fn forward(&self, x: ArrayView2<'_, f32>, keep: f32, y: ArrayViewMut2<'_, f32>) {
        self.precision.product(x, self.weight.t(), 1.0, keep, y, Threads::All);
    }

    /// Forward was y = x Wt, so dx = keep dx + dy W, and dW += dyt x.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        keep: f32,
        dx: ArrayViewMut2<'_, f32>,
        gradient: &mut Self,
    ) {
        self.precision.product(dy, self.weight.view(), 1.0, keep, dx, Threads::All);
        self.accumulate(dy, x, gradient);
    }

    /// The gradient's part of [`Self::backward`]: dW += dyt x.
    pub(super) fn accumulate(&self, dy: ArrayView2<'_, f32>, x: ArrayView2<'_, f32>, gradient: &mut Self) {
        self.precision.product(dy.t(), x, 1.0, 1.0, gradient.weight.view_mut(), Threads::All);
    }

    /// Wt, for the forward products of rows that threads take apart.
    pub(super) fn prepare<'a>(&'a self, buffer: &'a mut Vec<u16>) -> Prepared<'a> {
        self.precision.prepare(self.weight.t(), buffer)
    }

    /// W, for the backward products of rows that threads take apart.
    pub(super) fn prepare_backward<'a>(&'a self, buffer: &'a mut Vec<u16>) -> Prepared<'a> {
        self.precision.prepare(self.weight.view(), buffer)
    }

    /// x Wt for the few rows x `[n, inputs]` of a session, on the calling thread: many sessions run side by side.
    pub(super) fn apply(&self, x: &[f32], n: usize) -> Vec<f32> {
        let outputs = self.weight.dim().0;
        let mut y = vec![0.0; n * outputs];
        if n == 1 {
            matvec(self.values(), x, &mut y);
        } else {
            let y = matrix_mut(&mut y, outputs);
            product(matrix(x, x.len() / n), self.weight.t(), 1.0, 0.0, y, Threads::One);
        }
        y
    }

    /// The weight as one run of values, row after row.
    pub(super) fn values(&self) -> &[f32] {
        self.weight.as_slice().expect("weights are in standard layout")
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        self.weight.as_slice_mut().expect("weights are in standard layout")
    }
}
