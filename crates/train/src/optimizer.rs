//! The optimizer: which rule moves which tensor.
//!
//! `AdamW` moves all of them, or, beside Muon, those that are no matrix between activations: embedding, head, biases, and
//! the scales of norms.
//!
//! In the same pass, where it is asked for, the running mean of the weights (Polyak & Juditsky 1992; exponential, as in
//! Tarvainen & Valpola 2017): `a <- d a + (1 - d) p` with `d` rising as (1 + t) / (10 + t) to its value.

use model::{Params, Precision};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{adamw, muon};

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

/// The constants of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    /// Of `AdamW`.
    pub adamw: adamw::Constants,
    /// Of Muon, where it moves the projections.
    pub muon: Option<muon::Constants>,
    /// Weight decay of projections: tensors of rank 2 and more. Biases and the scales of norms have none.
    pub weight_decay: f64,
    /// Weight decay of the embedding and the head.
    pub embedding_decay: f64,
    /// Decay d of the running mean of the weights, where there is one.
    pub average: Option<f64>,
}

/// A step of the run.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Its number t, from 1.
    pub t: u64,
    /// The learning rate.
    pub rate: f64,
    /// Multiplies the gradient.
    pub scale: f64,
    /// Of Muon's products.
    pub precision: Precision,
}

/// Tensors that share a rule and a weight decay.
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
    /// Running mean of its square, v; zero where Muon moves a matrix, which needs none.
    pub second: P,
    /// Running mean of the weights, a, where there is one.
    pub average: Option<P>,
}

/// The same range of one tensor of the model, its gradient and its moments.
pub(crate) struct Part<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a mut [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
    pub(crate) average: Option<&'a mut [f32]>,
}

/// What moves a part, on one thread.
enum Rule<'c> {
    AdamW(&'c adamw::Constants),
    /// Moves a whole matrix, by its number among those that Muon moves.
    Muon(&'c muon::Constants, u64, [usize; 2]),
}

/// Takes a step along the gradient, and leaves the gradient zero for the next batch.
pub fn update<P: Params>(
    constants: &Constants,
    step: &Step,
    weights: &mut P,
    gradient: &mut P,
    moments: &mut Moments<P>,
) {
    let ramp = (1.0 + step.t as f64) / (10.0 + step.t as f64);
    let fresh = constants.average.map_or(0.0, |decay| 1.0 - decay.min(ramp)) as f32;
    let tasks = tasks(constants, weights, gradient, moments);
    // A matrix takes long: each may go to another thread.
    tasks.into_par_iter().with_max_len(1).for_each(|(group, rule, mut part)| {
        let decay = group.decay(constants);
        match rule {
            Rule::AdamW(constants) => adamw::update(constants, step, decay, &mut part),
            Rule::Muon(constants, index, shape) => {
                muon::update(constants, step, decay, index, shape, &mut part);
            }
        }
        for (a, p) in part.average.into_iter().flatten().zip(part.weights) {
            *a += fresh * (*p - *a);
        }
    });
}

/// Matrices whole where Muon moves them, everything else in chunks.
fn tasks<'a, P: Params>(
    constants: &'a Constants,
    weights: &'a mut P,
    gradient: &'a mut P,
    moments: &'a mut Moments<P>,
) -> Vec<(Group, Rule<'a>, Part<'a>)> {
    let mut described = Vec::new();
    weights.visit(&mut |name, shape, _| described.push((Group::of(&name, shape), shape.to_vec())));
    let mut averages = moments.average.as_mut().map(|average| tensors(average).into_iter());
    let moments = tensors(&mut moments.first).into_iter().zip(tensors(&mut moments.second));
    let values = tensors(weights).into_iter().zip(tensors(gradient)).zip(moments);
    let (mut matrices, mut chunks) = (Vec::new(), Vec::new());
    for ((group, shape), ((weights, gradient), (first, second))) in described.into_iter().zip(values) {
        let average = averages.as_mut().and_then(Iterator::next);
        let part = Part { weights, gradient, first, second, average };
        match (&constants.muon, group, shape.as_slice()) {
            (Some(muon), Group::Projection, &[rows, columns]) => {
                let rule = Rule::Muon(muon, matrices.len() as u64, [rows, columns]);
                matrices.push((group, rule, part));
            }
            _ => chunks.extend(part.chunks().map(|chunk| (group, Rule::AdamW(&constants.adamw), chunk))),
        }
    }
    matrices.extend(chunks);
    matrices
}

impl<'a> Part<'a> {
    fn chunks(self) -> impl Iterator<Item = Part<'a>> {
        let mut averages = self.average.map(|values| values.chunks_mut(CHUNK));
        let pieces = self.weights.chunks_mut(CHUNK).zip(self.gradient.chunks_mut(CHUNK));
        let moments = self.first.chunks_mut(CHUNK).zip(self.second.chunks_mut(CHUNK));
        pieces.zip(moments).map(move |((weights, gradient), (first, second))| Part {
            weights,
            gradient,
            first,
            second,
            average: averages.as_mut().and_then(Iterator::next),
        })
    }
}

/// The values of every tensor in the order of visits.
fn tensors<P: Params>(params: &mut P) -> Vec<&mut [f32]> {
    let mut tensors = Vec::new();
    params.visit_mut(&mut |_, _, values| tensors.push(values));
    tensors
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const CONSTANTS: Constants = Constants {
        adamw: adamw::Constants { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
        muon: None,
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

        fn moments(&self, average: bool) -> Moments<Self> {
            Moments { first: self.zeros(), second: self.zeros(), average: average.then(|| self.clone()) }
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

    fn step(t: u64, scale: f64) -> Step {
        Step { t, rate: 1e-2, scale, precision: Precision::F32 }
    }

    /// Steps of an optimizer of PyTorch.
    #[derive(Deserialize)]
    struct Fixture {
        rate: f64,
        constants: Constants,
        weights: [Vec<f32>; 2],
        gradients: Vec<[Vec<f32>; 2]>,
        results: Vec<[Vec<f32>; 2]>,
    }

    /// Checks that ours takes the same ones.
    pub(crate) fn check_steps(fixture: &str, tolerance: f32) {
        let fixture: Fixture = serde_json::from_str(fixture).unwrap();
        let toy = |[matrix, norm]: &[Vec<f32>; 2]| Toy { matrix: matrix.clone(), norm: norm.clone() };
        let mut weights = toy(&fixture.weights);
        let mut moments = weights.moments(false);
        for (t, (gradient, expected)) in (1..).zip(fixture.gradients.iter().zip(&fixture.results)) {
            // A gradient of twice the size at half the scale is the same gradient.
            let mut gradient = toy(gradient);
            gradient.visit_mut(&mut |_, _, values| values.iter_mut().for_each(|value| *value *= 2.0));
            let step = Step { rate: fixture.rate, ..step(t, 0.5) };
            update(&fixture.constants, &step, &mut weights, &mut gradient, &mut moments);
            assert_eq!(gradient, weights.zeros(), "the gradient is left zero");
            let expected = toy(expected);
            let pairs =
                weights.matrix.iter().zip(&expected.matrix).chain(weights.norm.iter().zip(&expected.norm));
            for (found, expected) in pairs {
                assert!((found - expected).abs() < tolerance, "step {t}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn gives_the_same_bits_for_any_number_of_threads() {
        let start = Toy { matrix: (0..100_000).map(|i| (i as f32).sin()).collect(), norm: vec![1.0; 7] };
        let trained = |muon, threads: usize| {
            let constants = Constants { average: Some(0.9), muon, ..CONSTANTS };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut weights = start.clone();
                let mut moments = start.moments(true);
                for t in 1..6 {
                    let mut gradient = weights.clone();
                    let scale = 1.0 / crate::norm::global_norm(&gradient);
                    update(&constants, &step(t, scale), &mut weights, &mut gradient, &mut moments);
                }
                (weights, moments.average)
            })
        };
        for muon in [None, Some(muon::Constants::default())] {
            assert_eq!(trained(muon, 1), trained(muon, 3));
        }
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
        let mut moments = weights.moments(true);
        let mut expected = weights.clone();
        for t in 1..20_u64 {
            let mut gradient = weights.clone();
            update(&constants, &step(t, 1.0), &mut weights, &mut gradient, &mut moments);
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
