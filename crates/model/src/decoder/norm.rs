use kernels::{add, rms_norm, rms_norm_again, rms_norm_backward};
use rayon::prelude::*;

use super::rows::Rows;
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

    /// `normed`, the norm of one task's rows x, which are kept with it.
    pub(super) fn forward_task(&self, x: &[f32], task: NormTask<'_>, normed: &mut [f32]) {
        task.x.copy_from_slice(x);
        rms_norm(x, &self.weight, self.epsilon, normed, task.scales);
    }

    /// What [`Self::forward_task`] computed, again.
    pub(super) fn repeat_task(&self, (x, scales): (&[f32], &[f32]), normed: &mut [f32]) {
        rms_norm_again(x, &self.weight, scales, normed);
    }

    /// Adds to one task's rows of dx, given those of dy; returns the task's part of the weight's gradient. `[C]`
    pub(super) fn backward_task(
        &self,
        dy: &[f32],
        (x, scales): (&[f32], &[f32]),
        dx: &mut [f32],
    ) -> Vec<f32> {
        let mut dw = vec![0.0; self.weight.len()];
        rms_norm_backward(dy, x, &self.weight, scales, dx, &mut dw);
        dw
    }

    /// Adds the tasks' parts of a gradient to it, in the order of the rows: the result does not depend on the number of
    /// threads.
    pub(super) fn add_all(&mut self, parts: &[Vec<f32>]) {
        for part in parts {
            add(&mut self.weight, part);
        }
    }

    /// The norm of the few rows x of sessions.
    pub(super) fn step(&self, x: &[f32]) -> Vec<f32> {
        let (mut normed, mut scales) = (vec![0.0; x.len()], vec![0.0; x.len() / self.weight.len()]);
        rms_norm(x, &self.weight, self.epsilon, &mut normed, &mut scales);
        normed
    }
}

/// What a norm read, and the scales of its rows, for the backward pass.
#[derive(Debug, Default)]
pub(super) struct NormTape {
    /// `[N, C]`
    x: Rows,
    /// 1 / sqrt(mean(x^2) + epsilon). `[N, 1]`
    scales: Rows,
}

/// One task's rows of a [`NormTape`].
pub(super) struct NormTask<'a> {
    x: &'a mut [f32],
    scales: &'a mut [f32],
}

impl NormTape {
    /// The tasks of a forward pass over N rows of width C.
    pub(super) fn tasks(&mut self, n: usize, c: usize) -> impl IndexedParallelIterator<Item = NormTask<'_>> {
        self.x.reset(n, c);
        self.scales.reset(n, 1);
        self.x.tasks_mut().zip(self.scales.tasks_mut()).map(|(x, scales)| NormTask { x, scales })
    }

    /// The tasks of a backward pass: x and the scales.
    pub(super) fn tasks_backward(&self) -> impl IndexedParallelIterator<Item = (&[f32], &[f32])> {
        self.x.tasks().zip(self.scales.tasks())
    }
}
