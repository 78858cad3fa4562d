//! Which phrasings are held out: decided before expansion, by hash, the same for every seed and choice of topics.

use std::collections::{BTreeMap, BTreeSet};

use artifact::conversation::Split;

use super::example::Example;
use super::project::{Intent, Project};
use crate::arguments::Shares;
use crate::digest;

/// The split of each phrasing, by its key: a phrasing that two intents share is in one split for both.
#[derive(Debug)]
pub(super) struct Holdout {
    splits: BTreeMap<String, Split>,
}

impl Holdout {
    /// Divides the phrasings of each intent. Each keeps at least one for training.
    pub(super) fn divide(project: &Project, shares: Shares) -> Self {
        let mut splits = BTreeMap::new();
        for intent in project.intents.values() {
            divide(&keys(intent), shares, &mut splits);
        }
        for intent in project.intents.values() {
            let keys = keys(intent);
            // All of a small intent may be shared with others that hold it out.
            if let Some(first) = keys.first()
                && keys.iter().all(|key| splits[*key] != Split::Train)
            {
                splits.insert((*first).to_owned(), Split::Train);
            }
        }
        Self { splits }
    }

    pub(super) fn of(&self, example: &Example) -> Split {
        self.of_key(&example.key).expect("every phrasing of the project was divided")
    }

    /// The split of a phrasing that the project may not have.
    pub(super) fn of_key(&self, key: &str) -> Option<Split> {
        self.splits.get(key).copied()
    }
}

fn keys(intent: &Intent) -> BTreeSet<&str> {
    intent.examples.iter().map(|example| example.key.as_str()).collect()
}

/// Divides a set of texts in the order of their hashes: the first of them to the test, then to validation, the rest to
/// training. Those that are divided already stay, and count.
pub(super) fn divide(texts: &BTreeSet<&str>, shares: Shares, splits: &mut BTreeMap<String, Split>) {
    let share = |share: f64| (texts.len() as f64 * share).round() as usize;
    let have = |split| texts.iter().filter(|text| splits.get(**text) == Some(&split)).count();
    let mut missing_test = share(shares.test).saturating_sub(have(Split::Test));
    let mut missing_valid = share(shares.valid).saturating_sub(have(Split::Valid));
    let mut open: Vec<&str> = texts.iter().copied().filter(|text| !splits.contains_key(*text)).collect();
    open.sort_by_cached_key(|text| digest::of_text(text));
    // One is left for training, unless one is there already.
    let free = if have(Split::Train) == 0 { open.len().saturating_sub(1) } else { open.len() };
    for (place, text) in open.into_iter().enumerate() {
        let split = if place < free && missing_test > 0 {
            missing_test -= 1;
            Split::Test
        } else if place < free && missing_valid > 0 {
            missing_valid -= 1;
            Split::Valid
        } else {
            Split::Train
        };
        splits.insert(text.to_owned(), split);
    }
}
