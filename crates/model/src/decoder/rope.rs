use artifact::config::{DecoderConfig, RopeScaling};

/// Cosines and sines of the rotary position embedding (Su et al. 2021): position t turns the pair (i, i + D/2) by
/// t theta^(-2i/D).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rope {
    half: usize,
    /// `[positions, D/2]`
    cos: Vec<f32>,
    /// `[positions, D/2]`
    sin: Vec<f32>,
}

impl Rope {
    /// For the positions below `positions`.
    pub(super) fn new(config: &DecoderConfig, positions: usize) -> Self {
        let half = config.head_dim / 2;
        let frequency = |i: usize| {
            let frequency = 1.0 / config.rope_theta.powf(2.0 * i as f64 / config.head_dim as f64);
            config.rope_scaling.map_or(frequency, |scaling| scaled(frequency, scaling))
        };
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        // transformers has the frequency in f32, and its product with the position too.
        let angles = (0..positions).flat_map(|t| frequencies.iter().map(move |&f| t as f32 * f as f32));
        let (cos, sin) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        Self { half, cos, sin }
    }

    /// Turns each head of `heads` (D values each) by position `t`, or back where `direction` is -1.
    pub(super) fn rotate(&self, heads: &mut [f32], t: usize, direction: f32) {
        let range = t * self.half..(t + 1) * self.half;
        let (cos, sin) = (&self.cos[range.clone()], &self.sin[range]);
        for head in heads.chunks_exact_mut(2 * self.half) {
            kernels::rotate(head, cos, sin, direction);
        }
    }
}

/// The frequency in a longer context (Llama 3.1): with n turns in the original context, f where n is above `high`,
/// f / factor where n is below `low`, and (1 - s) f / factor + s f with s = (n - low) / (high - low) between.
fn scaled(f: f64, scaling: RopeScaling) -> f64 {
    let RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } =
        scaling;
    let turns = original_max_position_embeddings as f64 * f / std::f64::consts::TAU;
    let share = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
    (1.0 - share) * f / factor + share * f
}
