//! The norm of a gradient.

use model::Params;
use rayon::prelude::*;

/// Values that one task sums up.
const CHUNK: usize = 1 << 14;
/// Independent running sums in a task, so that additions need not wait for each other.
const LANES: usize = 8;

/// The Euclidean norm over all tensors, the same bits for any number of threads: chunks are summed in f64 and their
/// sums added in order.
pub fn global_norm<P: Params>(gradient: &P) -> f64 {
    let mut chunks: Vec<&[f32]> = Vec::new();
    gradient.visit(&mut |_, _, values| chunks.extend(values.chunks(CHUNK)));
    let sums: Vec<f64> = chunks.into_par_iter().map(sum_of_squares).collect();
    sums.into_iter().sum::<f64>().sqrt()
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let whole = values.chunks_exact(LANES);
    let rest: f64 = whole.remainder().iter().map(|&value| f64::from(value).powi(2)).sum();
    for lanes in whole {
        for (sum, &value) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.into_iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::tests::Toy;

    #[test]
    fn is_the_root_of_the_sum_of_squares() {
        let toy = Toy { matrix: vec![3.0; 50_000], norm: vec![4.0; 19] };
        let expected = (9.0 * 50_000.0 + 16.0 * 19.0_f64).sqrt();
        assert!((global_norm(&toy) - expected).abs() < 1e-9);
    }

    #[test]
    fn shows_what_is_not_finite() {
        let mut toy = Toy { matrix: vec![1.0; 100], norm: vec![1.0; 3] };
        toy.matrix[57] = f32::NAN;
        assert!(global_norm(&toy).is_nan());
        toy.matrix[57] = f32::INFINITY;
        assert!(global_norm(&toy).is_infinite());
    }
}
