//! The first pass: every conversation is read, cleaned, held to the filters, masked, and kept on disk with the keys by
//! which the later passes compare it with others.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::Result;
use artifact::conversation::{self, Conversation, Split};
use artifact::preprocess::{Changes, Options, PrivateKind, Reason, Shard};
use fs_err as fs;
use terminal::{Lang, Progress};

use crate::clean;
use crate::column::Column;
use crate::duplicates::fingerprint;
use crate::examples::Examples;
use crate::guard::Guard;
use crate::near::{Banding, Bands};
use crate::quality::Filters;
use crate::repeats;
use crate::rounds::{BLOCK, in_rounds};
use crate::split::first_question;
use crate::spool::Spool;
use crate::standing::Standing;

/// What the first pass leaves.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) spool: Spool,
    pub(crate) standings: Vec<Standing>,
    pub(crate) questions: Column,
    pub(crate) fingerprints: Column,
    /// Where near-duplicates are looked for.
    pub(crate) bands: Option<Bands>,
    /// Where turns that are said again and again are looked for.
    pub(crate) long_turns: Option<Column>,
    /// The bytes of the longest conversation, as a bound of its tokens under our own template.
    pub(crate) longest: usize,
    pub(crate) tally: Tally,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Conversations read, by source.
    pub(crate) read: BTreeMap<String, usize>,
    pub(crate) drops: BTreeMap<Reason, usize>,
    pub(crate) changes: Changes,
    pub(crate) private: BTreeMap<PrivateKind, usize>,
    pub(crate) examples: Examples,
}

impl Tally {
    fn merge(&mut self, other: Self) {
        fn add<K: Ord>(to: &mut BTreeMap<K, usize>, from: BTreeMap<K, usize>) {
            for (key, count) in from {
                *to.entry(key).or_default() += count;
            }
        }
        add(&mut self.read, other.read);
        add(&mut self.drops, other.drops);
        add(&mut self.private, other.private);
        self.changes.empty_turns += other.changes.empty_turns;
        self.changes.merged_turns += other.changes.merged_turns;
        self.examples.merge(other.examples);
    }
}

/// A conversation that passed, beside its line.
struct Passed {
    length: usize,
    bytes: usize,
    split: Option<Split>,
    question: u64,
    fingerprint: u64,
    bands: Vec<u64>,
    long_turns: Vec<u64>,
}

/// What the first pass asks of conversations.
#[derive(Debug)]
pub(crate) struct Gate<'a> {
    pub(crate) options: &'a Options,
    pub(crate) filters: &'a Filters,
    pub(crate) guard: &'a Guard,
}

impl Gate<'_> {
    /// Reads the conversations of `from`, then those that are planted, and keeps what passes in `dir`.
    pub(crate) fn gather(&self, from: &Path, planted: Vec<Conversation>, dir: &Path) -> Result<Gathered> {
        let column = |name: &str| Column::create(&dir.join(name));
        let banding = self.options.near_duplicates.map(Banding::new);
        let mut gathered = Gathered {
            spool: Spool::create(dir)?,
            standings: Vec::new(),
            questions: column("questions")?,
            fingerprints: column("fingerprints")?,
            bands: banding.map(|banding| Bands::create(dir, banding)).transpose()?,
            long_turns: self.options.quality.max_turn_repeats.map(|_| column("turns")).transpose()?,
            longest: 0,
            tally: Tally::default(),
        };
        let mut bytes = 0;
        for file in conversation::files(from)? {
            bytes += fs::metadata(file)?.len();
        }
        let progress = Progress::new(Lang::pick("정리", "cleaning"), bytes, "bytes");
        in_rounds(
            conversation::read_blocks(from, BLOCK)?,
            |block| {
                progress.inc(block.size());
                self.pass(conversation::of_block(block), banding)
            },
            |passed| gathered.add(passed),
        )?;
        gathered.add(self.pass(planted.into_iter().map(Ok), banding)?)?;
        progress.finish();
        gathered.spool.finish()?;
        Ok(gathered)
    }

    fn pass(
        &self,
        talks: impl Iterator<Item = Result<Conversation>>,
        banding: Option<Banding>,
    ) -> Result<(Vec<u8>, Vec<Passed>, Tally)> {
        let (mut lines, mut passed, mut tally) = (Vec::new(), Vec::new(), Tally::default());
        for talk in talks {
            let mut talk = talk?;
            let mut changes = Changes::default();
            talk.messages = clean::clean_messages(talk.messages, &mut changes);
            let question = first_question(&talk.messages);
            if self.options.shard.is_some_and(|shard| !holds(shard, question)) {
                continue;
            }
            count(&mut tally.read, &talk.source);
            tally.changes.empty_turns += changes.empty_turns;
            tally.changes.merged_turns += changes.merged_turns;
            if let Some(reason) = self.refuse(&mut talk, &mut tally.private) {
                *tally.drops.entry(reason).or_default() += 1;
                tally.examples.drop(reason, || self.guard.shown(&talk));
                continue;
            }
            tally.examples.keep(|| self.guard.shown(&talk));
            let start = lines.len();
            serde_json::to_writer(&mut lines, &talk).expect("our own types have JSON forms");
            lines.push(b'\n');
            let long_turns = self.options.quality.max_turn_repeats.map(|_| repeats::keys(&talk.messages));
            passed.push(Passed {
                length: lines.len() - start,
                bytes: 1 + talk.messages.iter().map(|message| message.content.len() + 2).sum::<usize>(),
                split: talk.split,
                question,
                fingerprint: fingerprint(&talk.messages),
                bands: banding.map_or_else(Vec::new, |banding| banding.keys(&talk.messages)),
                long_turns: long_turns.unwrap_or_default(),
            });
        }
        tally.examples.pair();
        Ok((lines, passed, tally))
    }

    /// Why a conversation is left out, if it is; what is private in it is masked.
    fn refuse(&self, talk: &mut Conversation, private: &mut BTreeMap<PrivateKind, usize>) -> Option<Reason> {
        if talk.messages.is_empty() {
            Some(Reason::Empty)
        } else if !clean::has_answer(&talk.messages) {
            Some(Reason::NoAssistantTurn)
        } else if clean::spoken_turns(&talk.messages) < self.options.min_turns {
            Some(Reason::TooShort)
        } else {
            self.filters.refuse(&talk.messages).or_else(|| self.guard.refuse(talk, private))
        }
    }
}

/// Counts one more of a source.
pub(crate) fn count(counts: &mut BTreeMap<String, usize>, source: &str) {
    if let Some(count) = counts.get_mut(source) {
        *count += 1;
    } else {
        counts.insert(source.to_owned(), 1);
    }
}

/// Whether conversations with this first question belong to a shard. The bits that choose the split have no part in it.
fn holds(shard: Shard, question: u64) -> bool {
    (((question >> 32) * shard.of as u64) >> 32) as usize == shard.number - 1
}

impl Gathered {
    /// Adds what a pass left, in its order.
    fn add(&mut self, (lines, passed, tally): (Vec<u8>, Vec<Passed>, Tally)) -> Result<()> {
        let mut lines = lines.as_slice();
        for one in passed {
            let (line, rest) = lines.split_at(one.length);
            lines = rest;
            self.push(line, &one)?;
        }
        self.tally.merge(tally);
        Ok(())
    }

    fn push(&mut self, line: &[u8], passed: &Passed) -> Result<()> {
        let index = self.spool.push(line)?;
        self.standings.push(Standing { split: passed.split, dropped: None });
        self.questions.push(passed.question, index)?;
        self.fingerprints.push(passed.fingerprint, index)?;
        if let Some(bands) = &mut self.bands {
            bands.push(&passed.bands, index)?;
        }
        if let Some(long_turns) = &mut self.long_turns {
            passed.long_turns.iter().try_for_each(|key| long_turns.push(*key, index))?;
        }
        self.longest = self.longest.max(passed.bytes);
        Ok(())
    }
}
