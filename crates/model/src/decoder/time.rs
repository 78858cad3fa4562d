//! How the rows of a batch lie in time.

use std::cmp::Reverse;
use std::ops::Range;

use rayon::prelude::*;

use super::rope::Rope;
use super::rows::Rows;
use super::{ROWS_PER_TASK, row_tasks};
use crate::Batch;

/// What a mixer is told of time.
#[derive(Clone, Copy)]
pub(super) struct Time<'a> {
    pub(super) batch: &'a Batch,
    pub(super) rope: &'a Rope,
    pub(super) steps: &'a Steps,
}

/// The rows of a batch packed step by step: first those at position 0 of every segment, then those at position 1, ...
///
/// The longest segment comes first within each step, so the rows of step t - 1 that step t goes on from are always its
/// first ones, and a recurrent layer takes each step in one product over neighbouring rows.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The batch's row at each packed place. `[N]`
    rows: Vec<usize>,
    /// The packed place of each of the batch's rows. `[N]`
    places: Vec<usize>,
    /// Where each step begins among the packed rows, and the end. `[T + 1]`
    starts: Vec<usize>,
}

/// One step of all segments that are long enough: places among the packed rows.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The step's own rows.
    pub(super) rows: Range<usize>,
    /// The rows before them, one for each; none at the first step.
    pub(super) previous: Option<Range<usize>>,
}

impl Steps {
    /// Takes the shape of a batch.
    pub(super) fn reset(&mut self, batch: &Batch) {
        let mut segments: Vec<Range<usize>> = batch.segments().filter(|rows| !rows.is_empty()).collect();
        segments.sort_by_key(|rows| Reverse(rows.len()));
        self.rows.clear();
        self.starts.clear();
        self.starts.push(0);
        for t in 0..segments.first().map_or(0, Range::len) {
            let alive = segments.iter().take_while(|rows| t < rows.len());
            self.rows.extend(alive.map(|rows| rows.start + t));
            self.starts.push(self.rows.len());
        }
        self.places.resize(self.rows.len(), 0);
        for (place, &row) in self.rows.iter().enumerate() {
            self.places[row] = place;
        }
    }

    /// The steps in the order of time.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Step> {
        (1..self.starts.len()).map(|end| {
            let rows = self.starts[end - 1]..self.starts[end];
            let previous = (end > 1).then(|| self.starts[end - 2]..self.starts[end - 2] + rows.len());
            Step { rows, previous }
        })
    }

    /// The rows of the first step: as many as there are segments, S.
    pub(super) fn widest(&self) -> usize {
        self.starts.get(1).copied().unwrap_or(0)
    }

    /// Packs rows of `width` that lie as in the batch.
    pub(super) fn pack(&self, from: &[f32], width: usize, to: &mut Rows) {
        to.reset(self.rows.len(), width);
        let tasks = to.values_mut().par_chunks_mut(row_tasks(width)).zip(self.rows.par_chunks(ROWS_PER_TASK));
        tasks.for_each(|(to, rows)| {
            for (to, row) in to.chunks_exact_mut(width).zip(rows) {
                to.copy_from_slice(&from[row * width..(row + 1) * width]);
            }
        });
    }

    /// Adds packed rows of `width` to rows that lie as in the batch.
    pub(super) fn unpack_and_add(&self, from: &[f32], width: usize, to: &mut [f32]) {
        let tasks = to.par_chunks_mut(row_tasks(width)).zip(self.places.par_chunks(ROWS_PER_TASK));
        tasks.for_each(|(to, places)| {
            for (to, place) in to.chunks_exact_mut(width).zip(places) {
                kernels::add(to, &from[place * width..(place + 1) * width]);
            }
        });
    }
}
