use std::cell::RefCell;

use kernels::Aligned;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::{row_tasks, rows_per_task};

/// A matrix `[N, width]`: weights, or activations, whose memory is kept from step to step.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    values: Aligned<f32>,
    count: usize,
    width: usize,
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl Rows {
    pub(super) fn zeros(rows: usize, width: usize) -> Self {
        Self { values: Aligned::zeros(rows * width), count: rows, width }
    }

    /// (N, width)
    pub(super) fn dim(&self) -> (usize, usize) {
        (self.count, self.width)
    }

    /// Takes a new shape. The values are whatever they were: the caller overwrites them.
    pub(super) fn reset(&mut self, rows: usize, width: usize) -> ArrayViewMut2<'_, f32> {
        (self.count, self.width) = (rows, width);
        self.values.grown(rows * width);
        self.view_mut()
    }

    /// Takes a new shape, all zero.
    pub(super) fn reset_to_zero(&mut self, rows: usize, width: usize) -> ArrayViewMut2<'_, f32> {
        self.reset(rows, width);
        self.values_mut().fill(0.0);
        self.view_mut()
    }

    /// Takes shape and values of another.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.reset(other.count, other.width);
        self.values_mut().copy_from_slice(other.values());
    }

    /// Adds another of the same shape.
    pub(super) fn add(&mut self, other: &Self) {
        self.tasks_mut().zip(other.tasks()).for_each(|(rows, other)| kernels::add(rows, other));
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values[..self.count * self.width]
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.count * self.width]
    }

    /// Values of the rows that one thread takes at a time.
    pub(super) fn task(&self) -> usize {
        rows_per_task(self.count) * self.width
    }

    /// The rows that one thread takes at a time, in their order.
    pub(super) fn tasks(&self) -> impl IndexedParallelIterator<Item = &[f32]> {
        self.values().par_chunks(self.task())
    }

    /// As [`Self::tasks`], to change them.
    pub(super) fn tasks_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        let task = self.task();
        self.values_mut().par_chunks_mut(task)
    }

    /// Calls with the number of its first value and the values of each task.
    pub(super) fn for_each_task(&mut self, with: impl Fn(usize, &mut [f32]) + Sync) {
        let task = self.task();
        self.tasks_mut().enumerate().for_each(|(index, rows)| with(index * task, rows));
    }

    pub(super) fn view(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.count, self.width), self.values())
            .expect("as many values as the shape says")
    }

    /// The transposed matrix.
    pub(super) fn t(&self) -> ArrayView2<'_, f32> {
        self.view().reversed_axes()
    }

    pub(super) fn view_mut(&mut self) -> ArrayViewMut2<'_, f32> {
        let shape = (self.count, self.width);
        ArrayViewMut2::from_shape(shape, self.values_mut()).expect("as many values as the shape says")
    }
}

/// Values of a line of the cache: parts of a buffer begin at one.
const LINE: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Aligned<f32>> = RefCell::default();
}

/// Calls with as many values as asked for, which are the calling thread's own meanwhile, whatever they were before.
pub(super) fn with_scratch<const K: usize, R>(
    lengths: [usize; K],
    with: impl FnOnce([&mut [f32]; K]) -> R,
) -> R {
    // Taken, not borrowed: a call may lead to another one.
    let mut values = SCRATCH.take();
    let whole_lines = |length: usize| length.next_multiple_of(LINE);
    let mut rest = values.grown(lengths.iter().copied().map(whole_lines).sum());
    let result = with(lengths.map(|length| {
        let (part, below) = std::mem::take(&mut rest).split_at_mut(whole_lines(length));
        rest = below;
        &mut part[..length]
    }));
    SCRATCH.set(values);
    result
}

/// The first of every task's results, the second of every one, ...
pub(super) fn columns<const K: usize, T>(tasks: Vec<[T; K]>) -> [Vec<T>; K] {
    let mut columns = [const { Vec::new() }; K];
    for task in tasks {
        for (column, value) in columns.iter_mut().zip(task) {
            column.push(value);
        }
    }
    columns
}

/// Rows of `width` as a matrix. `[N, width]`
pub(super) fn matrix(rows: &[f32], width: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows.len() / width, width), rows).expect("whole rows")
}

/// Rows of `width` as a matrix. `[N, width]`
pub(super) fn matrix_mut(rows: &mut [f32], width: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows.len() / width, width), rows).expect("whole rows")
}

/// Makes every row the same.
pub(super) fn fill_rows(rows: &mut [f32], row: &[f32]) {
    rows.par_chunks_mut(row_tasks(row.len())).for_each(|rows| {
        for to in rows.chunks_exact_mut(row.len()) {
            to.copy_from_slice(row);
        }
    });
}

/// Adds the same to every row.
pub(super) fn add_to_rows(rows: &mut [f32], row: &[f32]) {
    rows.par_chunks_mut(row_tasks(row.len())).for_each(|rows| {
        for to in rows.chunks_exact_mut(row.len()) {
            kernels::add(to, row);
        }
    });
}

/// Adds the sum of all rows: the gradient of what [`add_to_rows`] adds. In an order that does not depend on the number
/// of threads.
pub(super) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    let partial: Vec<Vec<f32>> = rows
        .par_chunks(row_tasks(width))
        .map(|rows| {
            let mut sums = vec![0.0; width];
            for row in rows.chunks_exact(width) {
                kernels::add(&mut sums, row);
            }
            sums
        })
        .collect();
    for part in &partial {
        kernels::add(sums, part);
    }
}
