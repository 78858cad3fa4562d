//! How long training lasts, and what falls due on the way.

use serde::{Deserialize, Serialize};

/// What the user grants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Budget {
    /// Steps of the optimizer.
    Steps(u64),
    /// Passes over the training split.
    Epochs(f64),
    /// Minutes by the clock.
    Minutes(f64),
}

/// Between two validations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interval {
    /// Steps of the optimizer.
    Steps(u64),
    /// A share of the budget.
    Share(f64),
}

/// A budget, once the number of batches of an epoch is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Length {
    /// Steps of the optimizer.
    Steps(u64),
    /// Seconds by the clock.
    Seconds(f64),
}

/// How far training has come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Position {
    /// Steps taken.
    pub(crate) steps: u64,
    /// Seconds used, over all runs.
    pub(crate) seconds: f64,
}

impl Budget {
    /// The same in steps or seconds.
    pub(crate) fn length(self, steps_per_epoch: usize) -> Length {
        match self {
            Self::Steps(steps) => Length::Steps(steps),
            Self::Epochs(epochs) => Length::Steps(((epochs * steps_per_epoch as f64).ceil() as u64).max(1)),
            Self::Minutes(minutes) => Length::Seconds(minutes * 60.0),
        }
    }
}

impl Length {
    /// The share that is used up.
    pub(crate) fn used(self, at: Position) -> f64 {
        match self {
            Self::Steps(steps) => at.steps as f64 / steps as f64,
            Self::Seconds(seconds) => at.seconds / seconds,
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_used_up(self, at: Position) -> bool {
        match self {
            Self::Steps(steps) => at.steps >= steps,
            Self::Seconds(seconds) => at.seconds >= seconds,
        }
    }

    /// Whether the step that led from `before` to `now` ended an interval, or the budget.
    pub(crate) fn is_due(self, interval: Interval, before: Position, now: Position) -> bool {
        if self.is_used_up(now) {
            return true;
        }
        match (interval, self) {
            (Interval::Steps(every), _) => now.steps.is_multiple_of(every),
            (Interval::Share(share), Self::Steps(steps)) => {
                now.steps.is_multiple_of(((steps as f64 * share).round() as u64).max(1))
            }
            (Interval::Share(share), Self::Seconds(_)) => {
                (self.used(now) / share).floor() > (self.used(before) / share).floor()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(length: Length, interval: Interval) -> Vec<u64> {
        let at = |steps| Position { steps, seconds: steps as f64 };
        (1..=20)
            .filter(|&step| length.is_due(interval, at(step - 1), at(step)))
            .take_while(|&s| s <= 20)
            .collect()
    }

    #[test]
    fn a_budget_becomes_steps_or_seconds() {
        assert_eq!(Budget::Steps(7).length(10), Length::Steps(7));
        assert_eq!(Budget::Epochs(1.25).length(10), Length::Steps(13));
        assert_eq!(Budget::Epochs(0.001).length(10), Length::Steps(1));
        assert_eq!(Budget::Minutes(0.5).length(10), Length::Seconds(30.0));
    }

    #[test]
    fn validations_fall_due_evenly_and_at_the_end() {
        assert_eq!(due(Length::Steps(19), Interval::Steps(6)), [6, 12, 18, 19, 20]);
        assert_eq!(due(Length::Steps(20), Interval::Share(0.25)), [5, 10, 15, 20]);
        assert_eq!(due(Length::Seconds(20.0), Interval::Share(0.25)), [5, 10, 15, 20]);
        assert_eq!(due(Length::Seconds(18.0), Interval::Steps(5)), [5, 10, 15, 18, 19, 20]);
    }
}
