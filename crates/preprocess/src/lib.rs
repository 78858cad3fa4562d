//! The `preprocess` stage: conversations to a tokenizer and token shards.
//!
//! Clean, mask what is private, split, drop duplicates, fit the tokenizer to what train says, encode, write. Every conversation that is
//! read is either kept or counted under the reason why not.
//!
//! Conversations are never all in memory. The first pass ([`gather`]) puts what is left of them on disk, with keys by
//! which later passes compare them; two bytes of memory for each ([`standing`]) say what was decided.

mod canaries;
mod clean;
mod column;
mod cut;
mod decontaminate;
mod duplicates;
mod examples;
mod figures;
mod gather;
mod guard;
mod merges;
mod near;
mod options;
mod output;
mod page;
mod picture;
mod quality;
mod repeats;
mod rounds;
mod split;
mod spool;
mod standing;
mod topics;
mod vocabulary;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use artifact::conversation::Split;
use artifact::preprocess::{
    Example, FILE, Options, Origin, PrivateCount, PrivateKind, Reason, Shard, SourceFigures, Summary,
    Vocabulary,
};
use artifact::tokenizer::{ChatTokenizer, Encoder, SPECIAL};
use artifact::{Error, OutDir, json, response, write_atomic};
use clap::Parser;
use fs_err as fs;
use terminal::{Lang, Progress};

use cut::{Cuts, Limits};
use decontaminate::TestSet;
use examples::FirstPairs;
use gather::{Gate, Gathered};
use guard::Guard;
use output::{Writing, Written};
use quality::Filters;
use spool::Spool;
use standing::Standing;
use vocabulary::WordCounts;

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
    /// Take the tokenizer of this directory, as it is, and fit none
    #[arg(long, value_name = "DIR")]
    pub tokenizer: Option<PathBuf>,
    /// Read one part of several, as 1/8, on as many machines with the same conversations and the same --tokenizer. A
    /// conversation belongs to the part that its first question tells, and to the split that it would have without parts, so
    /// that equal ones always meet, and near-duplicates do where they begin alike. What is written for a part is whole by
    /// itself; to train on several, put their train-*.safetensors into one directory under numbers that follow each other
    #[arg(long, value_name = "I/N", value_parser = options::parse_shard)]
    pub shard: Option<Shard>,
    /// Memory to stay within, whatever the size of the conversations, but for 2 bytes for each and 8 for each that is
    /// cut. With less, comparing takes more passes, and the rarest words are left out when the tokenizer is fitted
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: usize,
    /// Plant this many invented telephone numbers in train, each in eight conversations, so that evaluate can measure
    /// what a model trained on such data gives away; at most 1000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub canaries: u32,
    /// Directory to write; must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write what became of the conversations as one HTML page: sources, filters with examples, lengths, words of each topic
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What conversations must be like
    #[command(flatten)]
    pub quality: QualityArguments,
    /// Language and threads
    #[command(flatten)]
    pub common: terminal::Common,
}

/// MiB that are taken whatever there is to do: blocks of lines, what comes of them, shards that are begun.
const FIXED_MEMORY: usize = 256;

/// Runs the stage.
///
/// # Errors
/// When an option makes no sense, the conversations cannot be read or leave nothing to train on, or the output
/// cannot be written.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut options = options::check(&arguments)?;
    let Arguments { conversations: from, decontaminate, quality, tokenizer, memory, report, out, .. } =
        arguments;
    let memory = (memory - FIXED_MEMORY) << 20;
    let test_set = decontaminate.as_deref().map(TestSet::read).transpose()?;
    let filters = Filters::new(options.quality, quality.drop_words.as_deref())?;
    options.quality = filters.limits();
    options.decontaminate_texts = test_set.as_ref().map(|set| set.texts);
    let given = tokenizer.as_deref().map(ChatTokenizer::read).transpose()?;
    let guard = Guard::new(&from, options.privacy, test_set)?;
    let out = OutDir::create(&out)?;

    let gate = Gate { options: &options, filters: &filters, guard: &guard };
    let canaries = options.canaries.map(canaries::invent);
    let planted = canaries.as_ref().map(|canaries| canaries::talks(canaries, &from)).transpose()?;
    let mut gathered = gate.gather(&from, planted.unwrap_or_default(), out.path())?;
    let mut pairs = FirstPairs::default();
    compare(&mut gathered, &options, memory, &mut pairs)?;
    let Gathered { spool, mut standings, questions, fingerprints, longest, mut tally, .. } = gathered;
    questions.remove()?;
    require_train(&from, &standings, &tally.drops)?;

    let (tokenizer, origin) = match given {
        Some(tokenizer) => (tokenizer, Origin::Given),
        None => (fit(&spool, &standings, options.vocab_size, memory)?, Origin::Fitted),
    };
    tokenizer.write(out.path())?;
    let encoder = Encoder::new(&tokenizer);
    let cuts = if longest > options.max_tokens || origin == Origin::Given {
        let limits = Limits { max_tokens: options.max_tokens, min_turns: options.min_turns, memory };
        cut::cut(
            limits,
            &spool,
            &mut standings,
            &encoder,
            fingerprints,
            &mut tally.changes,
            |reason, goes, stays| {
                pairs.add(reason, goes, stays);
            },
        )?
    } else {
        fingerprints.remove()?;
        Cuts::default()
    };
    require_train(&from, &standings, &tally.drops)?;
    let writing = Writing {
        spool: &spool,
        standings: &standings,
        cuts: &cuts,
        tokenizer: &tokenizer,
        encoder: &encoder,
        topics: report.is_some().then_some(&guard),
    };
    let Written { splits, lengths, kept, topics } = writing.write(out.path())?;

    show(pairs, &spool, &guard, &mut tally.examples)?;
    spool.remove()?;
    copy_responses(&from, out.path())?;
    if let Some(canaries) = canaries {
        canaries.write(out.path())?;
    }
    let counts = dropped(&standings, &tally.drops);
    let size = tokenizer.vocab_size();
    let summary = Summary {
        options,
        read: tally.read.values().sum(),
        kept: kept.values().sum(),
        dropped: counts.values().sum(),
        sources: sources(tally.read, &kept),
        drops: figures::drops(&counts, &mut tally.examples),
        changes: tally.changes,
        private: private(&tally.private),
        vocabulary: Vocabulary {
            size,
            special: SPECIAL.len(),
            merges: size.saturating_sub(options::SMALLEST_VOCABULARY),
            origin,
        },
        splits,
        lengths,
    };
    summary.check(&out.path().join(FILE)).context("every conversation is accounted for")?;
    json::write(&out.path().join(FILE), &summary)?;
    out.publish()?;
    if let Some(path) = &report {
        write_atomic(path, page::render(&summary, &topics).as_bytes())?;
    }
    for line in figures::tell(&summary) {
        eprintln!("preprocess: {line}");
    }
    Ok(())
}

/// Decides by comparing conversations: which split each goes to, and which say what others say.
fn compare(
    gathered: &mut Gathered,
    options: &Options,
    memory: usize,
    pairs: &mut FirstPairs,
) -> artifact::Result<()> {
    let Gathered { spool, standings, questions, fingerprints, bands, long_turns, .. } = gathered;
    split::assign(standings, questions, options, memory)?;
    if let Some((mut turns, most)) = long_turns.take().zip(options.quality.max_turn_repeats) {
        repeats::drop(standings, &mut turns, most, memory, |index| {
            pairs.add(Reason::Boilerplate, index, None);
        })?;
        turns.remove()?;
    }
    duplicates::drop(standings, fingerprints, memory, |reason, goes, stays| {
        pairs.add(reason, goes, Some(stays));
    })?;
    if let Some(bands) = bands.take() {
        bands.drop(standings, spool, memory, |goes, stays| {
            pairs.add(Reason::NearDuplicate, goes, Some(stays));
        })?;
    }
    Ok(())
}

/// Counts the words of train and learns the merges.
fn fit(
    spool: &Spool,
    standings: &[Standing],
    vocab_size: usize,
    memory: usize,
) -> artifact::Result<ChatTokenizer> {
    let counts = WordCounts::new(memory);
    let progress = Progress::new(Lang::pick("낱말", "words"), spool.size(), "bytes");
    rounds::in_rounds(
        spool.blocks()?,
        |block| {
            progress.inc(block.size());
            for talk in spool::talks(block) {
                let (index, talk) = talk?;
                let standing = standings[index as usize];
                if standing.is_kept() && standing.split() == Split::Train {
                    talk.messages.iter().for_each(|message| counts.add(&message.content));
                }
            }
            Ok(())
        },
        |()| {
            counts.prune();
            Ok(())
        },
    )?;
    progress.finish();
    vocabulary::fit(counts, vocab_size)
}

/// Conversations left out, by reason: those of the first pass, and those of the later ones.
fn dropped(standings: &[Standing], first: &BTreeMap<Reason, usize>) -> BTreeMap<Reason, usize> {
    let mut counts = first.clone();
    for reason in standings.iter().filter_map(|standing| standing.dropped) {
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

/// A model must have something to learn from.
fn require_train(
    from: &Path,
    standings: &[Standing],
    first: &BTreeMap<Reason, usize>,
) -> artifact::Result<()> {
    let mut kept = standings.iter().filter(|standing| standing.is_kept());
    if kept.any(|standing| standing.split() == Split::Train) {
        return Ok(());
    }
    let counts = dropped(standings, first);
    let held_out = standings.iter().filter(|standing| standing.is_kept()).count();
    let found = match (counts.values().sum::<usize>(), held_out) {
        (0, 0) => "none at all".to_owned(),
        (0, held_out) => format!("{held_out} in valid and test"),
        (dropped, held_out) => {
            let reasons = figures::reasons(&counts);
            format!("{held_out} in valid and test, {dropped} dropped ({reasons})")
        }
    };
    Err(Error::malformed(from, "conversations to train on", found)
        .with_hint("collect more, or relax --min-turns, --max-tokens, --valid-percent and --test-percent"))
}

/// Turns pairs of places into examples of what they hold.
fn show(
    pairs: FirstPairs,
    spool: &Spool,
    guard: &Guard,
    examples: &mut examples::Examples,
) -> artifact::Result<()> {
    let mut reader = spool.reader()?;
    for (reason, goes, stays) in pairs.into_pairs() {
        let dropped = guard.shown(&reader.get(goes)?);
        let kept = stays.map(|stays| reader.get(stays)).transpose()?.map(|talk| guard.shown(&talk));
        examples.replace(reason, Example { dropped, kept });
    }
    examples.pair();
    Ok(())
}

fn sources(read: BTreeMap<String, usize>, kept: &BTreeMap<String, usize>) -> Vec<SourceFigures> {
    let figures = |(source, read): (String, usize)| SourceFigures {
        kept: kept.get(&source).copied().unwrap_or_default(),
        source,
        read,
    };
    read.into_iter().map(figures).collect()
}

/// A row for each kind.
fn private(counts: &BTreeMap<PrivateKind, usize>) -> Vec<PrivateCount> {
    let count = |kind| PrivateCount { kind, found: counts.get(&kind).copied().unwrap_or_default() };
    PrivateKind::ALL.into_iter().map(count).collect()
}

/// The response templates, which evaluation compares replies with, go with the data.
fn copy_responses(from: &Path, to: &Path) -> artifact::Result<()> {
    let path = from.join(response::FILE);
    if path.is_file() {
        fs::copy(path, to.join(response::FILE))?;
    }
    Ok(())
}
