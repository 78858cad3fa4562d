//! Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000), as PyTorch computes it:
//!
//! ```text
//! i, f, o = s(W x + b + W' h + b')    g = tanh(W x + b + W' h + b')    c' = f c + i g    h' = o tanh(c')    y = W_o h'
//! ```

use artifact::config::DecoderConfig;
use kernels::{Threads, lstm, lstm_backward};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::recurrent::{Recurrent, RecurrentScratch, RecurrentTape, STEP_ROWS_PER_TASK};
use super::rows::{Rows, add_to_rows};
use super::session::Span;
use super::time::Time;

/// i, f, g, o.
const GATES: usize = 4;
/// f keeps the cell.
const FORGET: usize = 1;

/// An LSTM and its output projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lstm(pub(super) Recurrent);

/// What a session carries.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// h `[P]`
    state: Vec<f32>,
    /// c `[P]`
    cell: Vec<f32>,
}

impl Memory {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.state.as_slice()) + size_of_val(self.cell.as_slice())
    }
}

impl Lstm {
    pub(super) fn new(config: &DecoderConfig) -> Self {
        Self(Recurrent::new(config, GATES, FORGET))
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
        add_to_rows(tape.gates.values_mut(), &self.0.hidden_bias);
        let (gates, cells, states) =
            (tape.gates.values_mut(), tape.inner.values_mut(), tape.states.values_mut());
        let weight = self.0.hidden.prepare(&mut scratch.weight);
        for step in time.steps.iter() {
            let (start, rows) = (step.rows.start, step.rows.len());
            let (before, state) = states.split_at_mut(start * p);
            let (cells_before, cells) = cells.split_at_mut(start * p);
            let gates = &mut gates[start * GATES * p..][..rows * GATES * p];
            let previous = match step.previous {
                Some(previous) => {
                    let range = previous.start * p..previous.end * p;
                    weight.apply_tasks(&before[range.clone()], 1.0, gates, STEP_ROWS_PER_TASK);
                    &cells_before[range]
                }
                None => scratch.zeros.values(),
            };
            let task = STEP_ROWS_PER_TASK * p;
            previous
                .par_chunks(task)
                .zip(gates.par_chunks_mut(GATES * task))
                .zip(cells[..rows * p].par_chunks_mut(task))
                .zip(state[..rows * p].par_chunks_mut(task))
                .for_each(|(((previous, gates), cells), state)| lstm(previous, p, gates, cells, state));
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
        let (gates, cells) = (tape.gates.values_mut(), tape.inner.values());
        let (dstates, dcells) = (scratch.dstates.values_mut(), scratch.carried.values_mut());
        let weight = self.0.hidden.prepare_backward(&mut scratch.weight);
        for step in time.steps.iter().rev() {
            let (start, rows) = (step.rows.start, step.rows.len());
            let (dbefore, dstate) = dstates.split_at_mut(start * p);
            let gates = &mut gates[start * GATES * p..][..rows * GATES * p];
            let previous = match &step.previous {
                Some(rows) => &cells[rows.start * p..rows.end * p],
                None => scratch.zeros.values(),
            };
            let task = STEP_ROWS_PER_TASK * p;
            dstate[..rows * p]
                .par_chunks(task)
                .zip(previous.par_chunks(task))
                .zip(cells[start * p..][..rows * p].par_chunks(task))
                .zip(gates.par_chunks_mut(GATES * task))
                // Rows that later steps did not reach still hold zero.
                .zip(dcells[..rows * p].par_chunks_mut(task))
                .for_each(|((((dstate, previous), cells), gates), dcells)| {
                    lstm_backward(dstate, previous, cells, p, gates, dcells);
                });
            if let Some(rows) = step.previous {
                // Forward was a = ... + h Wt, so dh += da W.
                let dprevious = &mut dbefore[rows.start * p..rows.end * p];
                weight.apply_tasks(gates, 1.0, dprevious, STEP_ROWS_PER_TASK);
            }
        }
        self.0.backward_input(x, time, tape, true, dx, scratch, &mut gradient.0);
    }

    /// A session that has read nothing.
    pub(super) fn start(&self) -> Memory {
        Memory { state: vec![0.0; self.0.width()], cell: vec![0.0; self.0.width()] }
    }

    /// The layer's output for the next rows x `[n, C]` of sessions.
    pub(super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        memories: Vec<&mut Memory>,
        threads: Threads,
    ) -> Vec<f32> {
        let p = self.0.width();
        let (mut states, mut cells): (Vec<_>, Vec<_>) =
            memories.into_iter().map(|memory| (&mut memory.state, &mut memory.cell)).unzip();
        let mut cell = vec![0.0; p];
        self.0.step(x, spans, &mut states, threads, |session, gates, hidden, state| {
            kernels::add(gates, hidden);
            lstm(cells[session], p, gates, &mut cell, state);
            cells[session].copy_from_slice(&cell);
        })
    }
}
