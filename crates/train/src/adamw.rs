//! The optimizer: `AdamW` (Loshchilov & Hutter 2019, algorithm 2).
//!
//! ```text
//! m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g²
//! p <- p - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) + w p)
//! ```

use model::Params;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

/// The constants of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Constants {
    /// Decay of m, b1.
    pub(crate) beta1: f64,
    /// Decay of v, b2.
    pub(crate) beta2: f64,
    /// e.
    pub(crate) epsilon: f64,
    /// w, of tensors of rank 2 and more: projections and embeddings. The scales of norms have none.
    pub(crate) weight_decay: f64,
}

/// The moments, which have the model's type.
pub(crate) struct Moments<P> {
    /// Running mean of the gradient, m.
    pub(crate) first: P,
    /// Running mean of its square, v.
    pub(crate) second: P,
}

/// The same range of one tensor of the model, its gradient and its moments.
struct Chunk<'a> {
    decays: bool,
    weights: &'a mut [f32],
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// Takes step `t` (from 1) along `scale` times the gradient, and leaves the gradient zero for the next batch.
pub(crate) fn update<P: Params>(
    constants: &Constants,
    t: u64,
    rate: f64,
    scale: f64,
    weights: &mut P,
    gradient: &mut P,
    moments: &mut Moments<P>,
) {
    let correction = |beta: f64| 1.0 - beta.powi(t.min(i32::MAX as u64) as i32);
    let (beta1, beta2) = (constants.beta1 as f32, constants.beta2 as f32);
    let step = (rate / correction(constants.beta1)) as f32;
    let root_correction = (1.0 / correction(constants.beta2).sqrt()) as f32;
    let epsilon = constants.epsilon as f32;
    let shrink = (1.0 - rate * constants.weight_decay) as f32;
    let scale = scale as f32;

    chunks(weights, gradient, moments).into_par_iter().for_each(|chunk| {
        let keep = if chunk.decays { shrink } else { 1.0 };
        let values =
            chunk.weights.iter_mut().zip(chunk.gradient).zip(chunk.first.iter_mut().zip(chunk.second));
        for ((p, g), (m, v)) in values {
            let gradient = *g * scale;
            *g = 0.0;
            *m = beta1 * *m + (1.0 - beta1) * gradient;
            *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
            *p = keep * *p - step * *m / (v.sqrt() * root_correction + epsilon);
        }
    });
}

fn chunks<'a, P: Params>(
    weights: &'a mut P,
    gradient: &'a mut P,
    moments: &'a mut Moments<P>,
) -> Vec<Chunk<'a>> {
    let tensors = tensors(weights).into_iter().zip(tensors(gradient));
    let moments = tensors_of(moments);
    let mut all = Vec::new();
    for (((decays, weights), (_, gradient)), (first, second)) in tensors.zip(moments) {
        let pieces = weights.chunks_mut(CHUNK).zip(gradient.chunks_mut(CHUNK));
        let moments = first.chunks_mut(CHUNK).zip(second.chunks_mut(CHUNK));
        all.extend(pieces.zip(moments).map(|((weights, gradient), (first, second))| Chunk {
            decays,
            weights,
            gradient,
            first,
            second,
        }));
    }
    all
}

/// The values of every tensor in the order of visits, and whether its rank calls for weight decay.
fn tensors<P: Params>(params: &mut P) -> Vec<(bool, &mut [f32])> {
    let mut tensors = Vec::new();
    params.visit_mut(&mut |_, shape, values| tensors.push((shape.len() >= 2, values)));
    tensors
}

fn tensors_of<P: Params>(moments: &mut Moments<P>) -> impl Iterator<Item = (&mut [f32], &mut [f32])> {
    let first = tensors(&mut moments.first).into_iter();
    first.zip(tensors(&mut moments.second)).map(|((_, first), (_, second))| (first, second))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A matrix and a norm's scale.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct Toy {
        /// `[n / 2, 2]`
        pub(crate) matrix: Vec<f32>,
        /// `[n]`
        pub(crate) norm: Vec<f32>,
    }

    impl Toy {
        pub(crate) fn zeros(&self) -> Self {
            Self { matrix: vec![0.0; self.matrix.len()], norm: vec![0.0; self.norm.len()] }
        }
    }

    impl Params for Toy {
        fn visit<'a>(&'a self, visitor: &mut dyn FnMut(String, &[usize], &'a [f32])) {
            visitor("matrix".to_owned(), &[self.matrix.len() / 2, 2], &self.matrix);
            visitor("norm".to_owned(), &[self.norm.len()], &self.norm);
        }
        fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(String, &[usize], &'a mut [f32])) {
            visitor("matrix".to_owned(), &[self.matrix.len() / 2, 2], &mut self.matrix);
            visitor("norm".to_owned(), &[self.norm.len()], &mut self.norm);
        }
    }

    /// `tests/fixtures/adamw.json`, of `torch.optim.AdamW`.
    #[derive(Deserialize)]
    struct Fixture {
        rate: f64,
        constants: Constants,
        weights: [Vec<f32>; 2],
        gradients: Vec<[Vec<f32>; 2]>,
        results: Vec<[Vec<f32>; 2]>,
    }

    #[test]
    fn agrees_with_pytorch() {
        let fixture: Fixture = serde_json::from_str(include_str!("../tests/fixtures/adamw.json")).unwrap();
        let toy = |[matrix, norm]: &[Vec<f32>; 2]| Toy { matrix: matrix.clone(), norm: norm.clone() };
        let mut weights = toy(&fixture.weights);
        let mut moments = Moments { first: weights.zeros(), second: weights.zeros() };
        for (index, (gradient, expected)) in fixture.gradients.iter().zip(&fixture.results).enumerate() {
            // A gradient of twice the size at half the scale is the same gradient.
            let mut gradient = toy(gradient);
            gradient.visit_mut(&mut |_, _, values| values.iter_mut().for_each(|value| *value *= 2.0));
            let t = index as u64 + 1;
            update(&fixture.constants, t, fixture.rate, 0.5, &mut weights, &mut gradient, &mut moments);
            assert_eq!(gradient, weights.zeros(), "the gradient is left zero");
            let expected = toy(expected);
            let pairs =
                weights.matrix.iter().zip(&expected.matrix).chain(weights.norm.iter().zip(&expected.norm));
            for (found, expected) in pairs {
                assert!((found - expected).abs() < 2e-6, "step {t}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn gives_the_same_bits_for_any_number_of_threads() {
        let constants = Constants { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 };
        let start = Toy { matrix: (0..100_000).map(|i| (i as f32).sin()).collect(), norm: vec![1.0; 7] };
        let trained = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut weights = start.clone();
                let mut moments = Moments { first: start.zeros(), second: start.zeros() };
                for t in 1..4 {
                    let mut gradient = weights.clone();
                    let scale = 1.0 / crate::norm::global_norm(&gradient);
                    update(&constants, t, 1e-2, scale, &mut weights, &mut gradient, &mut moments);
                }
                weights
            })
        };
        assert_eq!(trained(1), trained(3));
    }
}
