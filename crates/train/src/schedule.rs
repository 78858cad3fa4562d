//! The learning rate over a run.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How the learning rate falls from its peak to its floor.
///
/// Linear is the default: at a fixed budget it ends at a lower loss than cosine (Bergsma et al. 2025, "Straight to
/// zero").
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// At a constant pace
    Linear,
    /// Along half a cosine wave (Loshchilov & Hutter 2017)
    Cosine,
    /// Not at all
    Constant,
}

/// Linear warm-up to `peak`, then a decay to `floor * peak`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// The highest learning rate.
    pub(crate) peak: f64,
    /// Share of the budget before the peak.
    pub(crate) warmup: f64,
    /// The shape after the peak.
    pub(crate) decay: Decay,
    /// The last learning rate over the peak.
    pub(crate) floor: f64,
}

impl Schedule {
    /// The learning rate when the share `used` of the budget, 0 to 1, is used up.
    pub(crate) fn rate(&self, used: f64) -> f64 {
        if used < self.warmup {
            return self.peak * used / self.warmup;
        }
        let fallen =
            if self.warmup < 1.0 { ((used - self.warmup) / (1.0 - self.warmup)).min(1.0) } else { 0.0 };
        let height = match self.decay {
            Decay::Linear => 1.0 - fallen,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * fallen).cos()),
            Decay::Constant => 1.0,
        };
        self.peak * (self.floor + (1.0 - self.floor) * height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(decay: Decay, expected: &[(f64, f64)]) {
        let schedule = Schedule { peak: 2.0, warmup: 0.2, decay, floor: 0.1 };
        for &(used, rate) in expected {
            assert!(
                (schedule.rate(used) - rate).abs() < 1e-12,
                "{decay:?} at {used}: {}",
                schedule.rate(used)
            );
        }
    }

    #[test]
    fn rises_and_falls() {
        check(Decay::Linear, &[(0.0, 0.0), (0.1, 1.0), (0.2, 2.0), (0.6, 1.1), (1.0, 0.2), (1.5, 0.2)]);
        check(Decay::Cosine, &[(0.1, 1.0), (0.2, 2.0), (0.6, 1.1), (1.0, 0.2)]);
        check(Decay::Constant, &[(0.1, 1.0), (0.2, 2.0), (1.0, 2.0)]);
    }

    #[test]
    fn warmup_may_be_none_or_all() {
        for (warmup, used, rate) in [(0.0, 0.0, 1.0), (0.0, 0.5, 0.5), (1.0, 0.5, 0.5), (1.0, 1.0, 1.0)] {
            let schedule = Schedule { peak: 1.0, warmup, decay: Decay::Linear, floor: 0.0 };
            assert!((schedule.rate(used) - rate).abs() < 1e-12, "warm-up {warmup} at {used}");
        }
    }
}
