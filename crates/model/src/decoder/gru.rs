//! The gated recurrent unit (Cho et al. 2014) in PyTorch's variant:
//!
//! ```text
//! r = s(W_ir x + b_ir + W_hr h + b_hr)    n  = tanh(W_in x + b_in + r (W_hn h + b_hn))
//! z = s(W_iz x + b_iz + W_hz h + b_hz)    h' = (1 - z) n + z h    y = W_o h'
//! ```

use artifact::config::DecoderConfig;
use kernels::{Threads, gru, gru_backward};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::recurrent::{Recurrent, RecurrentScratch, RecurrentTape, STEP_ROWS_PER_TASK};
use super::rows::{Rows, fill_rows};
use super::session::Span;
use super::time::Time;

/// r, z, n.
const GATES: usize = 3;
/// z keeps the state.
const UPDATE: usize = 1;

/// A GRU and its output projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gru(pub(super) Recurrent);

impl Gru {
    pub(super) fn new(config: &DecoderConfig) -> Self {
        Self(Recurrent::new(config, GATES, UPDATE))
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self(self.0.zeros_like())
    }

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(
        &self,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        y: &mut Rows,
        tape: &mut RecurrentTape,
        scratch: &mut RecurrentScratch,
    ) {
        let p = self.0.width();
        self.0.forward_input(x, time, tape, scratch);
        scratch.hidden.reset(time.steps.widest(), GATES * p);
        let (gates, inner) = (tape.gates.values_mut(), tape.inner.values_mut());
        let (states, hidden) = (tape.states.values_mut(), scratch.hidden.values_mut());
        let weight = self.0.hidden.prepare(&mut scratch.weight);
        for step in time.steps.iter() {
            let (start, rows) = (step.rows.start, step.rows.len());
            let (before, state) = states.split_at_mut(start * p);
            let hidden = &mut hidden[..rows * GATES * p];
            fill_rows(hidden, &self.0.hidden_bias);
            let previous = match step.previous {
                Some(previous) => {
                    let previous = &before[previous.start * p..previous.end * p];
                    weight.apply_tasks(previous, 1.0, hidden, STEP_ROWS_PER_TASK);
                    previous
                }
                None => scratch.zeros.values(),
            };
            let task = STEP_ROWS_PER_TASK * p;
            hidden
                .par_chunks(GATES * task)
                .zip(previous.par_chunks(task))
                .zip(gates[start * GATES * p..][..rows * GATES * p].par_chunks_mut(GATES * task))
                .zip(inner[start * p..][..rows * p].par_chunks_mut(task))
                .zip(state[..rows * p].par_chunks_mut(task))
                .for_each(|((((hidden, previous), gates), candidates), state)| {
                    gru(hidden, previous, p, gates, candidates, state);
                });
        }
        self.0.forward_output(time, tape, y, scratch);
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x; spends the tape.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        tape: &mut RecurrentTape,
        dx: &mut Rows,
        scratch: &mut RecurrentScratch,
        gradient: &mut Self,
    ) {
        let p = self.0.width();
        self.0.backward_output(dy, time, tape, scratch, &mut gradient.0);
        scratch.hidden.reset(x.dim().0, GATES * p);
        let (gates, inner, states) = (tape.gates.values_mut(), tape.inner.values(), tape.states.values());
        let (dhidden, dstates) = (scratch.hidden.values_mut(), scratch.dstates.values_mut());
        let weight = self.0.hidden.prepare_backward(&mut scratch.weight);
        for step in time.steps.iter().rev() {
            let (start, rows) = (step.rows.start, step.rows.len());
            let (dbefore, dstate) = dstates.split_at_mut(start * p);
            let (previous, dprevious) = match &step.previous {
                Some(rows) => {
                    let range = rows.start * p..rows.end * p;
                    (&states[range.clone()], &mut dbefore[range])
                }
                // Nobody asks for the gradient of the state before the first step.
                None => (scratch.zeros.values(), scratch.carried.values_mut()),
            };
            let dhidden = &mut dhidden[start * GATES * p..][..rows * GATES * p];
            let task = STEP_ROWS_PER_TASK * p;
            dstate[..rows * p]
                .par_chunks(task)
                .zip(previous.par_chunks(task))
                .zip(inner[start * p..][..rows * p].par_chunks(task))
                .zip(gates[start * GATES * p..][..rows * GATES * p].par_chunks_mut(GATES * task))
                .zip(dhidden.par_chunks_mut(GATES * task))
                .zip(dprevious.par_chunks_mut(task))
                .for_each(|(((((dstate, previous), candidates), gates), dhidden), dprevious)| {
                    gru_backward(dstate, previous, candidates, p, gates, dhidden, dprevious);
                });
            if step.previous.is_some() {
                // Forward was the state's part = h Wt + b, so dh += d W.
                weight.apply_tasks(dhidden, 1.0, dprevious, STEP_ROWS_PER_TASK);
            }
        }
        self.0.backward_input(x, time, tape, false, dx, scratch, &mut gradient.0);
    }

    /// The state h `[P]` of a session that has read nothing.
    pub(super) fn start(&self) -> Vec<f32> {
        vec![0.0; self.0.width()]
    }

    /// The layer's output for the next rows x `[n, C]` of sessions, each with its state h `[P]`.
    pub(super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        mut states: Vec<&mut Vec<f32>>,
        threads: Threads,
    ) -> Vec<f32> {
        let p = self.0.width();
        let mut candidates = vec![0.0; p];
        let mut next = vec![0.0; p];
        self.0.step(x, spans, &mut states, threads, |_, gates, hidden, state| {
            gru(hidden, state, p, gates, &mut candidates, &mut next);
            state.copy_from_slice(&next);
        })
    }
}
