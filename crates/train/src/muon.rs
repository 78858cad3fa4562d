//! Muon for matrices (Jordan et al. 2024), with the step of Liu et al. 2025, "Muon is scalable for LLM training", which is
//! about as large as one of `AdamW`:
//!
//! ```text
//! m <- b m + (1 - b) g            o = orthogonal(b m + (1 - b) g)
//! p <- (1 - rate w) p - rate 0.2 sqrt(max(rows, columns)) o
//! ```
//!
//! In small batches the products behind `orthogonal` would cost as much as the gradient itself. The momentum changes
//! slowly, so a matrix moves only at every `period`-th step, `period` times as far; which step that is differs from
//! matrix to matrix, so that all steps cost alike.

use kernels::{Precision, Threads};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::optimizer::{Part, Step};

/// The quintic a, b, c: it raises small singular values fast, and brings all of them to between 0.7 and 1.2.
const QUINTIC: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Root mean square of a step's values, over the rate: what `AdamW`'s steps were seen to have.
const STEP_SIZE: f64 = 0.2;

/// The constants of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    /// Decay of m, b.
    pub momentum: f64,
    /// Newton-Schulz iterations of a step.
    pub iterations: usize,
    /// Steps of the run for each step of a matrix.
    pub period: u64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { momentum: 0.95, iterations: 3, period: 4 }
    }
}

/// Takes a step of matrix number `index` with weight decay `decay`; its m is `first`.
pub(crate) fn update(
    constants: &Constants,
    step: &Step,
    decay: f64,
    index: u64,
    shape: [usize; 2],
    part: &mut Part<'_>,
) {
    let momentum = constants.momentum as f32;
    let fresh = ((1.0 - constants.momentum) * step.scale) as f32;
    for (m, g) in part.first.iter_mut().zip(part.gradient.iter()) {
        *m = momentum * *m + fresh * *g;
    }
    if (step.t + index).is_multiple_of(constants.period) {
        let ahead = part.first.iter().zip(part.gradient.iter()).map(|(m, g)| momentum * m + fresh * g);
        let ahead = Array2::from_shape_vec(shape, ahead.collect()).expect("a matrix has its shape's values");
        let direction = orthogonal(ahead.view(), constants.iterations, step.precision);
        let rate = step.rate * constants.period as f64;
        let keep = (1.0 - rate * decay) as f32;
        let length = (rate * STEP_SIZE * (shape[0].max(shape[1]) as f64).sqrt()) as f32;
        for (p, o) in part.weights.iter_mut().zip(&direction) {
            *p = keep * *p - length * o;
        }
    }
    part.gradient.fill(0.0);
}

/// A matrix of the same singular vectors whose singular values are about 1, those far below the largest excepted:
/// Newton-Schulz iterations x <- a x + b (x xt) x + c (x xt)² x, the shorter side of x squared.
pub fn orthogonal(matrix: ArrayView2<'_, f32>, iterations: usize, precision: Precision) -> Array2<f32> {
    let (rows, columns) = matrix.dim();
    if rows > columns {
        return orthogonal(matrix.t(), iterations, precision).reversed_axes();
    }
    // No singular value is above the Frobenius norm.
    let norm = matrix.iter().map(|value| value * value).sum::<f32>().sqrt();
    let mut x = Array2::from_shape_fn((rows, columns), |at| matrix[at] / (norm + 1e-7));
    let mut next = Array2::zeros((rows, columns));
    let (mut square, mut factor) = (Array2::zeros((rows, rows)), Array2::zeros((rows, rows)));
    let [a, b, c] = QUINTIC;
    for _ in 0..iterations {
        precision.product(x.view(), x.t(), 1.0, 0.0, square.view_mut(), Threads::One);
        factor.zip_mut_with(&square, |factor, square| *factor = b * square);
        precision.product(square.view(), square.view(), c, 1.0, factor.view_mut(), Threads::One);
        next.zip_mut_with(&x, |next, x| *next = a * x);
        precision.product(factor.view(), x.view(), 1.0, 1.0, next.view_mut(), Threads::One);
        std::mem::swap(&mut x, &mut next);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::tests::check_steps;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn agrees_with_pytorch() {
        // PyTorch rounds its iterations to bfloat16: values move by about 0.01, and agree within a tenth of that.
        check_steps(include_str!("../tests/fixtures/muon.json"), 1e-3);
    }

    #[test]
    fn orthogonal_rows_or_columns() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for (rows, columns) in [(24, 40), (40, 24), (32, 32)] {
            let matrix = Array2::from_shape_simple_fn((rows, columns), || random.random_range(-1.0..1.0_f32));
            for precision in [Precision::F32, Precision::Bf16] {
                let x = orthogonal(matrix.view(), 5, precision);
                // The sum of squared singular values is the Frobenius norm's square.
                let mean = x.iter().map(|x| x * x).sum::<f32>() / rows.min(columns) as f32;
                assert!((0.6..1.3).contains(&mean), "{rows}x{columns} {precision:?}: {mean}");
                let square = if rows < columns { x.dot(&x.t()) } else { x.t().dot(&x) };
                let off_diagonal = square.indexed_iter().filter(|((r, c), _)| r != c);
                let largest = off_diagonal.map(|(_, value)| value.abs()).fold(0.0, f32::max);
                assert!(largest < 0.3, "{rows}x{columns} {precision:?}: {largest}");
            }
        }
    }

    #[test]
    fn a_gradient_of_zero_moves_nothing() {
        let zero = Array2::<f32>::zeros((3, 5));
        assert_eq!(orthogonal(zero.view(), 5, Precision::F32), zero);
    }
}
