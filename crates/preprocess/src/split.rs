//! Which conversation goes to which split.

use artifact::Result;
use artifact::conversation::Split;
use artifact::conversation::{Message, Role};
use artifact::preprocess::Options;

use crate::column::{Column, groups};
use crate::standing::Standing;

/// Gives each conversation without a split one, chosen by its first question, so that no question begins a
/// conversation of two splits. A conversation that has one keeps it: its producer has decided.
///
/// A question that conversations with a split begin with goes where they are; where they are in several, to the first
/// in the order of train, valid, test, since what train holds cannot test anything.
pub(crate) fn assign(
    standings: &mut [Standing],
    questions: &mut Column,
    options: &Options,
    memory: usize,
) -> Result<()> {
    questions.sorted(memory, |entries| {
        for group in groups(entries) {
            let decided = group.iter().filter_map(|(_, index)| standings[*index as usize].split).min();
            let split = decided.unwrap_or_else(|| by_hash(group[0].0, options));
            for (_, index) in group {
                standings[*index as usize].split.get_or_insert(split);
            }
        }
        Ok(())
    })
}

/// The hash of the first user turn; of the first turn where the user says nothing.
pub(crate) fn first_question(messages: &[Message]) -> u64 {
    let question = messages.iter().find(|message| message.role == Role::User).or(messages.first());
    let hash = blake3::hash(question.map_or("", |message| &message.content).as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// Hashes are spread evenly over `[0, 1)`: the lowest are test, those above valid, the rest train.
fn by_hash(question: u64, options: &Options) -> Split {
    let place = f64::from(question as u32) / 2_f64.powi(32) * 100.0;
    if place < options.test_percent {
        Split::Test
    } else if place < options.test_percent + options.valid_percent {
        Split::Valid
    } else {
        Split::Train
    }
}
