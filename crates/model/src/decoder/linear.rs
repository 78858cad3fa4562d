use kernels::{KeptRows, Precision, Prepared, Threads, project};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::rows::{add_column_sums, add_to_rows, matrix, matrix_mut};
use super::{NamedTensor, NamedTensorMut};

/// A projection: y = x Wt + b, with W `[outputs, inputs]` as Hugging Face stores it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    /// `[outputs, inputs]`
    pub(super) weight: Array2<f32>,
    /// b, if there is one. `[outputs]`
    bias: Option<Vec<f32>>,
    /// Of the products that training makes.
    pub(super) precision: Precision,
}

impl Linear {
    pub(super) fn zeros(outputs: usize, inputs: usize) -> Self {
        Self { weight: Array2::zeros((outputs, inputs)), bias: None, precision: Precision::default() }
    }

    /// The same with a bias of zero.
    pub(super) fn with_bias(self) -> Self {
        Self { bias: Some(vec![0.0; self.weight.dim().0]), ..self }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            weight: Array2::zeros(self.weight.dim()),
            bias: self.bias.as_ref().map(|bias| vec![0.0; bias.len()]),
            precision: self.precision,
        }
    }

    /// y = keep y + x Wt + b, for x `[N, inputs]` and y `[N, outputs]`.
    pub(super) fn forward(&self, x: ArrayView2<'_, f32>, keep: f32, mut y: ArrayViewMut2<'_, f32>) {
        self.precision.product(x, self.weight.t(), 1.0, keep, y.view_mut(), Threads::All);
        if let Some(bias) = &self.bias {
            add_to_rows(y.as_slice_mut().expect("rows are contiguous"), bias);
        }
    }

    /// Forward was y = x Wt + b, so dx = keep dx + dy W, dW += dyt x, and db += the sum of dy's rows.
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

    /// The gradient's part of [`Self::backward`]: dW += dyt x, and db += the sum of dy's rows.
    pub(super) fn accumulate(&self, dy: ArrayView2<'_, f32>, x: ArrayView2<'_, f32>, gradient: &mut Self) {
        self.precision.accumulate(dy, x, gradient.weight.view_mut());
        if let Some(bias) = &mut gradient.bias {
            add_column_sums(dy.as_slice().expect("rows are contiguous"), bias);
        }
    }

    /// Adds to a gradient as [`Self::accumulate`] does, of rows that threads have kept; `bias` holds the tasks' parts of
    /// db, in their order.
    pub(super) fn add_kept(&mut self, dy: &KeptRows, x: &KeptRows, bias: &[Vec<f32>]) {
        dy.accumulate(x, self.weight.view_mut());
        if let Some(gradient) = &mut self.bias {
            for part in bias {
                kernels::add(gradient, part);
            }
        }
    }

    /// One task's part of db; nothing where there is no bias.
    pub(super) fn bias_part(&self, dy: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; self.bias.as_ref().map_or(0, Vec::len)];
        if !sums.is_empty() {
            dy.chunks_exact(sums.len()).for_each(|dy| kernels::add(&mut sums, dy));
        }
        sums
    }

    /// Ready for y = x Wt + b, for rows that threads take apart; `buffer` holds the weight as products take it.
    pub(super) fn prepare<'a>(&'a self, buffer: &'a mut Vec<u16>) -> RowWise<'a> {
        let (outputs, inputs) = self.weight.dim();
        let weight = self.precision.prepare(self.weight.t(), buffer);
        RowWise { weight, bias: self.bias.as_deref(), inputs, outputs }
    }

    /// Ready for dx = dy W.
    pub(super) fn prepare_backward<'a>(&'a self, buffer: &'a mut Vec<u16>) -> RowWise<'a> {
        let (outputs, inputs) = self.weight.dim();
        let weight = self.precision.prepare(self.weight.view(), buffer);
        RowWise { weight, bias: None, inputs: outputs, outputs: inputs }
    }

    /// x Wt + b for the few rows x `[n, inputs]` of sessions; a row's bits depend on no other row.
    pub(super) fn apply(&self, x: &[f32], threads: Threads) -> Vec<f32> {
        let (outputs, inputs) = self.weight.dim();
        let mut y = vec![0.0; x.len() / inputs * outputs];
        project(self.values(), inputs, x, &mut y, threads);
        if let Some(bias) = &self.bias {
            y.chunks_exact_mut(outputs).for_each(|y| kernels::add(y, bias));
        }
        y
    }

    /// Weight and bias of each part of the outputs, given its name and its number of outputs.
    pub(super) fn visit<'a>(&'a self, parts: &[(&str, usize)], tensor: NamedTensor<'_, 'a>) {
        let inputs = self.weight.dim().1;
        let (mut weights, mut biases) = (self.values(), self.bias.as_deref());
        for &(name, outputs) in parts {
            let (weight, below) = weights.split_at(outputs * inputs);
            weights = below;
            tensor(&format!("{name}.weight"), &[outputs, inputs], weight);
            if let Some((bias, below)) = biases.map(|biases| biases.split_at(outputs)) {
                biases = Some(below);
                tensor(&format!("{name}.bias"), &[outputs], bias);
            }
        }
    }

    /// As [`Self::visit`], to change the values.
    pub(super) fn visit_mut<'a>(&'a mut self, parts: &[(&str, usize)], tensor: NamedTensorMut<'_, 'a>) {
        let inputs = self.weight.dim().1;
        let mut weights = self.weight.as_slice_mut().expect("weights are in standard layout");
        let mut biases = self.bias.as_deref_mut();
        for &(name, outputs) in parts {
            let (weight, below) = weights.split_at_mut(outputs * inputs);
            weights = below;
            tensor(&format!("{name}.weight"), &[outputs, inputs], weight);
            if let Some((bias, below)) = biases.take().map(|biases| biases.split_at_mut(outputs)) {
                biases = Some(below);
                tensor(&format!("{name}.bias"), &[outputs], bias);
            }
        }
    }

    /// The weight as one run of values, row after row.
    pub(super) fn values(&self) -> &[f32] {
        self.weight.as_slice().expect("weights are in standard layout")
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        self.weight.as_slice_mut().expect("weights are in standard layout")
    }
}

/// A projection that threads share, each for rows of its own.
#[derive(Clone, Copy)]
pub(super) struct RowWise<'a> {
    weight: Prepared<'a>,
    bias: Option<&'a [f32]>,
    inputs: usize,
    outputs: usize,
}

impl RowWise<'_> {
    /// `to` `[rows, outputs]` = keep `to` + the projection of `from` `[rows, inputs]`.
    pub(super) fn apply(&self, from: &[f32], keep: f32, to: &mut [f32]) {
        self.weight.product(matrix(from, self.inputs), keep, matrix_mut(to, self.outputs));
        if let Some(bias) = self.bias {
            to.chunks_exact_mut(self.outputs).for_each(|to| kernels::add(to, bias));
        }
    }

    /// As [`Self::apply`], `rows` rows a task, in parallel.
    pub(super) fn apply_tasks(&self, from: &[f32], keep: f32, to: &mut [f32], rows: usize) {
        from.par_chunks(rows * self.inputs)
            .zip(to.par_chunks_mut(rows * self.outputs))
            .for_each(|(from, to)| self.apply(from, keep, to));
    }
}
