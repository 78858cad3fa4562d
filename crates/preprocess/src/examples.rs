//! A few conversations that each filter left out, beside one that it did not.

use std::collections::BTreeMap;

use artifact::conversation::Message;
use artifact::preprocess::{Example, Reason};

/// Examples of a reason.
const MOST: usize = 3;
/// Characters of an example; what is longer is cut.
const CHARACTERS: usize = 160;

/// The first of each reason.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    dropped: BTreeMap<Reason, Vec<Example>>,
    /// One that passed all filters.
    kept: Option<String>,
}

impl Examples {
    /// Takes one that was left out, if there is room.
    pub(crate) fn drop(&mut self, reason: Reason, text: impl FnOnce() -> String) {
        let examples = self.dropped.entry(reason).or_default();
        if examples.len() < MOST {
            examples.push(Example { dropped: text(), kept: None });
        }
    }

    /// Takes the first that passed.
    pub(crate) fn keep(&mut self, text: impl FnOnce() -> String) {
        self.kept.get_or_insert_with(text);
    }

    /// Takes one that was left out for the sake of another.
    pub(crate) fn replace(&mut self, reason: Reason, example: Example) {
        self.dropped.entry(reason).or_default().push(example);
    }

    /// Puts what passed beside what did not.
    pub(crate) fn pair(&mut self) {
        for example in self.dropped.values_mut().flatten().filter(|example| example.kept.is_none()) {
            example.kept.clone_from(&self.kept);
        }
    }

    /// Adds those that were taken later.
    pub(crate) fn merge(&mut self, later: Self) {
        for (reason, examples) in later.dropped {
            let all = self.dropped.entry(reason).or_default();
            let room = MOST.saturating_sub(all.len());
            all.extend(examples.into_iter().take(room));
        }
        self.kept = self.kept.take().or(later.kept);
    }

    /// The examples of a reason.
    pub(crate) fn take(&mut self, reason: Reason) -> Vec<Example> {
        self.dropped.remove(&reason).unwrap_or_default()
    }
}

/// The first pairs of those who go and those who stay, of each reason, by the places of those who go: the order in which
/// they are found decides nothing.
#[derive(Debug, Default)]
pub(crate) struct FirstPairs(BTreeMap<Reason, BTreeMap<u32, Option<u32>>>);

impl FirstPairs {
    /// Takes a pair, if it is among the first.
    pub(crate) fn add(&mut self, reason: Reason, goes: u32, stays: Option<u32>) {
        let pairs = self.0.entry(reason).or_default();
        pairs.insert(goes, stays);
        if pairs.len() > MOST {
            pairs.pop_last();
        }
    }

    /// The pairs, in order.
    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (Reason, u32, Option<u32>)> {
        self.0
            .into_iter()
            .flat_map(|(reason, pairs)| pairs.into_iter().map(move |(goes, stays)| (reason, goes, stays)))
    }
}

/// A conversation as an example shows it, a line for each turn.
pub(crate) fn shown(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(message.role.name());
        text.push_str(": ");
        text.push_str(&message.content);
        if let Some((end, _)) = text.char_indices().nth(CHARACTERS) {
            text.truncate(end);
            text.push('…');
            break;
        }
    }
    text
}
