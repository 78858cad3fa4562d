//! `AdamW` (Loshchilov & Hutter 2019, algorithm 2).
//!
//! ```text
//! m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g²
//! p <- p - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) + w p)
//! ```

use serde::{Deserialize, Serialize};

use crate::optimizer::{Part, Step};

/// The constants of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    /// Decay of m, b1.
    pub beta1: f64,
    /// Decay of v, b2.
    pub beta2: f64,
    /// e.
    pub epsilon: f64,
}

/// Takes a step with weight decay w, `decay`; m is `first`, v `second`.
pub(crate) fn update(constants: &Constants, step: &Step, decay: f64, part: &mut Part<'_>) {
    let correction = |beta: f64| 1.0 - beta.powi(step.t.min(i32::MAX as u64) as i32);
    let (beta1, beta2) = (constants.beta1 as f32, constants.beta2 as f32);
    let length = (step.rate / correction(constants.beta1)) as f32;
    let root_correction = (1.0 / correction(constants.beta2).sqrt()) as f32;
    let epsilon = constants.epsilon as f32;
    let scale = step.scale as f32;
    let keep = (1.0 - step.rate * decay) as f32;
    let moments = part.first.iter_mut().zip(part.second.iter_mut());
    for ((p, g), (m, v)) in part.weights.iter_mut().zip(part.gradient.iter_mut()).zip(moments) {
        let gradient = *g * scale;
        *g = 0.0;
        *m = beta1 * *m + (1.0 - beta1) * gradient;
        *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
        *p = keep * *p - length * *m / (v.sqrt() * root_correction + epsilon);
    }
}

#[cfg(test)]
mod tests {
    use crate::optimizer::tests::check_steps;

    #[test]
    fn agrees_with_pytorch() {
        check_steps(include_str!("../tests/fixtures/adamw.json"), 2e-6);
    }
}
