//! Options, once they are checked.

use artifact::{Error, Result};
use clap::ValueEnum;
use model::Precision;
use model::decoder::Dropout;
use model::ngram::Memory;
use serde::{Deserialize, Serialize};

use crate::Arguments;
use crate::arguments::CountingArguments;
use crate::budget::{Budget, Interval};
use crate::optimizer::Constants;
use crate::schedule::Schedule;
use crate::{adamw, muon};

/// Which weights become the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// Those of the lowest validation loss
    Best,
    /// Those of the last step
    Last,
}

/// What moves the matrices between activations; `AdamW` moves the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Optimizer {
    /// Each value by the size of its own gradients (Loshchilov & Hutter 2019)
    Adamw,
    /// All directions of a matrix alike (Jordan et al. 2024): learns more of each token
    Muon,
}

/// What the factors of matrix products are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// bf16 where this processor multiplies it faster, f32 elsewhere
    Auto,
    /// Not rounded
    F32,
    /// bfloat16: slow on a processor that does not multiply it
    Bf16,
}

impl Rounding {
    /// Chosen for this processor.
    fn resolved(self) -> Self {
        match self {
            Self::Auto if Precision::fastest() == Precision::Bf16 => Self::Bf16,
            Self::Auto => Self::F32,
            chosen => chosen,
        }
    }

    /// As the model takes it.
    pub(crate) fn precision(self) -> Precision {
        if self.resolved() == Self::Bf16 { Precision::Bf16 } else { Precision::F32 }
    }
}

/// Everything that the result depends on, beside data, model and number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// How long to train.
    pub(crate) budget: Budget,
    /// Rows of a batch, about.
    pub(crate) batch_tokens: usize,
    /// The learning rate over the run.
    pub(crate) schedule: Schedule,
    /// The optimizer's constants.
    pub(crate) optimizer: Constants,
    /// Share of what each layer adds that is dropped.
    pub(crate) dropout: f64,
    /// What the factors of products are rounded to; never left to be chosen.
    pub(crate) precision: Rounding,
    /// The largest norm of a gradient.
    pub(crate) clip: f64,
    /// Seed of the order of documents.
    pub(crate) seed: u64,
    /// Between two validations.
    pub(crate) valid_every: Interval,
    /// What the model is asked at each.
    pub(crate) prompts: Vec<String>,
    /// Which weights become the result.
    pub(crate) publish: Publish,
}

impl Settings {
    /// Checks the options for a model of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Refused`] naming the option that is missing or out of its range.
    pub(crate) fn checked(arguments: &Arguments, channels: usize) -> Result<Self> {
        let positive = |name, value| within(name, value, f64::MIN_POSITIVE, f64::MAX, "above 0");
        let share = |name, value| within(name, value, 0.0, 1.0, "from 0 to 1");
        let below_one = |name, value| within(name, value, 0.0, 1.0 - f64::EPSILON, "from 0 to below 1");
        let decay = |name, value| within(name, value, 0.0, f64::MAX, "0 or above");
        let rate = arguments.learning_rate.unwrap_or_else(|| default_rate(channels));
        within("--checkpoint-every", arguments.checkpoint_every, 0.0, f64::MAX, "0 or above")?;
        within("--batch-tokens", arguments.batch_tokens as f64, 1.0, f64::from(1 << 24), "from 1 to 2^24")?;
        Ok(Self {
            budget: budget(arguments)?,
            batch_tokens: arguments.batch_tokens,
            schedule: Schedule {
                peak: positive("--learning-rate", rate)?,
                warmup: share("--warmup", arguments.warmup)?,
                decay: arguments.decay,
                floor: share("--floor", arguments.floor)?,
            },
            optimizer: Constants {
                adamw: adamw::Constants {
                    beta1: below_one("--beta1", arguments.beta1)?,
                    beta2: below_one("--beta2", arguments.beta2)?,
                    epsilon: positive("--epsilon", arguments.epsilon)?,
                },
                muon: (arguments.optimizer == Optimizer::Muon).then(muon::Constants::default),
                weight_decay: decay("--weight-decay", arguments.weight_decay)?,
                embedding_decay: decay(
                    "--embedding-decay",
                    arguments.embedding_decay.unwrap_or(arguments.weight_decay),
                )?,
                average: arguments.average.map(|decay| below_one("--average", decay)).transpose()?,
            },
            dropout: below_one("--dropout", arguments.dropout)?,
            precision: arguments.precision.resolved(),
            clip: positive("--clip", arguments.clip)?,
            seed: arguments.seed,
            valid_every: interval(arguments.valid_every)?,
            prompts: arguments.prompt.clone(),
            publish: arguments.publish,
        })
    }
}

impl Settings {
    /// The dropout of a step.
    pub(crate) fn dropout(&self, step: u64) -> Option<Dropout> {
        (self.dropout > 0.0).then(|| Dropout::new(self.dropout as f32, self.seed).part(step))
    }
}

/// The peak learning rate for a width.
///
/// `AdamW`'s best rate falls in proportion to the width (Yang et al. 2021, "Tensor Programs V"), and Muon's steps are as
/// large as its; the constant is what small decoders of 64 to 256 channels were seen to train well with.
fn default_rate(channels: usize) -> f64 {
    (1.5e-3 * 256.0 / channels as f64).min(6e-3)
}

fn budget(arguments: &Arguments) -> Result<Budget> {
    let given = arguments.budget;
    match (given.steps, given.epochs, given.minutes) {
        (Some(0), None, None) => Err(Error::refused("--steps 0: expected 1 or more")),
        (Some(steps), None, None) => Ok(Budget::Steps(steps)),
        // Far more than anybody can wait for, and still exact as a number of steps.
        (None, Some(epochs), None) => Ok(Budget::Epochs(within(
            "--epochs",
            epochs,
            f64::MIN_POSITIVE,
            1e6,
            "above 0, at most 1000000",
        )?)),
        (None, None, Some(minutes)) => {
            Ok(Budget::Minutes(within("--minutes", minutes, f64::MIN_POSITIVE, f64::MAX, "above 0")?))
        }
        _ => Err(Error::refused("a budget is needed: exactly one of --steps, --epochs and --minutes")
            .with_hint("--minutes 6 trains for six minutes")),
    }
}

/// Refuses a budget where a model is counted or indexed.
///
/// # Errors
/// [`Error::Refused`] when one is given.
pub(crate) fn refuse_budget(arguments: &Arguments) -> Result<()> {
    let given = arguments.budget;
    if given.steps.is_some() || given.epochs.is_some() || given.minutes.is_some() {
        return Err(Error::refused(
            "n-grams are counted, and turns indexed, in one pass that takes no budget",
        )
        .with_hint("leave out --steps, --epochs and --minutes"));
    }
    Ok(())
}

/// Checks how often n-grams must occur, and the bytes of memory for counting them.
///
/// # Errors
/// [`Error::Refused`] naming the option that is out of its range.
pub(crate) fn counting(arguments: &Arguments, order: usize) -> Result<(&[u32], usize)> {
    let CountingArguments { prune, memory } = &arguments.counting;
    let words = || prune.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    if prune.first().is_some_and(|&first| first != 0) || !prune.is_sorted() {
        let message = format!("--prune {}: expected counts that begin with 0 and never fall", words());
        return Err(Error::refused(message)
            .with_hint("every token is kept, and what extends an n-gram goes with it: --prune 0 0 1"));
    }
    if prune.len() > order {
        let message = format!("--prune {}: expected at most {order} counts, one for each length", words());
        return Err(
            Error::refused(message).with_hint("the model's longest n-gram is set by `model new --order`")
        );
    }
    let least = Memory::LEAST >> 20;
    if !(least..=1 << 24).contains(memory) {
        return Err(Error::refused(format!("--memory {memory}: expected {least} to 2^24 MiB")));
    }
    Ok((prune, memory << 20))
}

/// Refuses pruning where a model is trained.
///
/// # Errors
/// [`Error::Refused`] when it is asked for.
pub(crate) fn refuse_prune(arguments: &Arguments) -> Result<()> {
    if arguments.counting.prune.is_empty() {
        return Ok(());
    }
    Err(Error::refused("--prune is for n-gram models, and this is a neural network")
        .with_hint("leave it out"))
}

fn interval(value: f64) -> Result<Interval> {
    if value >= 1.0 && value.fract() == 0.0 && value <= 1e15 {
        return Ok(Interval::Steps(value as u64));
    }
    let expected = "a whole number of steps, or a share of the budget above 0 and below 1";
    Ok(Interval::Share(within("--valid-every", value, f64::MIN_POSITIVE, 1.0 - f64::EPSILON, expected)?))
}

fn within(name: &str, value: f64, least: f64, most: f64, expected: &str) -> Result<f64> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(Error::refused(format!("{name} {value}: expected {expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn checked(options: &str) -> std::result::Result<Settings, String> {
        let words = "train --data d --model m --out o".split(' ').chain(options.split_whitespace());
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        Settings::checked(&arguments, 256).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_follow_the_width() {
        let settings = checked("--steps 10").unwrap();
        assert_eq!(settings.budget, Budget::Steps(10));
        assert!((settings.schedule.peak - 1.5e-3).abs() < 1e-12);
        assert_eq!(settings.valid_every, Interval::Share(0.1));
        assert_eq!(settings.prompts.len(), 3);
        assert!((default_rate(768) - 5e-4).abs() < 1e-12);
        assert!((default_rate(32) - 6e-3).abs() < 1e-12);
    }

    #[test]
    fn exactly_one_budget() {
        assert_eq!(checked("--minutes 0.5").unwrap().budget, Budget::Minutes(0.5));
        assert_eq!(checked("--epochs 2").unwrap().budget, Budget::Epochs(2.0));
        assert!(checked("").unwrap_err().contains("exactly one of"));
        assert!(checked("--steps 3 --epochs 1").unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn counts_that_prune_begin_with_0_and_rise() {
        let checked = |options: &str| {
            let words = "train --data d --model m --out o".split(' ').chain(options.split_whitespace());
            let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
            counting(&arguments, 3).map(|(prune, _)| prune.to_vec()).map_err(|error| error.to_string())
        };
        assert_eq!(checked("").unwrap(), Vec::<u32>::new());
        assert_eq!(checked("--prune 0 0 1 --memory 16").unwrap(), [0, 0, 1]);
        assert_eq!(checked("--prune 0 --prune 2").unwrap(), [0, 2]);
        for options in ["--prune 1", "--prune 0 2 1", "--prune 0 0 0 1", "--memory 7"] {
            let error = checked(options).unwrap_err();
            assert!(error.starts_with(options), "{options}: {error}");
        }
    }

    #[test]
    fn names_the_option_out_of_range() {
        for options in [
            "--steps 0",
            "--epochs 0",
            "--minutes -1",
            "--steps 1 --warmup 1.5",
            "--steps 1 --learning-rate nan",
            "--steps 1 --beta2 1",
            "--steps 1 --embedding-decay -1",
            "--steps 1 --average 1",
            "--steps 1 --dropout 1",
            "--steps 1 --clip 0",
            "--steps 1 --valid-every 1.5",
            "--steps 1 --batch-tokens 0",
            "--steps 1 --checkpoint-every inf",
        ] {
            let error = checked(options).unwrap_err();
            let option = options.split(' ').rfind(|word| word.starts_with("--")).unwrap();
            assert!(error.contains(option), "{options}: {error}");
        }
    }
}
