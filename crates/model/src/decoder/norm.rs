use kernels::{add, rms_norm, rms_norm_backward};
use rayon::prelude::*;

use super::{ROWS_PER_TASK, row_tasks};

/// `RMSNorm` (Zhang & Sennrich 2019): y = x / sqrt(mean(x^2) + epsilon) * weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RmsNorm {
    /// `[C]`
    pub(super) weight: Vec<f32>,
    pub(super) epsilon: f32,
}

impl RmsNorm {
    pub(super) fn new(width: usize, epsilon: f32) -> Self {
        Self { weight: vec![1.0; width], epsilon }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self { weight: vec![0.0; self.weight.len()], epsilon: self.epsilon }
    }

    /// y `[N, C]` from x `[N, C]`; `scales` `[N]` takes 1 / sqrt(mean(x^2) + epsilon) for the backward pass.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32], scales: &mut [f32]) {
        let task = row_tasks(self.weight.len());
        x.par_chunks(task)
            .zip(y.par_chunks_mut(task))
            .zip(scales.par_chunks_mut(ROWS_PER_TASK))
            .for_each(|((x, y), scales)| rms_norm(x, &self.weight, self.epsilon, y, scales));
    }

    /// Adds to dx `[N, C]` and to the gradient, given dy, x `[N, C]` and the forward pass's scales `[N]`.
    pub(super) fn backward(
        &self,
        dy: &[f32],
        x: &[f32],
        scales: &[f32],
        dx: &mut [f32],
        gradient: &mut Self,
    ) {
        let width = self.weight.len();
        let task = row_tasks(width);
        // Summed in the order of the rows, so that the result does not depend on the number of threads.
        let partial: Vec<Vec<f32>> = dy
            .par_chunks(task)
            .zip(x.par_chunks(task))
            .zip(dx.par_chunks_mut(task))
            .zip(scales.par_chunks(ROWS_PER_TASK))
            .map(|(((dy, x), dx), scales)| {
                let mut dw = vec![0.0; width];
                rms_norm_backward(dy, x, &self.weight, scales, dx, &mut dw);
                dw
            })
            .collect();
        for dw in &partial {
            add(&mut gradient.weight, dw);
        }
    }
}
