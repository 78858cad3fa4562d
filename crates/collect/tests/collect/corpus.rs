//! The corpus that ships with the project.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::stage::{collected, counted, folder, of};
use artifact::conversation::{Conversation, Role, Split};

const LOOKUPS_OF_NAMES: [&str; 2] = ["name", "pet_name"];

fn said_by_users(talks: &[Conversation], split: Split) -> HashSet<&str> {
    let messages = of(talks, split).flat_map(|talk| &talk.messages);
    messages.filter(|message| message.role == Role::User).map(|message| message.content.as_str()).collect()
}

fn names(talks: &[Conversation], split: Split) -> BTreeSet<&str> {
    let slots = of(talks, split).flat_map(|talk| &talk.messages).flat_map(|message| &message.slots);
    slots
        .filter(|slot| LOOKUPS_OF_NAMES.contains(&slot.name.as_str()))
        .map(|slot| slot.value.as_str())
        .collect()
}

#[test]
fn no_held_out_phrasing_or_name_is_in_training() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&folder("../../datasets/ko-daily"), &["--count", "20000"], &dir.path().join("out"));
    let said = Split::ALL.map(|split| said_by_users(&talks, split));
    assert!(said[0].is_disjoint(&said[1]) && said[0].is_disjoint(&said[2]) && said[1].is_disjoint(&said[2]));
    let training: String = of(&talks, Split::Train)
        .flat_map(|talk| &talk.messages)
        .flat_map(|message| [message.content.as_str(), "\n"])
        .collect();
    for split in [Split::Valid, Split::Test] {
        let names = names(&talks, split);
        assert!(names.len() >= 10, "{split}: {names:?}");
        let heard: Vec<&&str> = names.iter().filter(|name| training.contains(**name)).collect();
        assert!(heard.is_empty(), "training says {heard:?} of {split}");
    }
}

#[test]
fn every_story_is_tested_and_every_intent_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let talks = collected(&folder("../../datasets/ko-daily"), &["--count", "20000", "--compose-names"], &out);
    let intents = |split| -> BTreeSet<&str> {
        of(&talks, split)
            .flat_map(|talk| &talk.messages)
            .filter_map(|message| message.intent.as_deref())
            .collect()
    };
    assert_eq!(intents(Split::Train).len(), 737);
    assert_eq!(intents(Split::Test).len(), 737);
    let (read, kept, rejected) = counted(&out, "stories told in test");
    assert_eq!((read, kept, rejected.len()), (1549, 1549, 0));
    let (asked, made, _) = counted(&out, "train conversations from stories");
    assert_eq!((asked, made), (20_000, 20_000));
    assert_eq!(counted(&out, "phrasings").0, 16_982);
    assert_eq!(counted(&out, "responses").0, 7_843);
    assert_eq!(counted(&out, "dialogues").0, 3_417);
}

#[test]
fn no_gap_is_left_unfilled() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&folder("../../datasets/ko-daily"), &["--count", "20000"], &dir.path().join("out"));
    let leftovers = ["(는)", "(가)", "(를)", "(와)", "(야)", "(으)", "(이)", "](", "{bot_name}"];
    let mut found = BTreeMap::new();
    for message in talks.iter().flat_map(|talk| &talk.messages) {
        for leftover in leftovers.iter().filter(|leftover| message.content.contains(**leftover)) {
            found.insert(leftover, &message.content);
        }
        if message.intent.is_some() || message.action.is_some() {
            assert!(!message.content.contains(['{', '}']), "{message:?}");
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn composed_names_are_many_and_held_out_too() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder("../../datasets/ko-daily");
    let options = ["--count", "10000", "--topics", "memory,greetings", "--compose-names"];
    let talks = collected(&source, &options, &dir.path().join("out"));
    let [train, valid, test] = Split::ALL.map(|split| names(&talks, split));
    assert!(
        train.len() > 500 && valid.len() > 50 && test.len() > 50,
        "{} {} {}",
        train.len(),
        valid.len(),
        test.len()
    );
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    let topics: BTreeSet<_> = talks.iter().filter_map(|talk| talk.topic.as_deref()).collect();
    assert_eq!(topics, BTreeSet::from(["greetings", "memory"]));
}

#[test]
fn a_talk_may_go_through_stories_until_the_person_tells_something() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--count", "10000", "--topics", "memory,weather,greetings", "--stories-per-talk", "3"];
    let options = [&options[..], &["--opening", "greetings_hello"]].concat();
    let talks = collected(&folder("../../datasets/ko-daily"), &options, &dir.path().join("out"));
    let of_stories: Vec<_> =
        talks.iter().filter(|talk| talk.messages.iter().any(|message| message.action.is_some())).collect();
    assert_eq!(of_stories.iter().filter(|talk| talk.split == Some(Split::Train)).count(), 10_000);
    assert!(of_stories.iter().filter(|talk| talk.topic.is_none()).count() > 1_000, "talks of several topics");
    let opened = of_stories.iter().filter(|talk| {
        let intent = |at: usize| talk.messages.get(at).and_then(|message| message.intent.as_deref());
        intent(0) == Some("greetings_hello") && intent(2).is_some_and(|next| !next.starts_with("greetings"))
    });
    assert!(opened.count() > 500, "talks that begin with a greeting and go on to something else");
    for talk in of_stories {
        for (at, message) in talk.messages.iter().enumerate() {
            let heard = |value: &String| {
                talk.messages[..at].iter().any(|m| m.role == Role::User && m.content.contains(value.as_str()))
            };
            assert!(message.recall.iter().all(heard), "{talk:?}");
        }
        let told = talk.messages.iter().position(|message| !message.slots.is_empty());
        let later = talk.messages.iter().skip(told.unwrap_or(usize::MAX)).filter_map(|m| m.intent.as_deref());
        let topics: BTreeSet<_> = later.map(|intent| intent.split('_').next()).collect();
        assert!(topics.len() <= 1, "{talk:?}");
    }
}
