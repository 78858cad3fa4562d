//! The optimizer: `AdamW` (Loshchilov & Hutter 2019, algorithm 2).
//!
//! ```text
//! m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g²
//! p <- p - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) + w p)
//! ```
//!
//! In the same pass, where it is asked for, the running mean of the weights (Polyak & Juditsky 1992; exponential, as in
//! Tarvainen & Valpola 2017): `a <- d a + (1 - d) p` with `d` rising as (1 + t) / (10 + t) to its value.

use model::Params;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

/// The constants of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    /// Decay of m, b1.
    pub beta1: f64,
    /// Decay of v, b2.
    pub beta2: f64,
    /// e.
    pub epsilon: f64,
    /// w of projections: tensors of rank 2 and more. Biases and the scales of norms have none.
    pub weight_decay: f64,
    /// w of the embedding and the head.
    pub embedding_decay: f64,
    /// Decay d of the running mean of the weights, where there is one.
    pub average: Option<f64>,
}

/// Tensors that share a weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Projection,
    Embedding,
    /// Biases, and the scales of norms.
    Vector,
}

impl Group {
    fn of(name: &str, shape: &[usize]) -> Self {
        match name {
            _ if shape.len() < 2 => Self::Vector,
            "model.embed_tokens.weight" | "lm_head.weight" => Self::Embedding,
            _ => Self::Projection,
        }
    }

    fn decay(self, constants: &Constants) -> f64 {
        match self {
            Self::Projection => constants.weight_decay,
            Self::Embedding => constants.embedding_decay,
            Self::Vector => 0.0,
        }
    }
}

/// What the optimizer carries from step to step, each of the model's type.
pub struct Moments<P> {
    /// Running mean of the gradient, m.
    pub first: P,
    /// Running mean of its square, v.
    pub second: P,
    /// Running mean of the weights, a, where there is one.
    pub average: Option<P>,
}

/// The same range of one tensor of the model, its gradient and its moments.
struct Chunk<'a> {
    group: Group,
    weights: &'a mut [f32],
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    average: Option<&'a mut [f32]>,
}

/// Takes step `t` (from 1) along `scale` times the gradient, and leaves the gradient zero for the next batch.
pub fn update<P: Params>(
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
    let scale = scale as f32;
    let ramp = (1.0 + t as f64) / (10.0 + t as f64);
    let fresh = constants.average.map_or(0.0, |decay| 1.0 - decay.min(ramp)) as f32;

    chunks(weights, gradient, moments).into_par_iter().for_each(|chunk| {
        let keep = (1.0 - rate * chunk.group.decay(constants)) as f32;
        let values =
            chunk.weights.iter_mut().zip(chunk.gradient).zip(chunk.first.iter_mut().zip(chunk.second));
        for ((p, g), (m, v)) in values {
            let gradient = *g * scale;
            *g = 0.0;
            *m = beta1 * *m + (1.0 - beta1) * gradient;
            *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
            *p = keep * *p - step * *m / (v.sqrt() * root_correction + epsilon);
        }
        for (a, p) in chunk.average.into_iter().flatten().zip(chunk.weights) {
            *a += fresh * (*p - *a);
        }
    });
}

fn chunks<'a, P: Params>(
    weights: &'a mut P,
    gradient: &'a mut P,
    moments: &'a mut Moments<P>,
) -> Vec<Chunk<'a>> {
    let mut averages = moments.average.as_mut().map(|average| tensors(average).into_iter());
    let tensors_of = |params| tensors(params).into_iter().map(|(_, values)| values);
    let others =
        tensors_of(gradient).zip(tensors_of(&mut moments.first)).zip(tensors_of(&mut moments.second));
    let mut all = Vec::new();
    for ((group, weights), ((gradient, first), second)) in tensors(weights).into_iter().zip(others) {
        let average = averages.as_mut().and_then(Iterator::next).map(|(_, values)| values);
        let mut averages = average.map(|values| values.chunks_mut(CHUNK));
        let pieces = weights.chunks_mut(CHUNK).zip(gradient.chunks_mut(CHUNK));
        let moments = first.chunks_mut(CHUNK).zip(second.chunks_mut(CHUNK));
        all.extend(pieces.zip(moments).map(|((weights, gradient), (first, second))| Chunk {
            group,
            weights,
            gradient,
            first,
            second,
            average: averages.as_mut().and_then(Iterator::next),
        }));
    }
    all
}

/// The values of every tensor in the order of visits, and its group.
fn tensors<P: Params>(params: &mut P) -> Vec<(Group, &mut [f32])> {
    let mut tensors = Vec::new();
    params.visit_mut(&mut |name, shape, values| tensors.push((Group::of(&name, shape), values)));
    tensors
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const CONSTANTS: Constants = Constants {
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        weight_decay: 0.1,
        embedding_decay: 0.0,
        average: None,
    };

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
        let mut moments = Moments { first: weights.zeros(), second: weights.zeros(), average: None };
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
        let constants = Constants { average: Some(0.9), ..CONSTANTS };
        let start = Toy { matrix: (0..100_000).map(|i| (i as f32).sin()).collect(), norm: vec![1.0; 7] };
        let trained = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut weights = start.clone();
                let mut moments =
                    Moments { first: start.zeros(), second: start.zeros(), average: Some(start.clone()) };
                for t in 1..4 {
                    let mut gradient = weights.clone();
                    let scale = 1.0 / crate::norm::global_norm(&gradient);
                    update(&constants, t, 1e-2, scale, &mut weights, &mut gradient, &mut moments);
                }
                (weights, moments.average)
            })
        };
        assert_eq!(trained(1), trained(3));
    }

    #[test]
    fn groups_share_a_decay() {
        for (name, shape, group) in [
            ("model.embed_tokens.weight", &[4, 2][..], Group::Embedding),
            ("lm_head.weight", &[4, 2], Group::Embedding),
            ("model.layers.0.mlp.down_proj.weight", &[2, 4], Group::Projection),
            ("model.layers.0.self_attn.q_proj.bias", &[4], Group::Vector),
            ("model.norm.weight", &[2], Group::Vector),
        ] {
            assert_eq!(Group::of(name, shape), group, "{name}");
        }
    }

    #[test]
    fn the_average_follows_the_weights() {
        let constants = Constants { average: Some(0.5), ..CONSTANTS };
        let mut weights = Toy { matrix: vec![1.0, -2.0], norm: vec![1.0] };
        let mut moments =
            Moments { first: weights.zeros(), second: weights.zeros(), average: Some(weights.clone()) };
        let mut expected = weights.clone();
        for t in 1..20_u64 {
            let mut gradient = weights.clone();
            update(&constants, t, 1e-2, 1.0, &mut weights, &mut gradient, &mut moments);
            let decay = (0.5_f32).min((1 + t) as f32 / (10 + t) as f32);
            let pairs = expected.matrix.iter_mut().zip(&weights.matrix);
            for (average, weight) in pairs.chain(expected.norm.iter_mut().zip(&weights.norm)) {
                *average = decay * *average + (1.0 - decay) * weight;
            }
        }
        let found = moments.average.unwrap();
        for (found, expected) in found.matrix.iter().zip(&expected.matrix) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}
