//! The `preprocess` stage: conversations to a tokenizer and token shards.
//!
//! Clean, mask what is private, split, drop duplicates, fit the tokenizer to what train says, encode, write. Every conversation that is
//! read is either kept or counted under the reason why not.

mod canaries;
mod clean;
mod decontaminate;
mod duplicates;
mod encode;
mod figures;
mod guard;
mod near;
mod options;
mod quality;
mod split;
mod vocabulary;

use std::path::{Path, PathBuf};

use anyhow::Context;
use artifact::conversation::{self, Conversation, Split};
use artifact::json::LinesWriter;
use artifact::preprocess::{Changes, FILE, Options, Reason, SplitFigures, Summary, Vocabulary};
use artifact::shard::{self, Document, Documents};
use artifact::tokenizer::{ChatTokenizer, SPECIAL};
use artifact::{Error, OutDir, json, response};
use clap::Parser;
use fs_err as fs;

use decontaminate::TestSet;
use encode::Encoded;
use figures::Drops;
use guard::Guard;
use quality::Filters;

pub use options::{PrivacyName, QualityArguments};

/// Turns conversations into a tokenizer and token shards.
///
/// Cleans the text (Unicode NFC, white space, control characters), joins consecutive turns of one role, masks what is
/// private in chats, drops duplicates, splits into train, valid and test, fits a byte-level BPE tokenizer to train, and writes the tokens of
/// every conversation with the flags that say which of them are training targets.
#[derive(Debug, Clone, Parser)]
#[command(name = "preprocess", version, about)]
pub struct Arguments {
    /// Directory with conversations-*.jsonl
    #[arg(long, value_name = "DIR")]
    pub conversations: PathBuf,
    /// Largest vocabulary in tokens, at least 261; smaller where the text repeats too little
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    pub vocab_size: usize,
    /// Longest conversation in tokens; longer ones are cut after the last answer that fits
    #[arg(long, value_name = "TOKENS", default_value_t = 512)]
    pub max_tokens: usize,
    /// Fewest turns of user and assistant together; conversations with fewer are dropped
    #[arg(long, value_name = "TURNS", default_value_t = 2)]
    pub min_turns: usize,
    /// Percent of the conversations that name no split which go to valid, chosen by their first question
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub valid_percent: f64,
    /// Percent of the conversations that name no split which go to test, chosen by their first question
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub test_percent: f64,
    /// What to do about private things: numbers of telephones, residents, cards, accounts, addresses, names of those who
    /// take part, and so on [default: mask in chats, off in other sources]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub privacy: Option<PrivacyName>,
    /// Drop conversations that are almost equal to another: from this similarity on, the share of sequences of five
    /// letters that both have, above 0 and at most 1 [default: only equal ones are dropped]
    #[arg(long, value_name = "SIMILARITY")]
    pub near_duplicates: Option<f64>,
    /// Drop conversations that overlap this test set: that say one of its turns (of at least 8 letters, but for blanks
    /// and signs) or 40 letters in a row; conversations as .jsonl, or a text on each line
    #[arg(long, value_name = "FILE")]
    pub decontaminate: Option<PathBuf>,
    /// Plant this many invented telephone numbers in train, each in eight conversations, so that evaluate can measure
    /// what a model trained on such data gives away; at most 1000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub canaries: u32,
    /// Directory to write; must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What conversations must be like
    #[command(flatten)]
    pub quality: QualityArguments,
    /// Language and threads
    #[command(flatten)]
    pub common: terminal::Common,
}

/// Runs the stage.
///
/// # Errors
/// When an option makes no sense, the conversations cannot be read or leave nothing to train on, or the output
/// cannot be written.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut options = options::check(&arguments)?;
    let Arguments { conversations: from, decontaminate, quality, out, .. } = arguments;
    let test_set = decontaminate.as_deref().map(TestSet::read).transpose()?;
    let filters = Filters::new(options.quality, quality.drop_words.as_deref())?;
    options.quality = filters.limits();
    options.decontaminate_texts = test_set.as_ref().map(|set| set.texts);
    let out = OutDir::create(&out)?;

    let mut drops = Drops::default();
    let mut changes = Changes::default();
    let mut guard = Guard::new(&from, options.privacy, test_set)?;
    let canaries = options.canaries.map(canaries::invent);
    let planted = canaries.as_ref().map(|canaries| canaries::talks(canaries, &from)).transpose()?;
    let all = conversation::read_dir(&from)?.chain(planted.into_iter().flatten().map(Ok));
    let (read, mut talks) = read(all, &options, &filters, &mut guard, &mut drops, &mut changes)?;
    split::assign(&mut talks, &options);
    drop_duplicates(&mut talks, &mut drops);
    if let Some(similarity) = options.near_duplicates {
        drop_near_duplicates(&mut talks, similarity, &mut drops);
    }
    require_train(&from, &talks, &drops)?;

    let train = talks.iter().filter(|talk| talk.split == Some(Split::Train));
    let texts = train.flat_map(|talk| talk.messages.iter().map(|message| message.content.as_str()));
    let tokenizer = vocabulary::fit(texts, options.vocab_size)?;
    let (talks, encoded) = encode(&tokenizer, talks, &options, &mut drops, &mut changes)?;
    require_train(&from, &talks, &drops)?;

    let splits = write(out.path(), &tokenizer, &talks, &encoded)?;
    copy_responses(&from, out.path())?;
    if let Some(canaries) = canaries {
        canaries.write(out.path())?;
    }
    let size = tokenizer.vocab_size();
    let summary = Summary {
        options,
        read,
        kept: talks.len(),
        dropped: drops.total(),
        drops: drops.table(),
        changes,
        private: guard.table(),
        vocabulary: Vocabulary { size, special: SPECIAL.len(), merges: size - options::SMALLEST_VOCABULARY },
        splits,
    };
    summary.check(&out.path().join(FILE)).context("every conversation is accounted for")?;
    json::write(&out.path().join(FILE), &summary)?;
    out.publish()?;
    for line in figures::tell(&summary) {
        eprintln!("preprocess: {line}");
    }
    Ok(())
}

/// Cleans; gives how many were read and those that are left.
fn read(
    all: impl Iterator<Item = artifact::Result<Conversation>>,
    options: &Options,
    filters: &Filters,
    guard: &mut Guard,
    drops: &mut Drops,
    changes: &mut Changes,
) -> artifact::Result<(usize, Vec<Conversation>)> {
    let mut read = 0;
    let mut talks = Vec::new();
    for talk in all {
        let mut talk = talk?;
        read += 1;
        talk.messages = clean::clean_messages(talk.messages, changes);
        if talk.messages.is_empty() {
            drops.add(Reason::Empty);
        } else if !clean::has_answer(&talk.messages) {
            drops.add(Reason::NoAssistantTurn);
        } else if clean::spoken_turns(&talk.messages) < options.min_turns {
            drops.add(Reason::TooShort);
        } else if let Some(reason) = filters.refuse(&talk.messages).or_else(|| guard.refuse(&mut talk)) {
            drops.add(reason);
        } else {
            talks.push(talk);
        }
    }
    Ok((read, talks))
}

/// The split of a conversation after [`split::assign`].
fn split_of(talk: &Conversation) -> Split {
    talk.split.expect("every conversation has a split once they are assigned")
}

fn drop_duplicates(talks: &mut Vec<Conversation>, drops: &mut Drops) {
    let reasons = duplicates::find(talks.iter().map(|talk| (split_of(talk), talk.messages.as_slice())));
    let mut reasons = reasons.into_iter();
    talks.retain(|_| match reasons.next().flatten() {
        Some(reason) => {
            drops.add(reason);
            false
        }
        None => true,
    });
}

fn drop_near_duplicates(talks: &mut Vec<Conversation>, similarity: f64, drops: &mut Drops) {
    let turns = talks.iter().map(|talk| (split_of(talk), talk.messages.as_slice()));
    let mut goes = near::find(turns, similarity).into_iter();
    talks.retain(|_| {
        let goes = goes.next().unwrap_or_default();
        if goes {
            drops.add(Reason::NearDuplicate);
        }
        !goes
    });
}

/// A model must have something to learn from.
fn require_train(from: &Path, talks: &[Conversation], drops: &Drops) -> artifact::Result<()> {
    if talks.iter().any(|talk| split_of(talk) == Split::Train) {
        return Ok(());
    }
    let found = match (drops.total(), talks.len()) {
        (0, 0) => "none at all".to_owned(),
        (0, held_out) => format!("{held_out} in valid and test"),
        (dropped, held_out) => {
            let reasons = figures::reasons(&drops.table());
            format!("{held_out} in valid and test, {dropped} dropped ({reasons})")
        }
    };
    Err(Error::malformed(from, "conversations to train on", found)
        .with_hint("collect more, or relax --min-turns, --max-tokens, --valid-percent and --test-percent"))
}

/// Encodes and cuts; drops what does not fit, and what cutting has made equal to another.
fn encode(
    tokenizer: &ChatTokenizer,
    talks: Vec<Conversation>,
    options: &Options,
    drops: &mut Drops,
    changes: &mut Changes,
) -> artifact::Result<(Vec<Conversation>, Vec<Encoded>)> {
    let encoded = encode::encode(tokenizer, &talks, options.max_tokens)?;
    let mut kept = Vec::with_capacity(talks.len());
    for (mut talk, encoded) in talks.into_iter().zip(encoded) {
        let fits =
            |encoded: &Encoded| clean::spoken_turns(&talk.messages[..encoded.turns]) >= options.min_turns;
        let Some(encoded) = encoded.filter(fits) else {
            drops.add(Reason::TooLong);
            continue;
        };
        let cut = talk.messages.len() - encoded.turns;
        changes.cut_conversations += usize::from(cut > 0);
        changes.cut_turns += cut;
        talk.messages.truncate(encoded.turns);
        kept.push((talk, encoded));
    }
    let reasons = duplicates::find(kept.iter().map(|(talk, _)| (split_of(talk), talk.messages.as_slice())));
    let mut left = (Vec::with_capacity(kept.len()), Vec::with_capacity(kept.len()));
    for (pair, reason) in kept.into_iter().zip(reasons) {
        match reason {
            Some(reason) => drops.add(reason),
            None => left.extend([pair]),
        }
    }
    Ok(left)
}

/// Writes tokenizer, shards and held-out text; gives the figures of each split.
fn write(
    dir: &Path,
    tokenizer: &ChatTokenizer,
    talks: &[Conversation],
    encoded: &[Encoded],
) -> artifact::Result<Vec<SplitFigures>> {
    tokenizer.write(dir)?;
    let mut all = Vec::new();
    for split in Split::ALL {
        let mut documents = Documents::new();
        let mut figures = figures::none(split);
        let mut text = match split {
            Split::Train => None,
            Split::Valid | Split::Test => Some(LinesWriter::create(&dir.join(format!("{split}.jsonl")))?),
        };
        for (talk, Encoded { rendered, .. }) in talks.iter().zip(encoded) {
            if split_of(talk) != split {
                continue;
            }
            documents.push(Document { tokens: &rendered.tokens, loss: &rendered.loss });
            figures::add(&mut figures, &talk.messages, rendered);
            if let Some(text) = &mut text {
                text.write(talk)?;
            }
        }
        if let Some(text) = &mut text {
            text.flush()?;
        }
        shard::write_split(dir, split, &documents, tokenizer.vocab_size())?;
        all.push(figures);
    }
    Ok(all)
}

/// The response templates, which evaluation compares replies with, go with the data.
fn copy_responses(from: &Path, to: &Path) -> artifact::Result<()> {
    let path = from.join(response::FILE);
    if path.is_file() {
        fs::copy(path, to.join(response::FILE))?;
    }
    Ok(())
}
