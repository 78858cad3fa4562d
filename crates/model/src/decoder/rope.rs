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
    pub(super) fn new(theta: f64, head_dim: usize, positions: usize) -> Self {
        let half = head_dim / 2;
        let angles = (0..positions).flat_map(|t| {
            (0..half).map(move |i| {
                // transformers computes the frequency in f32, and the product with the position too.
                let frequency = (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32;
                t as f32 * frequency
            })
        });
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
