//! Exact duplicates, within a split and across splits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use artifact::conversation::{Message, Split};
use artifact::preprocess::Reason;
use blake3::Hash;

/// For each conversation, why it must go: it is equal, turn by turn, to one that is held out further (train yields
/// to valid and test, valid to test), or to an earlier one of its split. One of each kind stays.
pub(crate) fn find<'a>(conversations: impl Iterator<Item = (Split, &'a [Message])>) -> Vec<Option<Reason>> {
    let keys: Vec<(Split, Hash)> =
        conversations.map(|(split, messages)| (split, fingerprint(messages))).collect();
    // The split that keeps each talk, and its first place there. Only looked up, never walked.
    let mut keepers: HashMap<Hash, (Split, usize)> = HashMap::with_capacity(keys.len());
    for (index, &(split, hash)) in keys.iter().enumerate() {
        match keepers.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert((split, index));
            }
            Entry::Occupied(mut entry) if entry.get().0 < split => {
                entry.insert((split, index));
            }
            Entry::Occupied(_) => {}
        }
    }
    keys.iter()
        .enumerate()
        .map(|(index, (split, hash))| {
            let keeper = keepers[hash];
            if keeper == (*split, index) {
                None
            } else if keeper.0 == *split {
                Some(Reason::Duplicate)
            } else {
                Some(Reason::HeldOut)
            }
        })
        .collect()
}

/// A hash over roles and contents; lengths keep two turns apart from one that holds both.
fn fingerprint(messages: &[Message]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for message in messages {
        hasher.update(message.role.name().as_bytes());
        hasher.update(&(message.content.len() as u64).to_le_bytes());
        hasher.update(message.content.as_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(talks: &[(Split, &[&str])], expected: &[Option<Reason>]) {
        let talks: Vec<(Split, Vec<Message>)> = talks
            .iter()
            .map(|(split, turns)| (*split, turns.iter().map(|&turn| Message::user(turn)).collect()))
            .collect();
        assert_eq!(find(talks.iter().map(|(split, turns)| (*split, turns.as_slice()))), expected);
    }

    #[test]
    fn the_first_of_a_split_stays() {
        check(
            &[(Split::Train, &["a"]), (Split::Train, &["b"]), (Split::Train, &["a"])],
            &[None, None, Some(Reason::Duplicate)],
        );
    }

    #[test]
    fn train_yields_to_valid_and_both_to_test() {
        check(
            &[
                (Split::Train, &["a"]),
                (Split::Train, &["a"]),
                (Split::Valid, &["a"]),
                (Split::Test, &["a"]),
                (Split::Test, &["a"]),
                (Split::Train, &["b"]),
                (Split::Valid, &["b"]),
            ],
            &[
                Some(Reason::HeldOut),
                Some(Reason::HeldOut),
                Some(Reason::HeldOut),
                None,
                Some(Reason::Duplicate),
                Some(Reason::HeldOut),
                None,
            ],
        );
    }

    #[test]
    fn all_turns_count() {
        check(
            &[(Split::Train, &["a", "b"]), (Split::Train, &["a"]), (Split::Train, &["a", "user", "b"])],
            &[None, None, None],
        );
    }
}
