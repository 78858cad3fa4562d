//! Which conversation goes to which split.

use std::collections::HashMap;

use artifact::conversation::{Conversation, Role, Split};
use artifact::preprocess::Options;
use blake3::Hash;

/// Gives each conversation without a `split` one, chosen by its first question, so that no question begins a
/// conversation of two splits. A conversation that has one keeps it: its producer has decided.
///
/// A question that conversations with a `split` begin with goes where they are; where they are in several, to the
/// first in the order of train, valid, test, since what train holds cannot test anything.
pub(crate) fn assign(conversations: &mut [Conversation], options: &Options) {
    // Only looked up, never walked: its order reaches no output.
    let mut decided: HashMap<Hash, Split> = HashMap::new();
    for conversation in &*conversations {
        if let Some(split) = conversation.split {
            let earliest = decided.entry(first_question(conversation)).or_insert(split);
            *earliest = split.min(*earliest);
        }
    }
    for conversation in conversations {
        let question = first_question(conversation);
        conversation.split = conversation
            .split
            .or_else(|| decided.get(&question).copied())
            .or_else(|| Some(by_hash(question, options)));
    }
}

/// The hash of the first user turn; of the first turn where the user says nothing.
fn first_question(conversation: &Conversation) -> Hash {
    let messages = &conversation.messages;
    let question = messages.iter().find(|message| message.role == Role::User).or(messages.first());
    blake3::hash(question.map_or("", |message| &message.content).as_bytes())
}

/// Hashes are spread evenly over `[0, 1)`: the lowest are test, those above valid, the rest train.
fn by_hash(hash: Hash, options: &Options) -> Split {
    let [a, b, c, d, ..] = *hash.as_bytes();
    let place = f64::from(u32::from_le_bytes([a, b, c, d])) / 2_f64.powi(32) * 100.0;
    if place < options.test_percent {
        Split::Test
    } else if place < options.test_percent + options.valid_percent {
        Split::Valid
    } else {
        Split::Train
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::conversation::Message;
    use artifact::preprocess::Quality;

    const OPTIONS: Options = Options {
        vocab_size: 300,
        max_tokens: 64,
        min_turns: 2,
        valid_percent: 10.0,
        test_percent: 20.0,
        privacy: None,
        canaries: None,
        near_duplicates: None,
        decontaminate_texts: None,
        quality: Quality {
            min_korean_percent: None,
            max_repetition_percent: None,
            max_turn_characters: None,
            dropped_words: None,
        },
    };

    fn talk(question: &str, answer: &str, split: Option<Split>) -> Conversation {
        Conversation {
            id: format!("{question}-{answer}"),
            source: "test".to_owned(),
            topic: None,
            license: None,
            split,
            messages: vec![Message::user(question), Message::assistant(answer)],
        }
    }

    #[test]
    fn a_question_is_in_one_split() {
        let mut talks: Vec<_> =
            (0..300).map(|i| talk(&format!("q{}", i % 100), &format!("a{i}"), None)).collect();
        assign(&mut talks, &OPTIONS);
        for i in 0..100 {
            assert!(talks[i].split.is_some());
            assert_eq!(talks[i].split, talks[i + 100].split);
            assert_eq!(talks[i].split, talks[i + 200].split);
        }
    }

    #[test]
    fn shares_are_near_what_was_asked() {
        let mut talks: Vec<_> = (0..20_000).map(|i| talk(&format!("q{i}"), "a", None)).collect();
        assign(&mut talks, &OPTIONS);
        let share = |split| talks.iter().filter(|talk| talk.split == Some(split)).count() as f64 / 200.0;
        assert!((share(Split::Test) - 20.0).abs() < 1.0);
        assert!((share(Split::Valid) - 10.0).abs() < 1.0);
    }

    #[test]
    fn the_producer_decides_and_others_follow() {
        let mut talks = vec![
            talk("안녕", "a", None),
            talk("안녕", "b", Some(Split::Test)),
            talk("안녕", "c", Some(Split::Valid)),
        ];
        assign(&mut talks, &OPTIONS);
        let splits: Vec<_> = talks.iter().map(|talk| talk.split.unwrap()).collect();
        assert_eq!(splits, [Split::Valid, Split::Test, Split::Valid]);
    }
}
