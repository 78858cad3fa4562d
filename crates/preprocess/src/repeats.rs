//! Boilerplate: long turns that are said word for word in many conversations.

use std::collections::BTreeSet;

use artifact::Result;
use artifact::conversation::Message;
use artifact::preprocess::Reason;

use crate::column::{Column, groups};
use crate::near::folded;
use crate::standing::Standing;

/// Letters and digits of the shortest turn that counts: shorter ones are everybody's.
const SHORTEST: usize = 20;

/// The hashes of the long turns of a conversation, each once, of their letters and digits alone.
pub(crate) fn keys(messages: &[Message]) -> Vec<u64> {
    let keys: BTreeSet<u64> = messages
        .iter()
        .map(|message| folded(&message.content).collect::<String>())
        .filter(|letters| letters.chars().count() >= SHORTEST)
        .map(|letters| {
            let hash = blake3::hash(letters.as_bytes());
            u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
        })
        .collect();
    keys.into_iter().collect()
}

/// Drops every conversation with a turn that more than `most` conversations say; calls `told` with each.
pub(crate) fn drop(
    standings: &mut [Standing],
    turns: &mut Column,
    most: usize,
    memory: usize,
    mut told: impl FnMut(u32),
) -> Result<()> {
    turns.sorted(memory, |entries| {
        for (_, index) in groups(entries).filter(|group| group.len() > most).flatten() {
            let standing = &mut standings[*index as usize];
            if standing.is_kept() {
                standing.dropped = Some(Reason::Boilerplate);
                told(*index);
            }
        }
        Ok(())
    })
}
