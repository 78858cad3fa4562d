//! Conversations that say the same, word for word.

use artifact::Result;
use artifact::conversation::Message;
use artifact::preprocess::Reason;

use crate::column::{Column, groups};
use crate::standing::Standing;

/// Drops conversations that are equal, turn by turn, to one that is held out further (train yields to valid and test,
/// valid to test), or to an earlier one of its split. One of each kind stays; calls `told` with who goes and who stays.
pub(crate) fn drop(
    standings: &mut [Standing],
    fingerprints: &mut Column,
    memory: usize,
    mut told: impl FnMut(Reason, u32, u32),
) -> Result<()> {
    fingerprints.sorted(memory, |entries| {
        for group in groups(entries).filter(|group| group.len() > 1) {
            let kept = group.iter().map(|entry| entry.1).filter(|index| standings[*index as usize].is_kept());
            let Some(keeper) = kept.clone().min_by_key(|index| standings[*index as usize].rank(*index))
            else {
                continue;
            };
            let split = standings[keeper as usize].split();
            for index in kept.filter(|index| *index != keeper).collect::<Vec<_>>() {
                let standing = &mut standings[index as usize];
                let reason = if standing.split() == split { Reason::Duplicate } else { Reason::HeldOut };
                standing.dropped = Some(reason);
                told(reason, index, keeper);
            }
        }
        Ok(())
    })
}

/// A hash over roles and contents; lengths keep two turns apart from one that holds both. Of a thousand million
/// conversations, two that differ have the same one with a chance of 3 %.
pub(crate) fn fingerprint(messages: &[Message]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for message in messages {
        hasher.update(message.role.name().as_bytes());
        hasher.update(&(message.content.len() as u64).to_le_bytes());
        hasher.update(message.content.as_bytes());
    }
    u64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
}
