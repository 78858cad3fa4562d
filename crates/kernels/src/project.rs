//! Products with the few rows of a generation step.
//!
//! The weights are read once for all rows, and every element is the sum that [`dot`](crate::dot) makes: its bits depend
//! neither on how many rows there are nor on the threads.

#[cfg(target_arch = "x86_64")]
mod avx512;

use rayon::prelude::*;

use crate::level::leveled;
use crate::vector::{LANES, fold};
use crate::{Level, Threads};

/// Outputs that a task computes: a multiple of every block of outputs.
const OUTPUTS_PER_TASK: usize = 32;
/// Products of two values below which more threads cost more than they save.
const WORTH_SHARING: usize = 1 << 18;

/// `y = x wᵀ` for rows `x` `[n, inputs]`, a row-major `w` `[outputs, inputs]` and `y` `[n, outputs]`.
///
/// # Panics
/// When the lengths do not agree.
pub fn project(w: &[f32], inputs: usize, x: &[f32], y: &mut [f32], threads: Threads) {
    let n = x.len() / inputs;
    assert_eq!(x.len(), n * inputs, "whole rows of inputs");
    assert_eq!(y.len() * inputs, n * w.len(), "as many outputs as the weight has rows");
    if n == 1 {
        return share(w, inputs, x, y, threads);
    }
    // Output after output, so that tasks have parts of their own.
    let mut columns = vec![0.0; y.len()];
    share(w, inputs, x, &mut columns, threads);
    let outputs = w.len() / inputs;
    for (output, column) in columns.chunks_exact(n).enumerate() {
        for (row, value) in column.iter().enumerate() {
            y[row * outputs + output] = *value;
        }
    }
}

/// `columns` `[outputs, n]`, by tasks.
fn share(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32], threads: Threads) {
    if threads == Threads::One || columns.len() * inputs < WORTH_SHARING {
        return all_pairs(w, inputs, x, columns);
    }
    let n = x.len() / inputs;
    w.par_chunks(OUTPUTS_PER_TASK * inputs)
        .zip(columns.par_chunks_mut(OUTPUTS_PER_TASK * n))
        .for_each(|(w, columns)| all_pairs(w, inputs, x, columns));
}

/// `columns` `[outputs, n]`: the product of each row of `w` with each row of `x`.
fn all_pairs(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if Level::current() == Level::Avx512 {
        // SAFETY: `Level::current` is at most what the processor was detected to have.
        return unsafe { avx512::all_pairs(w, inputs, x, columns) };
    }
    all_pairs_by_lanes(w, inputs, x, columns);
}

leveled! {
    /// [`all_pairs`] by plain loops; the sums of a block fit 16 registers of 256 bits.
    fn all_pairs_by_lanes(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32]) {
        blocks::<Lanes, 2>(w, inputs, x, columns);
    }
}

/// How a block is computed.
trait Block {
    /// `columns` (each of `n` rows) of the O rows of `w` with the R rows of `x`.
    fn block<const O: usize, const R: usize>(
        w: &[f32],
        inputs: usize,
        x: &[f32],
        columns: &mut [f32],
        n: usize,
    );
}

/// By blocks of B outputs and B rows, then what is left of either.
#[inline(always)]
fn blocks<K: Block, const B: usize>(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32]) {
    let n = x.len() / inputs;
    let mut columns = columns.chunks_exact_mut(B * n);
    let mut outputs = w.chunks_exact(B * inputs);
    for (columns, w) in columns.by_ref().zip(outputs.by_ref()) {
        rows::<K, B, B>(w, inputs, x, columns);
    }
    let rest = outputs.remainder().chunks_exact(inputs);
    for (column, w) in columns.into_remainder().chunks_exact_mut(n).zip(rest) {
        rows::<K, 1, B>(w, inputs, x, column);
    }
}

/// All rows of `x` for O outputs, B at a time.
#[inline(always)]
fn rows<K: Block, const O: usize, const B: usize>(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32]) {
    let n = x.len() / inputs;
    let whole = n - n % B;
    for row in (0..whole).step_by(B) {
        let x = &x[row * inputs..][..B * inputs];
        K::block::<O, B>(w, inputs, x, &mut columns[row..], n);
    }
    for row in whole..n {
        let x = &x[row * inputs..][..inputs];
        K::block::<O, 1>(w, inputs, x, &mut columns[row..], n);
    }
}

struct Lanes;

impl Block for Lanes {
    #[inline(always)]
    fn block<const O: usize, const R: usize>(
        w: &[f32],
        inputs: usize,
        x: &[f32],
        columns: &mut [f32],
        n: usize,
    ) {
        let mut sums = [[[0.0_f32; LANES]; R]; O];
        let whole = inputs - inputs % LANES;
        let mut start = 0;
        while start < whole {
            for (output, sums) in sums.iter_mut().enumerate() {
                let w = &w[output * inputs + start..][..LANES];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = &x[row * inputs + start..][..LANES];
                    for lane in 0..LANES {
                        sums[lane] += w[lane] * x[lane];
                    }
                }
            }
            start += LANES;
        }
        for (output, sums) in sums.iter_mut().enumerate() {
            for (row, sums) in sums.iter_mut().enumerate() {
                for i in whole..inputs {
                    sums[i - whole] += w[output * inputs + i] * x[row * inputs + i];
                }
                columns[output * n + row] = fold(sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot;
    use proptest::prelude::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11) as f32 * 0.61).sin()).collect()
    }

    proptest! {
        #[test]
        fn every_element_is_the_dot_product_of_its_row_and_its_output(
            n in 1..12usize,
            inputs in 1..80usize,
            outputs in 1..12usize,
        ) {
            let (w, x) = (values(outputs * inputs, 1), values(n * inputs, 2));
            let mut y = vec![f32::NAN; n * outputs];
            project(&w, inputs, &x, &mut y, Threads::One);
            for (row, y) in y.chunks_exact(outputs).enumerate() {
                for (output, y) in y.iter().enumerate() {
                    let expected = dot(&w[output * inputs..][..inputs], &x[row * inputs..][..inputs]);
                    prop_assert_eq!(y.to_bits(), expected.to_bits());
                }
            }
        }
    }

    #[test]
    fn a_rows_bits_depend_on_no_other_row_and_on_no_thread() {
        let (inputs, outputs) = (200, 331);
        let (w, x) = (values(outputs * inputs, 3), values(64 * inputs, 4));
        let mut alone = vec![0.0; 64 * outputs];
        for (x, y) in x.chunks_exact(inputs).zip(alone.chunks_exact_mut(outputs)) {
            project(&w, inputs, x, y, Threads::One);
        }
        for n in [1, 2, 3, 5, 16, 64] {
            for threads in [Threads::One, Threads::All] {
                let mut together = vec![0.0; n * outputs];
                project(&w, inputs, &x[..n * inputs], &mut together, threads);
                assert_eq!(together, alone[..n * outputs], "{n} rows, {threads:?}");
            }
        }
    }
}
