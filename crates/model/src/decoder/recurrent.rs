//! What GRU and LSTM share: projections of input, state and output, and the order in which rows are taken.
//!
//! Products with the input and the output wait for nothing and run over all rows at once; the product with the state
//! runs once a step, over all segments side by side.

use artifact::config::DecoderConfig;
use kernels::Threads;
use ndarray::ArrayView2;

use super::linear::Linear;
use super::rows::{Rows, add_column_sums, fill_rows, matrix};
use super::session::Span;
use super::time::{Steps, Time};
use super::{NamedTensor, NamedTensorMut};

/// Rows of a step whose gates one thread computes at a time: most steps have fewer, and are not worth sharing out.
pub(super) const STEP_ROWS_PER_TASK: usize = 32;

/// Weights of a recurrent layer of G gates, named as PyTorch names them, and an output projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recurrent {
    /// `[G P, C]`
    pub(super) input: Linear,
    /// `[G P, P]`
    pub(super) hidden: Linear,
    /// `[G P]`
    pub(super) input_bias: Vec<f32>,
    /// `[G P]`
    pub(super) hidden_bias: Vec<f32>,
    /// `[C, P]`
    pub(super) output: Linear,
}

/// What the backward pass needs of the forward pass; rows are packed step by step.
#[derive(Debug, Default)]
pub(super) struct RecurrentTape {
    /// `[N, G P]`
    pub(super) gates: Rows,
    /// What the gates were applied to: a GRU's candidates before reset, an LSTM's cells. `[N, P]`
    pub(super) inner: Rows,
    /// `[N, P]`
    pub(super) states: Rows,
}

/// Buffers that all recurrent blocks share; rows are packed step by step.
#[derive(Debug, Default)]
pub(super) struct RecurrentScratch {
    /// `[N, C]`
    x: Rows,
    /// The output or its gradient. `[N, C]`
    y: Rows,
    /// The state's part of a step's gates, then its gradient. `[S, G P]` and `[N, G P]`
    pub(super) hidden: Rows,
    /// `[N, P]`
    pub(super) dstates: Rows,
    /// The state before each row but the first ones. `[N - S, P]`
    previous: Rows,
    /// What later steps ask of an LSTM's cells; nothing of use in a GRU's first step. `[S, P]`
    pub(super) carried: Rows,
    /// The state before the first step. `[S, P]`
    pub(super) zeros: Rows,
    /// The state's weight as products take it.
    pub(super) weight: Vec<u16>,
}

impl Recurrent {
    /// All zero but the biases of `open`, a gate that keeps the state: 1, so that it begins open (Jozefowicz et al.
    /// 2015).
    pub(super) fn new(config: &DecoderConfig, gates: usize, open: usize) -> Self {
        let (c, p) = (config.hidden_size, config.mixer_size);
        let mut input_bias = vec![0.0; gates * p];
        input_bias[open * p..(open + 1) * p].fill(1.0);
        Self {
            input: Linear::zeros(gates * p, c),
            hidden: Linear::zeros(gates * p, p),
            input_bias,
            hidden_bias: vec![0.0; gates * p],
            output: Linear::zeros(c, p),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            input: self.input.zeros_like(),
            hidden: self.hidden.zeros_like(),
            input_bias: vec![0.0; self.input_bias.len()],
            hidden_bias: vec![0.0; self.hidden_bias.len()],
            output: self.output.zeros_like(),
        }
    }

    pub(super) fn matrices(&mut self) -> [&mut Linear; 3] {
        [&mut self.input, &mut self.hidden, &mut self.output]
    }

    /// P
    pub(super) fn width(&self) -> usize {
        self.output.weight.dim().1
    }

    /// The input's part of all gates, x Wt + b. `[N, G P]`
    pub(super) fn forward_input(
        &self,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        tape: &mut RecurrentTape,
        scratch: &mut RecurrentScratch,
    ) {
        let (n, c) = x.dim();
        time.steps.pack(x.as_slice().expect("rows are contiguous"), c, &mut scratch.x);
        tape.gates.reset(n, self.input_bias.len());
        fill_rows(tape.gates.values_mut(), &self.input_bias);
        self.input.forward(scratch.x.view(), 1.0, tape.gates.view_mut());
        tape.inner.reset(n, self.width());
        tape.states.reset(n, self.width());
        scratch.zeros.reset_to_zero(time.steps.widest(), self.width());
    }

    /// y += the states' projection. `[N, C]`
    pub(super) fn forward_output(
        &self,
        time: Time<'_>,
        tape: &RecurrentTape,
        y: &mut Rows,
        scratch: &mut RecurrentScratch,
    ) {
        let (n, c) = y.view().dim();
        self.output.forward(tape.states.view(), 0.0, scratch.y.reset(n, c));
        time.steps.unpack_and_add(scratch.y.values(), c, y.values_mut());
    }

    /// The states' gradient from dy `[N, C]`, as far as it comes from the output.
    pub(super) fn backward_output(
        &self,
        dy: ArrayView2<'_, f32>,
        time: Time<'_>,
        tape: &RecurrentTape,
        scratch: &mut RecurrentScratch,
        gradient: &mut Self,
    ) {
        let (n, c) = dy.dim();
        time.steps.pack(dy.as_slice().expect("rows are contiguous"), c, &mut scratch.y);
        let dstates = scratch.dstates.reset(n, self.width());
        self.output.backward(scratch.y.view(), tape.states.view(), 0.0, dstates, &mut gradient.output);
        scratch.zeros.reset_to_zero(time.steps.widest(), self.width());
        scratch.carried.reset_to_zero(time.steps.widest(), self.width());
    }

    /// dx `[N, C]` and the gradients of everything before the gates. `tape.gates` holds the gradient of the input's
    /// part, and `scratch.hidden` that of the state's part unless it is `same`.
    pub(super) fn backward_input(
        &self,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        tape: &RecurrentTape,
        same: bool,
        dx: &mut Rows,
        scratch: &mut RecurrentScratch,
        gradient: &mut Self,
    ) {
        let (n, c) = x.dim();
        let (p, gates) = (self.width(), self.input_bias.len());
        let dhidden = if same { &tape.gates } else { &scratch.hidden }.values();
        add_column_sums(tape.gates.values(), &mut gradient.input_bias);
        add_column_sums(dhidden, &mut gradient.hidden_bias);

        let first = time.steps.widest();
        copy_previous(time.steps, tape.states.values(), p, &mut scratch.previous);
        let dhidden = matrix(&dhidden[first * gates..], gates);
        let to = gradient.hidden.weight.view_mut();
        self.hidden.precision.accumulate(dhidden, scratch.previous.view(), to);

        time.steps.pack(x.as_slice().expect("rows are contiguous"), c, &mut scratch.x);
        let packed = scratch.y.reset(n, c);
        self.input.backward(tape.gates.view(), scratch.x.view(), 0.0, packed, &mut gradient.input);
        dx.reset_to_zero(n, c);
        time.steps.unpack_and_add(scratch.y.values(), c, dx.values_mut());
    }

    /// The input's part of the gates of sessions' rows `[n, G P]`, for x `[n, C]`.
    pub(super) fn apply_input(&self, x: &[f32], threads: Threads) -> Vec<f32> {
        let mut gates = self.input.apply(x, threads);
        for gates in gates.chunks_exact_mut(self.input_bias.len()) {
            kernels::add(gates, &self.input_bias);
        }
        gates
    }

    /// The state's part of the gates `[n, G P]`, for states `[n, P]`.
    fn apply_hidden(&self, states: &[f32], threads: Threads) -> Vec<f32> {
        let mut hidden = self.hidden.apply(states, threads);
        for hidden in hidden.chunks_exact_mut(self.hidden_bias.len()) {
            kernels::add(hidden, &self.hidden_bias);
        }
        hidden
    }

    /// The layer's output for the next rows x `[n, C]` of sessions, which take their rows side by side, so that a step
    /// reads the state's weight once. `next` gives the state after a row of a session, from the input's part of its gates
    /// and the state's part; `states` are where the sessions begin.
    pub(super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        states: &mut [&mut Vec<f32>],
        threads: Threads,
        mut next: impl FnMut(usize, &mut [f32], &[f32], &mut [f32]),
    ) -> Vec<f32> {
        let (p, width) = (self.width(), self.input_bias.len());
        let mut gates = self.apply_input(x, threads);
        let mut outputs = vec![0.0; gates.len() / width * p];
        let longest = spans.iter().map(|span| span.rows.len()).max().unwrap_or(0);
        for t in 0..longest {
            let reading: Vec<usize> = (0..spans.len()).filter(|&s| t < spans[s].rows.len()).collect();
            let side_by_side: Vec<f32> = reading.iter().flat_map(|&s| states[s].iter().copied()).collect();
            let hidden = self.apply_hidden(&side_by_side, threads);
            for (&session, hidden) in reading.iter().zip(hidden.chunks_exact(width)) {
                let row = spans[session].rows.start + t;
                let gates = &mut gates[row * width..][..width];
                next(session, gates, hidden, states[session]);
                outputs[row * p..][..p].copy_from_slice(states[session]);
            }
        }
        self.output.apply(&outputs, threads)
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let (gates, c) = self.input.weight.dim();
        let p = self.width();
        tensor("mixer.weight_ih", &[gates, c], self.input.values());
        tensor("mixer.weight_hh", &[gates, p], self.hidden.values());
        tensor("mixer.bias_ih", &[gates], &self.input_bias);
        tensor("mixer.bias_hh", &[gates], &self.hidden_bias);
        tensor("mixer.output.weight", &[c, p], self.output.values());
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let (gates, c) = self.input.weight.dim();
        let p = self.width();
        tensor("mixer.weight_ih", &[gates, c], self.input.values_mut());
        tensor("mixer.weight_hh", &[gates, p], self.hidden.values_mut());
        tensor("mixer.bias_ih", &[gates], &mut self.input_bias);
        tensor("mixer.bias_hh", &[gates], &mut self.hidden_bias);
        tensor("mixer.output.weight", &[c, p], self.output.values_mut());
    }
}

/// The state before each row from the second step on. `[N - S, P]`
fn copy_previous(steps: &Steps, states: &[f32], p: usize, to: &mut Rows) {
    let first = steps.widest();
    to.reset(states.len() / p - first, p);
    let to = to.values_mut();
    for step in steps.iter() {
        if let Some(previous) = step.previous {
            let place = (step.rows.start - first) * p;
            let from = &states[previous.start * p..previous.end * p];
            to[place..place + from.len()].copy_from_slice(from);
        }
    }
}
