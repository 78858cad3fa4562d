use super::rows::Rows;

/// Dropout of what a block's two layers add to the residual stream, in training (Vaswani et al. 2017, section 5.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    rate: f32,
    seed: u64,
}

impl Dropout {
    /// Drops the share `rate`, below 1; another seed drops other values.
    ///
    /// # Panics
    /// When the rate is out of its range.
    pub fn new(rate: f32, seed: u64) -> Self {
        assert!((0.0..1.0).contains(&rate), "a share below 1");
        Self { rate, seed }
    }

    /// Of a part, by its number: of a step, a block, a layer.
    #[must_use]
    pub fn part(self, number: u64) -> Self {
        // SplitMix64 (Steele et al. 2014).
        let mut seed = self.seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        seed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        seed = (seed ^ seed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { rate: self.rate, seed: seed ^ seed >> 31 }
    }

    /// Drops from rows, the first value of which is number `first` of the matrix.
    pub(super) fn apply(self, rows: &mut [f32], first: usize) {
        kernels::dropout(rows, self.rate, self.seed as u32, first);
    }

    /// As [`Self::apply`], of a whole matrix.
    pub(super) fn apply_all(self, rows: &mut Rows) {
        rows.for_each_task(|first, rows| self.apply(rows, first));
    }
}
