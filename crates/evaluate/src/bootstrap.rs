//! Intervals by the bootstrap over conversations (Efron 1979), paired between whatever is measured on the same ones.
//!
//! Every figure is a function of sums over conversations. The conversations are drawn with replacement, as many as there
//! are, [`SAMPLES`] times, and the figure is taken of each sample's sums. Draws depend on the seed and the number of
//! conversations alone, so that two models measured on the same conversations meet the same samples, and the difference of
//! their figures has an interval of its own.

use artifact::report::{Better, Estimate};
use rayon::prelude::*;

use crate::chrf::mix;

/// Samples of conversations.
pub const SAMPLES: usize = 1000;
/// What a 95 % interval leaves out at each end.
const TAIL: f64 = 0.025;

/// Counts of each conversation that figures are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// `[conversations, width]`
    rows: Vec<f64>,
    width: usize,
}

/// Sums over all conversations, and over each sample of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// `[width]`
    whole: Vec<f64>,
    /// `[SAMPLES, width]`
    samples: Vec<Vec<f64>>,
}

/// A figure over all conversations, and over each sample of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Over all.
    pub value: f64,
    /// Over each sample; no number where the sample holds nothing to count. `[SAMPLES]`
    samples: Vec<f64>,
}

impl Counts {
    /// Nothing counted yet.
    pub fn new(conversations: usize, width: usize) -> Self {
        Self { rows: vec![0.0; conversations * width], width }
    }

    /// The counts of a conversation, to add to. `[width]`
    pub fn of(&mut self, conversation: usize) -> &mut [f64] {
        &mut self.rows[conversation * self.width..][..self.width]
    }

    /// The sums over all conversations and over samples of them.
    pub fn sums(&self, seed: u64) -> Sums {
        let conversations = self.rows.len() / self.width;
        let row = |conversation: usize| &self.rows[conversation * self.width..][..self.width];
        let mut whole = vec![0.0; self.width];
        (0..conversations).for_each(|conversation| add(&mut whole, row(conversation)));
        let samples = (0..SAMPLES as u64).into_par_iter().map(|sample| {
            let mut sum = vec![0.0; self.width];
            let stream = mix(mix(seed) ^ sample);
            for draw in 0..conversations as u64 {
                // The high half of a product is even over [0, conversations), but for 2^-64 of it.
                let random = u128::from(mix(stream.wrapping_add(draw)));
                add(&mut sum, row(((random * conversations as u128) >> 64) as usize));
            }
            sum
        });
        Sums { whole, samples: samples.collect() }
    }
}

fn add(sum: &mut [f64], row: &[f64]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
}

impl Sums {
    /// A figure of the sums `[width]`; none where there is nothing to count.
    pub fn figure(&self, of: impl Fn(&[f64]) -> f64) -> Option<Distribution> {
        let value = of(&self.whole);
        value
            .is_finite()
            .then(|| Distribution { value, samples: self.samples.iter().map(|sums| of(sums)).collect() })
    }

    /// The sum in one place over the sum in another.
    pub fn ratio(&self, of: usize, to: usize) -> Option<Distribution> {
        self.figure(|sums| sums[of] / sums[to])
    }
}

impl Distribution {
    /// The same after a function.
    #[must_use]
    pub fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self {
            value: function(self.value),
            samples: self.samples.iter().map(|&sample| function(sample)).collect(),
        }
    }

    /// This figure less another of the same conversations, sample by sample.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let samples = self.samples.iter().zip(&other.samples).map(|(this, other)| this - other);
        Self { value: self.value - other.value, samples: samples.collect() }
    }

    /// The value with its 95 % interval.
    pub fn estimate(&self, better: Option<Better>) -> Estimate {
        let mut sorted: Vec<f64> = self.samples.iter().copied().filter(|sample| sample.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        // Between the nearest two, as most programs interpolate (Hyndman & Fan 1996, type 7).
        let quantile = |share: f64| {
            let place = share * sorted.len().saturating_sub(1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            match (sorted.get(below), sorted.get(above)) {
                (Some(below), Some(above)) => below + (above - below) * place.fract(),
                _ => self.value,
            }
        };
        Estimate { value: self.value, low: quantile(TAIL), high: quantile(1.0 - TAIL), better }
    }

    /// The share of samples in which this figure, the difference of two, is in favour of the first; ties by half.
    pub fn share_in_favour(&self, better: Better) -> f64 {
        let favour = |sample: &f64| match better {
            Better::Lower => -sample,
            Better::Higher => *sample,
        };
        let finite = self.samples.iter().filter(|sample| sample.is_finite());
        let (count, sum) = finite.fold((0.0, 0.0), |(count, sum), sample| {
            let favour = favour(sample);
            (count + 1.0, sum + if favour == 0.0 { 0.5 } else { f64::from(u8::from(favour > 0.0)) })
        });
        if count > 0.0 { sum / count } else { 0.5 }
    }
}
