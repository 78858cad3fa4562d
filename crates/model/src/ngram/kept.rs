//! Pruning.

/// Which n-grams of a level are not pruned.
pub(super) enum Kept {
    All,
    Some {
        /// A bit for each.
        bits: Vec<u64>,
        /// How many are kept before each 64 of them.
        before: Vec<u32>,
    },
}

impl Kept {
    /// Those that occur more than `limit` times.
    pub(super) fn above(counts: &[u32], limit: u32) -> Self {
        if limit == 0 {
            return Self::All;
        }
        let bit = |(index, &count): (usize, &u32)| u64::from(count > limit) << index;
        let mut bits: Vec<u64> =
            counts.chunks(64).map(|part| part.iter().enumerate().map(bit).sum()).collect();
        // A rank may be asked for behind the last one.
        bits.push(0);
        let mut before = Vec::with_capacity(bits.len());
        let mut total = 0;
        for word in &bits {
            before.push(total);
            total += word.count_ones();
        }
        Self::Some { bits, before }
    }

    #[inline]
    pub(super) fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some { bits, .. } => bits[index / 64] >> (index % 64) & 1 == 1,
        }
    }

    /// How many are kept before this one: its new index.
    #[inline]
    pub(super) fn rank(&self, index: u32) -> u32 {
        match self {
            Self::All => index,
            Self::Some { bits, before } => {
                let (word, bit) = (index as usize / 64, index % 64);
                before[word] + (bits[word] & ((1 << bit) - 1)).count_ones()
            }
        }
    }
}
