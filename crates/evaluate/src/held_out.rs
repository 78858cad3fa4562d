//! The held-out conversations, and which of them are measured.

use std::path::Path;

use artifact::conversation::{self, Conversation, Message, Role};
use artifact::report::HeldOut;
use artifact::{Error, Result};

use crate::chrf::mix;

/// The file that preprocessing writes the test split to.
pub(crate) const FILE: &str = "test.jsonl";

/// Conversations to measure.
pub(crate) struct Conversations {
    /// The conversations.
    pub(crate) chosen: Vec<Conversation>,
    /// How many the split holds.
    pub(crate) available: usize,
}

impl Conversations {
    /// Reads the test split of a data directory and chooses up to `limit` conversations where there is one, spread evenly over it
    /// (systematic sampling: every n-th, from a start that follows from `seed`).
    ///
    /// # Errors
    /// When the split is missing, damaged, empty, or has no turn of the assistant.
    pub(crate) fn read(dir: &Path, limit: Option<usize>, seed: u64) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Err(Error::malformed(dir, format!("a file {FILE}"), "none")
                .with_hint("give --data a directory that preprocess has written"));
        }
        let all = conversation::read_file(&path)?.collect::<Result<Vec<_>>>()?;
        let available = all.len();
        let empty = |expected: &str, found: &str| {
            Err(Error::malformed(&path, expected, found).with_hint(
                "preprocess put nothing into the test split: give it more conversations, or a larger test share",
            ))
        };
        if all.is_empty() {
            return empty("held-out conversations", "an empty file");
        }
        let chosen = spread(all, limit.unwrap_or(available), seed);
        if !chosen.iter().flat_map(|talk| &talk.messages).any(|message| message.role == Role::Assistant) {
            return empty("a turn of the assistant", "conversations without any");
        }
        Ok(Self { chosen, available })
    }

    /// Every turn of the assistant.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        self.chosen.iter().enumerate().flat_map(|(place, talk)| answers_of(place, talk))
    }

    /// What is measured, in figures; actions count only where there are responses to look for.
    pub(crate) fn report(&self, seed: u64, actions: bool) -> HeldOut {
        HeldOut {
            test_conversations: self.available,
            conversations: self.chosen.len(),
            assistant_turns: self.answers().count(),
            assistant_bytes: self.answers().map(|answer| answer.message.content.len()).sum(),
            action_turns: self.answers().filter(|answer| actions && answer.message.action.is_some()).count(),
            recall_turns: self.answers().filter(|answer| !answer.message.recall.is_empty()).count(),
            seed,
        }
    }
}

/// Every turn of the assistant in the conversation at `place`.
fn answers_of(place: usize, talk: &Conversation) -> impl Iterator<Item = Answer<'_>> {
    talk.messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.role == Role::Assistant)
        .map(move |(index, message)| Answer { place, talk, index, message })
}

/// A turn of the assistant in a conversation.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// The conversation's place among those measured.
    pub(crate) place: usize,
    /// The conversation.
    pub(crate) talk: &'a Conversation,
    /// Its place in the conversation.
    index: usize,
    /// The turn.
    pub(crate) message: &'a Message,
}

impl<'a> Answer<'a> {
    /// The messages before it.
    pub(crate) fn history(&self) -> &'a [Message] {
        &self.talk.messages[..self.index]
    }
}

/// Up to `limit` items, evenly over all, in their order.
pub(crate) fn spread<T>(items: Vec<T>, limit: usize, seed: u64) -> Vec<T> {
    if items.len() <= limit {
        return items;
    }
    // In [0, 1): 53 bits are what a double holds.
    let start = (mix(seed) >> 11) as f64 / (1_u64 << 53) as f64;
    let stride = items.len() as f64 / limit as f64;
    let mut wanted = (0..limit).map(|i| ((i as f64 + start) * stride) as usize).peekable();
    items
        .into_iter()
        .enumerate()
        .filter_map(|(place, item)| {
            (wanted.peek() == Some(&place)).then(|| {
                wanted.next();
                item
            })
        })
        .collect()
}
