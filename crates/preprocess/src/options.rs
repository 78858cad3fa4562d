//! What the command line asks for, checked.

use std::path::PathBuf;

use artifact::preprocess::{Options, Privacy, Quality, Shard};
use artifact::tokenizer::SPECIAL;
use artifact::{Error, Result};

use clap::{Args, ValueEnum};

use crate::Arguments;

/// What conversations must be like.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Quality")]
pub struct QualityArguments {
    /// Drop conversations of whose letters fewer are Hangul [default: any language is kept]
    #[arg(long, value_name = "PERCENT")]
    pub min_korean_percent: Option<f64>,
    /// Drop conversations that repeat themselves more: of their sequences of five characters, those that stood before
    /// [default: any is kept]
    #[arg(long, value_name = "PERCENT")]
    pub max_repetition_percent: Option<f64>,
    /// Drop conversations with a longer turn [default: any is kept]
    #[arg(long, value_name = "CHARACTERS")]
    pub max_turn_characters: Option<usize>,
    /// Drop conversations with boilerplate: a turn of at least 20 letters that more conversations than this say
    /// [default: any is kept]
    #[arg(long, value_name = "CONVERSATIONS")]
    pub max_turn_repeats: Option<usize>,
    /// Drop conversations that hold one of the words in this file, one a line, in upper or lower case
    #[arg(long, value_name = "FILE")]
    pub drop_words: Option<PathBuf>,
}

/// What is done about private things, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrivacyName {
    /// Leave them
    Off,
    /// Replace each by a placeholder that names its kind
    Mask,
    /// Leave out conversations that hold one
    Drop,
}

/// The smallest vocabulary: the special tokens and the 256 bytes, from which any text can be written.
pub(crate) const SMALLEST_VOCABULARY: usize = SPECIAL.len() + 256;

/// The largest: beyond it the embedding of a small model would be most of it, and training would need days.
const LARGEST_VOCABULARY: usize = 1 << 20;

/// MiB for what is read, encoded and written at once, whatever its size, and for something to sort.
const SMALLEST_MEMORY: usize = 320;

/// More machines than anybody has.
const MOST_SHARDS: usize = 100_000;

/// Tokens of the shortest talk that can teach something: begin, question, answer, and what frames them.
const SMALLEST_MAX_TOKENS: usize = 8;

/// The options that `arguments` hold.
///
/// # Errors
/// [`Error::Refused`] when a value makes no sense.
pub(crate) fn check(arguments: &Arguments) -> Result<Options> {
    let &Arguments {
        vocab_size,
        max_tokens,
        min_turns,
        valid_percent,
        test_percent,
        privacy,
        near_duplicates,
        shard,
        canaries,
        ..
    } = arguments;
    if !(SMALLEST_VOCABULARY..=LARGEST_VOCABULARY).contains(&vocab_size) {
        let special = SPECIAL.len();
        return Err(Error::refused(format!(
            "--vocab-size {vocab_size}: expected {SMALLEST_VOCABULARY} to {LARGEST_VOCABULARY}"
        ))
        .with_hint(format!("{special} special tokens and 256 bytes come before the first merge; try 4096")));
    }
    if max_tokens < SMALLEST_MAX_TOKENS {
        let message = format!("--max-tokens {max_tokens}: expected at least {SMALLEST_MAX_TOKENS}");
        return Err(Error::refused(message).with_hint("try 512"));
    }
    for (name, percent) in [("--valid-percent", valid_percent), ("--test-percent", test_percent)] {
        if !(0.0..100.0).contains(&percent) {
            return Err(Error::refused(format!("{name} {percent}: expected a number from 0 to below 100")));
        }
    }
    if valid_percent + test_percent >= 100.0 {
        let sum = valid_percent + test_percent;
        let message = format!("--valid-percent and --test-percent add up to {sum}: expected less than 100");
        return Err(Error::refused(message).with_hint("the rest is what the model learns from"));
    }
    if let Some(similarity) = near_duplicates.filter(|similarity| !(*similarity > 0.0 && *similarity <= 1.0))
    {
        let message = format!("--near-duplicates {similarity}: expected a number above 0 and at most 1");
        return Err(Error::refused(message).with_hint("try 0.8"));
    }
    if arguments.memory < SMALLEST_MEMORY {
        let message = format!("--memory {}: expected at least {SMALLEST_MEMORY} MiB", arguments.memory);
        return Err(
            Error::refused(message).with_hint("that much is needed for what is read and written at once")
        );
    }
    if shard.is_some() && arguments.tokenizer.is_none() {
        return Err(Error::refused(
            "--shard without --tokenizer: each part would have a vocabulary of its own",
        )
        .with_hint("preprocess a part as it is, and give its directory to all others as --tokenizer"));
    }
    let privacy = privacy.map(|privacy| match privacy {
        PrivacyName::Off => Privacy::Off,
        PrivacyName::Mask => Privacy::Mask,
        PrivacyName::Drop => Privacy::Drop,
    });
    Ok(Options {
        vocab_size,
        max_tokens,
        min_turns,
        valid_percent,
        test_percent,
        privacy,
        near_duplicates,
        decontaminate_texts: None,
        shard,
        canaries: (canaries > 0).then_some(canaries as usize),
        quality: quality(arguments)?,
    })
}

/// What is asked of conversations; the words to drop are counted when they are read.
fn quality(arguments: &Arguments) -> Result<Quality> {
    let QualityArguments {
        min_korean_percent,
        max_repetition_percent,
        max_turn_characters,
        max_turn_repeats,
        ..
    } = arguments.quality;
    let percents =
        [("--min-korean-percent", min_korean_percent), ("--max-repetition-percent", max_repetition_percent)];
    for (name, percent) in percents {
        if let Some(percent) = percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
            return Err(Error::refused(format!("{name} {percent}: expected a number from 0 to 100")));
        }
    }
    Ok(Quality {
        min_korean_percent,
        max_repetition_percent,
        max_turn_characters,
        dropped_words: None,
        max_turn_repeats,
    })
}

/// `3/8`: the third of eight.
pub(crate) fn parse_shard(text: &str) -> std::result::Result<Shard, String> {
    let numbers =
        text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((number, of)) if 1 <= number && number <= of && of <= MOST_SHARDS => Ok(Shard { number, of }),
        _ => Err(format!("expected which of how many, as 1/8, and at most {MOST_SHARDS}")),
    }
}
