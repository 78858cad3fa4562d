use std::cell::RefCell;

use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use crate::bf16::{Factor, PackedRows};
use crate::{Aligned, Precision, Threads, product};

/// Rows `[N, width]` that threads keep, each some of them, for the product that a weight's gradient is.
#[derive(Debug, Default)]
pub struct KeptRows {
    rows: usize,
    width: usize,
    /// `[N, width]`
    values: Aligned<f32>,
    packed: PackedRows,
    precision: Precision,
}

/// One task's rows of [`KeptRows`].
#[derive(Debug)]
pub struct KeptTask<'a> {
    width: usize,
    place: Place<'a>,
}

#[derive(Debug)]
enum Place<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
}

/// What kept rows will be in the product dyt x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The gradient of the outputs, dy.
    Gradient,
    /// The inputs, x.
    Input,
}

impl KeptRows {
    /// Several kept rows take the shape of `n` rows, each of its width; gives the places of each `rows` of them, a multiple
    /// of 32, in their order.
    ///
    /// # Panics
    /// When `rows` is not such a multiple.
    pub fn tasks<const K: usize>(
        all: [(&mut Self, usize); K],
        precision: Precision,
        n: usize,
        rows: usize,
    ) -> impl IndexedParallelIterator<Item = [KeptTask<'_>; K]> {
        let mut columns = all.map(|(kept, width)| kept.take_shape(precision, n, width, rows).into_iter());
        let tasks = (0..n.div_ceil(rows))
            .map(|_| columns.each_mut().map(|places| places.next().expect("each has as many tasks")))
            .collect::<Vec<_>>();
        tasks.into_par_iter()
    }

    fn take_shape(&mut self, precision: Precision, n: usize, width: usize, rows: usize) -> Vec<KeptTask<'_>> {
        (self.rows, self.width, self.precision) = (n, width, precision);
        let task = |place| KeptTask { width, place };
        match precision {
            Precision::F32 => {
                self.values.grown(n * width).chunks_mut(rows * width).map(Place::F32).map(task).collect()
            }
            Precision::Bf16 => {
                self.packed.reset(n, width);
                self.packed.tasks_mut(rows).map(Place::Bf16).map(task).collect()
            }
        }
    }

    /// `c += dyt x`, for `self` = dy `[N, outputs]`, x `[N, inputs]` and `c` `[outputs, inputs]`.
    ///
    /// # Panics
    /// When the shapes or precisions do not agree, or a row of `c` is not contiguous.
    pub fn accumulate(&self, x: &Self, c: ArrayViewMut2<'_, f32>) {
        assert_eq!(self.precision, x.precision, "both are kept alike");
        match self.precision {
            Precision::F32 => product(self.view().reversed_axes(), x.view(), 1.0, 1.0, c, Threads::All),
            Precision::Bf16 => self.packed.accumulate(&x.packed, c),
        }
    }

    fn view(&self) -> ArrayView2<'_, f32> {
        let shape = (self.rows, self.width);
        ArrayView2::from_shape(shape, &self.values[..self.rows * self.width]).expect("whole rows")
    }
}

thread_local! {
    static BUFFERS: RefCell<[KeptRows; 2]> = RefCell::default();
}

/// Rows that a thread packs at a time.
const ROWS_PER_TASK: usize = 64;

impl Precision {
    /// `c += dyt x` for whole matrices of contiguous rows, `dy` `[N, outputs]`, `x` `[N, inputs]` and `c`
    /// `[outputs, inputs]`: a weight's gradient.
    ///
    /// # Panics
    /// When the shapes do not agree, or rows are not contiguous.
    pub fn accumulate(self, dy: ArrayView2<'_, f32>, x: ArrayView2<'_, f32>, c: ArrayViewMut2<'_, f32>) {
        if self == Self::F32 {
            return product(dy.reversed_axes(), x, 1.0, 1.0, c, Threads::All);
        }
        // Taken, not borrowed: a thread that waits may run another product's task.
        let [mut kept_dy, mut kept_x] = BUFFERS.take();
        for (rows, kept, role) in [(dy, &mut kept_dy, Role::Gradient), (x, &mut kept_x, Role::Input)] {
            let (n, width) = rows.dim();
            let values = rows.to_slice().expect("rows are contiguous");
            KeptRows::tasks([(kept, width)], self, n, ROWS_PER_TASK)
                .zip(values.par_chunks((ROWS_PER_TASK * width).max(1)))
                .for_each(|([mut task], rows)| task.store(rows, role));
        }
        kept_dy.accumulate(&kept_x, c);
        BUFFERS.set([kept_dy, kept_x]);
    }
}

impl KeptTask<'_> {
    /// Keeps the task's rows `[rows, width]`.
    ///
    /// # Panics
    /// When they are not as many as the task has.
    pub fn store(&mut self, rows: &[f32], role: Role) {
        self.store_columns(0, rows, self.width, role);
    }

    /// Keeps some columns of the task's rows, `[rows, columns]`; the first is a multiple of 32.
    ///
    /// # Panics
    /// When there are no such rows or columns.
    pub fn store_columns(&mut self, first: usize, rows: &[f32], columns: usize, role: Role) {
        match &mut self.place {
            Place::F32(to) => {
                assert_eq!(to.len() * columns, rows.len() * self.width, "as many rows as the task has");
                for (to, from) in to.chunks_exact_mut(self.width).zip(rows.chunks_exact(columns)) {
                    to[first..first + columns].copy_from_slice(from);
                }
            }
            Place::Bf16(to) => {
                let rows = ArrayView2::from_shape((rows.len() / columns, columns), rows).expect("whole rows");
                let factor = match role {
                    Role::Gradient => Factor::Left,
                    Role::Input => Factor::Right,
                };
                PackedRows::store(rows, first, self.width, factor, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn kept_rows_give_a_weights_gradient() {
        for (n, outputs, inputs) in [(150, 45, 70), (1, 3, 2), (1100, 33, 64), (0, 5, 6)] {
            // Small whole numbers, whose sums are exact.
            let value = |r: usize, c: usize| ((r * 7 + c * 13) % 11) as f32 - 5.0;
            let dy = Array2::from_shape_fn((n, outputs), |(r, c)| value(r, c));
            let x = Array2::from_shape_fn((n, inputs), |(r, c)| value(c, r));
            let mut expected = Array2::ones((outputs, inputs));
            product(dy.t(), x.view(), 1.0, 1.0, expected.view_mut(), Threads::One);
            for precision in [Precision::F32, Precision::Bf16] {
                let keep = |rows: &Array2<f32>, role| {
                    let mut kept = KeptRows::default();
                    let values = rows.as_slice().unwrap();
                    KeptRows::tasks([(&mut kept, rows.dim().1)], precision, n, 64)
                        .zip(values.par_chunks(64 * rows.dim().1))
                        .for_each(|([mut task], rows)| task.store(rows, role));
                    kept
                };
                let mut found = Array2::ones((outputs, inputs));
                keep(&dy, Role::Gradient).accumulate(&keep(&x, Role::Input), found.view_mut());
                assert_eq!(found, expected, "{precision:?}, {n} rows");
                let mut found = Array2::ones((outputs, inputs));
                precision.accumulate(dy.view(), x.view(), found.view_mut());
                assert_eq!(found, expected, "{precision:?}, {n} rows");
            }
        }
    }
}
