//! `preprocess.json`: what became of every conversation that preprocess read, and what the tokens cost.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Split;
use crate::{Error, Result};

/// The file's name.
pub const FILE: &str = "preprocess.json";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How the stage was asked to work.
    pub options: Options,
    /// Conversations read; each is either kept or dropped: `read = kept + dropped`.
    pub read: usize,
    /// Conversations written to the three splits.
    pub kept: usize,
    /// Conversations left out: the sum of `drops`.
    pub dropped: usize,
    /// What was read and kept of each source, in the order of their names. Files of before have no rows.
    #[serde(default)]
    pub sources: Vec<SourceFigures>,
    /// Why conversations were left out; every reason has its row, also where it took none.
    pub drops: Vec<Dropped>,
    /// Changes to conversations that may have been kept.
    pub changes: Changes,
    /// Private things that were found, by kind; every kind has its row, also where there was none. Files of before
    /// have no rows.
    #[serde(default)]
    pub private: Vec<PrivateCount>,
    /// The tokenizer's size.
    pub vocabulary: Vocabulary,
    /// The figures of train, valid and test, in this order.
    pub splits: Vec<SplitFigures>,
    /// How long what was kept is.
    #[serde(default)]
    pub lengths: Lengths,
}

/// What became of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFigures {
    /// The source's name.
    pub source: String,
    /// Conversations read.
    pub read: usize,
    /// Conversations kept.
    pub kept: usize,
}

/// How long what was kept is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lengths {
    /// Turns by their characters.
    pub turn_characters: Vec<Bin>,
    /// Conversations by their tokens.
    pub conversation_tokens: Vec<Bin>,
}

/// A bin of a histogram: lengths above half its limit and up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// Its limit, a power of two.
    pub up_to: usize,
    /// How many are in it.
    pub count: usize,
}

/// How the stage was asked to work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Options {
    /// The largest vocabulary, special tokens included.
    pub vocab_size: usize,
    /// The longest conversation, in tokens; longer ones are cut before the turn that passes it.
    pub max_tokens: usize,
    /// The fewest turns of user and assistant together, counted after consecutive turns of one role became one.
    pub min_turns: usize,
    /// Percent of the conversations that name no split which go to valid, by the hash of their first question.
    pub valid_percent: f64,
    /// Percent that goes to test.
    pub test_percent: f64,
    /// What is done about private things, where it was asked for; otherwise chats are masked, and nothing else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// Similarity from which two conversations are near-duplicates, above 0 and at most 1; absent where none are looked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<f64>,
    /// Texts of the test set from which the conversations were kept apart; absent where none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decontaminate_texts: Option<usize>,
    /// The part of the conversations that was read, where only a part was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Invented secrets planted in train; they are read as if they stood in the last source. Absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<usize>,
    /// What else was asked of conversations.
    #[serde(default)]
    pub quality: Quality,
}

/// One of several parts, to which conversations belong by their first question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

/// What was asked of conversations; each is absent where it was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Quality {
    /// The least percent of letters that are Hangul.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_korean_percent: Option<f64>,
    /// The most percent of sequences of five characters that stood in the conversation before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_repetition_percent: Option<f64>,
    /// The most characters of a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turn_characters: Option<usize>,
    /// How many words a conversation must not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_words: Option<usize>,
    /// How many conversations may say the same long turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turn_repeats: Option<usize>,
}

/// What is done about private things in what people say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Nothing.
    Off,
    /// Each is replaced by a placeholder that names its kind.
    Mask,
    /// Conversations that hold one are left out.
    Drop,
}

/// A kind of private thing. Where one text can be read as several, the first kind in this order holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivateKind {
    /// A link that opens something for whoever has it.
    Link,
    /// An e-mail address.
    Email,
    /// A number of a resident: Korean, of a foreigner in Korea, or of American social security.
    ResidentNumber,
    /// A number of a payment card.
    Card,
    /// A number of a registered Korean business.
    BusinessNumber,
    /// A telephone number.
    Phone,
    /// A number of a bank account.
    Account,
    /// A number of a passport.
    Passport,
    /// A plate of a vehicle.
    Plate,
    /// An address of a house or a flat.
    Address,
    /// A name on a platform, `@name`.
    Handle,
    /// A name of somebody who takes part in the chat.
    Name,
}

impl PrivateKind {
    /// All kinds, in order.
    pub const ALL: [Self; 12] = [
        Self::Link,
        Self::Email,
        Self::ResidentNumber,
        Self::Card,
        Self::BusinessNumber,
        Self::Phone,
        Self::Account,
        Self::Passport,
        Self::Plate,
        Self::Address,
        Self::Handle,
        Self::Name,
    ];

    /// The word in placeholders: `[PHONE_1]`.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Link => "LINK",
            Self::Email => "EMAIL",
            Self::ResidentNumber => "RESIDENT_NUMBER",
            Self::Card => "CARD",
            Self::BusinessNumber => "BUSINESS_NUMBER",
            Self::Phone => "PHONE",
            Self::Account => "ACCOUNT",
            Self::Passport => "PASSPORT",
            Self::Plate => "PLATE",
            Self::Address => "ADDRESS",
            Self::Handle => "HANDLE",
            Self::Name => "NAME",
        }
    }
}

/// A row of the table of private things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrivateCount {
    /// What.
    pub kind: PrivateKind,
    /// How often it was found.
    pub found: usize,
}

/// Why a conversation was left out. Each is counted under the first reason that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing is left after cleaning.
    Empty,
    /// Nobody answers.
    NoAssistantTurn,
    /// Fewer turns than `min_turns`.
    TooShort,
    /// A turn has more characters than `max_turn_characters`.
    LongTurn,
    /// Less of it is Korean than `min_korean_percent`.
    Language,
    /// More of it was said before than `max_repetition_percent`.
    Repetition,
    /// It holds one of the words to drop.
    DroppedWord,
    /// Somebody says what the test set to keep apart from says.
    Contaminated,
    /// Somebody says something private, and such conversations are dropped.
    Private,
    /// One of its long turns is said in more conversations than `max_turn_repeats`.
    Boilerplate,
    /// Equal, turn by turn, to another one of the same split.
    Duplicate,
    /// Equal, turn by turn, to one of a split that is held out further: train yields to valid, both to test.
    HeldOut,
    /// Almost equal to another one of the same split, or of one that is held out further.
    NearDuplicate,
    /// Not even the first answer fits into `max_tokens`.
    TooLong,
}

impl Reason {
    /// All reasons, in the order in which they are tried.
    pub const ALL: [Self; 14] = [
        Self::Empty,
        Self::NoAssistantTurn,
        Self::TooShort,
        Self::LongTurn,
        Self::Language,
        Self::Repetition,
        Self::DroppedWord,
        Self::Contaminated,
        Self::Private,
        Self::Boilerplate,
        Self::Duplicate,
        Self::HeldOut,
        Self::NearDuplicate,
        Self::TooLong,
    ];
}

/// A row of the table of drops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub conversations: usize,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// A conversation that was left out beside one that was not; what is private is masked, and what is long is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// What was left out.
    pub dropped: String,
    /// What passed the same filter: of duplicates, the one that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// Changes to what was read, counted over all conversations, also those that were dropped later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Turns without words, removed.
    pub empty_turns: usize,
    /// Turns joined to the one before, which the same role speaks.
    pub merged_turns: usize,
    /// Conversations cut to `max_tokens`.
    pub cut_conversations: usize,
    /// Turns that the cuts took away.
    pub cut_turns: usize,
}

/// The tokenizer's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vocabulary {
    /// Its tokens: special ones, the 256 bytes, and merges. Below `options.vocab_size` where the training text
    /// repeats too little.
    pub size: usize,
    /// Its special tokens.
    pub special: usize,
    /// Its merges.
    pub merges: usize,
    /// Whence it is.
    #[serde(default)]
    pub origin: Origin,
}

/// Whence a tokenizer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Fitted to what train says.
    #[default]
    Fitted,
    /// Given.
    Given,
}

/// The figures of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SplitFigures {
    /// Which.
    pub split: Split,
    /// Conversations kept.
    pub conversations: usize,
    /// Their turns.
    pub turns: usize,
    /// Tokens, those of the chat template included.
    pub tokens: usize,
    /// Tokens that are training targets.
    pub targets: usize,
    /// Tokens of the longest conversation.
    pub longest: usize,
    /// Unicode characters of the turns' contents.
    pub characters: usize,
    /// UTF-8 bytes of the turns' contents.
    pub bytes: usize,
    /// Tokens of the turns' contents alone.
    pub content_tokens: usize,
    /// `characters / content_tokens`, 0 without tokens.
    pub characters_per_token: f64,
    /// `bytes / content_tokens`, 0 without tokens.
    pub bytes_per_token: f64,
}

impl Summary {
    /// Checks that every conversation is accounted for; `path` is the file to name.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the counts contradict each other.
    pub fn check(&self, path: &Path) -> Result<()> {
        let fail = |expected: &str, found: String| Err(Error::malformed(path, expected, found));
        if Some(self.read) != self.kept.checked_add(self.dropped) {
            let found = format!("{} and {} + {}", self.read, self.kept, self.dropped);
            return fail("read = kept + dropped", found);
        }
        // The file may come from anyone, and its sums may overflow.
        let dropped = self.drops.iter().fold(0, |sum: usize, row| sum.saturating_add(row.conversations));
        if dropped != self.dropped {
            return fail("dropped as the sum of drops", format!("{} and {dropped}", self.dropped));
        }
        let kept = self.splits.iter().fold(0, |sum: usize, split| sum.saturating_add(split.conversations));
        if kept != self.kept {
            return fail("kept as the sum of splits", format!("{} and {kept}", self.kept));
        }
        if self.splits.iter().map(|figures| figures.split).ne(Split::ALL) {
            let found: Vec<_> = self.splits.iter().map(|figures| figures.split.name()).collect();
            return fail("splits train, valid and test", found.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let figures = |split, conversations| SplitFigures {
            split,
            conversations,
            turns: 0,
            tokens: 0,
            targets: 0,
            longest: 0,
            characters: 0,
            bytes: 0,
            content_tokens: 0,
            characters_per_token: 0.0,
            bytes_per_token: 0.0,
        };
        Summary {
            options: Options {
                vocab_size: 300,
                max_tokens: 64,
                min_turns: 2,
                valid_percent: 5.0,
                test_percent: 5.0,
                privacy: None,
                near_duplicates: None,
                decontaminate_texts: None,
                shard: None,
                canaries: None,
                quality: Quality::default(),
            },
            read: 6,
            kept: 3,
            dropped: 3,
            sources: Vec::new(),
            drops: vec![
                Dropped { reason: Reason::Empty, conversations: 1, examples: Vec::new() },
                Dropped { reason: Reason::Duplicate, conversations: 2, examples: Vec::new() },
            ],
            changes: Changes::default(),
            private: Vec::new(),
            vocabulary: Vocabulary { size: 300, special: 5, merges: 39, origin: Origin::Fitted },
            splits: vec![figures(Split::Train, 2), figures(Split::Valid, 1), figures(Split::Test, 0)],
            lengths: Lengths::default(),
        }
    }

    #[test]
    fn accepts_a_summary_that_adds_up() {
        summary().check(Path::new(FILE)).unwrap();
    }

    #[test]
    fn refuses_a_conversation_that_went_missing() {
        let changes: [fn(&mut Summary); 5] = [
            |summary| summary.read = 7,
            |summary| summary.kept = usize::MAX,
            |summary| summary.drops[1].conversations = 1,
            |summary| summary.splits[0].conversations = usize::MAX,
            |summary| summary.splits.swap(0, 1),
        ];
        for change in changes {
            let mut summary = summary();
            change(&mut summary);
            let error = summary.check(Path::new(FILE)).unwrap_err().to_string();
            assert!(error.starts_with("preprocess.json: expected "), "{error}");
        }
    }
}
