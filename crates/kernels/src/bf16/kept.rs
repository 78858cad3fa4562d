use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::{BLOCK, BLOCK_VALUES, Bf16Unit, Factor, INNER, Line, pack};
use crate::Aligned;

/// Rows of the result that a task computes: the more, the less often the right factor is read.
const RESULT_ROWS_PER_TASK: usize = 256;

/// Rows `[N, width]` in blocks whose inner size are the rows: either factor of a weight's gradient, dyt x.
///
/// 32 rows after 32 rows, so that threads pack rows apart; within them, blocks of 32 columns.
#[derive(Debug, Default)]
pub(crate) struct PackedRows {
    values: Aligned<u16>,
    rows: usize,
    width: usize,
}

impl PackedRows {
    /// Values of 32 rows. An odd number of blocks, lest the same columns of all rows meet in the same part of a cache.
    fn step(width: usize) -> usize {
        (width.div_ceil(BLOCK) | 1) * BLOCK_VALUES
    }

    /// Takes a new shape. The values are whatever they were.
    pub(crate) fn reset(&mut self, rows: usize, width: usize) {
        (self.rows, self.width) = (rows, width);
        self.values.grown(rows.div_ceil(BLOCK) * Self::step(width));
    }

    /// The place of each `rows` rows, a multiple of 32, to pack them into.
    pub(crate) fn tasks_mut(&mut self, rows: usize) -> impl Iterator<Item = &mut [u16]> {
        assert!(rows.is_multiple_of(BLOCK), "tasks have whole blocks");
        let step = Self::step(self.width);
        let used = self.rows.div_ceil(BLOCK) * step;
        self.values[..used].chunks_mut(rows / BLOCK * step)
    }

    /// Packs some columns of a task's rows, `[rows, columns]` of `[rows, width]`; the first is a multiple of 32.
    pub(crate) fn store(
        rows: ArrayView2<'_, f32>,
        first_column: usize,
        width: usize,
        factor: Factor,
        to: &mut [u16],
    ) {
        let columns = rows.dim().1;
        assert!(
            first_column.is_multiple_of(BLOCK) && first_column + columns <= width,
            "whole blocks of columns"
        );
        let place = first_column * BLOCK..(first_column + columns).next_multiple_of(BLOCK) * BLOCK;
        let places = to.chunks_exact_mut(Self::step(width));
        for (rows, to) in rows.axis_chunks_iter(Axis(0), BLOCK).zip(places) {
            pack(rows.reversed_axes(), 1.0, factor, &mut to[place.clone()]);
        }
    }

    /// `c += dyt x`, for `self` = dy packed as left factor, x as right one, and `c` `[width of dy, width of x]`.
    pub(crate) fn accumulate(&self, x: &Self, mut c: ArrayViewMut2<'_, f32>) {
        assert_eq!(self.rows, x.rows, "both have the same rows");
        assert_eq!(c.dim(), (self.width, x.width), "the result has the widths");
        assert!(x.width <= 1 || c.strides()[1] == 1, "rows of the result are contiguous");
        let unit = Bf16Unit::current();
        let (left_step, right_step) = (Self::step(self.width), Self::step(x.width));
        let blocks = self.rows.div_ceil(BLOCK);
        let share = self.width.div_ceil(2 * rayon::current_num_threads());
        let task = share.next_multiple_of(BLOCK).clamp(BLOCK, RESULT_ROWS_PER_TASK);
        c.axis_chunks_iter_mut(Axis(0), task).into_par_iter().enumerate().for_each(|(index, mut c)| {
            let _tiles = unit.begin();
            for first in (0..blocks).step_by(INNER / BLOCK) {
                let count = (blocks - first).min(INNER / BLOCK);
                for row in (0..c.dim().0).step_by(BLOCK) {
                    let left = &self.values[first * left_step + (index * task + row) * BLOCK..];
                    let left = Line::strided(left, count, left_step);
                    for column in (0..x.width).step_by(BLOCK) {
                        let right = &x.values[first * right_step + column * BLOCK..];
                        unit.block(
                            left,
                            Line::strided(right, count, right_step),
                            true,
                            [row, column],
                            &mut c,
                        );
                    }
                }
            }
        });
    }
}
