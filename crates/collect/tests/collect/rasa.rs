//! Expansion of a small Rasa project.

use fs_err as fs;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use crate::stage::{collected, counted, folder, of};
use artifact::conversation::{Conversation, Message, Role, Split};
use artifact::response;

fn cafe() -> PathBuf {
    folder("tests/fixtures/cafe")
}

fn messages(conversations: &[Conversation]) -> impl Iterator<Item = &Message> {
    conversations.iter().flat_map(|conversation| &conversation.messages)
}

#[test]
fn fills_slots_particles_and_the_bots_name() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&cafe(), &["--count", "300", "--bot-name", "보리"], &dir.path().join("out"));
    let said: BTreeSet<&str> = messages(&talks).map(|message| message.content.as_str()).collect();
    for expected in [
        "커피를 좋아하시는군요.",
        "물을 좋아하시는군요.",
        "물이라면 보리가 기억할게요.",
        "오늘은 물로 정하셨네요.",
        "오늘은 3번 세트로 정하셨네요.",
        "콜라는 언제나 좋죠.",
        "보리는 뭐 마셔?",
        "저 보리는 마시지 못해요.",
    ] {
        assert!(said.contains(expected), "{expected} is missing in {said:#?}");
    }
    assert!(said.iter().any(|text| text.ends_with("님, 저는 보리예요.")));
    assert!(said.iter().all(|text| !text.contains(['{', '}', '[', ']', '('])), "{said:#?}");
}

#[test]
fn tells_intent_action_slots_and_recall() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&cafe(), &["--count", "50"], &dir.path().join("out"));
    let whole =
        talks.iter().find(|talk| talk.messages.len() == 6 && talk.split == Some(Split::Train)).unwrap();
    let [tell, greet, order, take, ask, answer] = &whole.messages[..] else { unreachable!() };
    assert_eq!(whole.topic.as_deref(), Some("cafe"));
    assert_eq!(
        [tell, order, ask].map(|message| message.intent.as_deref()),
        [Some("cafe_name"), Some("cafe_order"), Some("cafe_ask_name")]
    );
    assert_eq!(
        [greet, take, answer].map(|message| message.action.as_deref()),
        [Some("utter_cafe_name"), Some("utter_cafe_order"), Some("utter_cafe_ask_name")]
    );
    let names = |message: &Message| message.slots.iter().map(|slot| slot.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(greet), ["name"]);
    assert_eq!(names(answer), ["name", "drink"]);
    let name = &answer.slots[0].value;
    assert!(tell.content.contains(name.as_str()) && answer.content.contains(name.as_str()));
    // Only what an earlier turn than the one that is answered has told must be recalled.
    assert_eq!((&greet.recall, &take.recall), (&vec![], &vec![]));
    assert_eq!(answer.recall, std::slice::from_ref(name));
}

#[test]
fn a_topics_own_lookup_serves_it() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&cafe(), &["--count", "100"], &dir.path().join("out"));
    for talk in &talks {
        let dew = talk.messages.iter().any(|message| message.content.contains("이슬"));
        let asks_of_it =
            talk.topic.as_deref() == Some("garden") && talk.messages[0].content.contains("어떻게");
        assert_eq!(dew, asks_of_it, "{talk:?}");
    }
}

#[test]
fn held_out_phrasings_are_said_in_one_split_only() {
    let dir = tempfile::tempdir().unwrap();
    let talks = collected(&cafe(), &["--count", "400", "--compose-names"], &dir.path().join("out"));
    let said = |split| -> HashSet<&str> {
        let messages = of(&talks, split).flat_map(|talk| &talk.messages);
        messages
            .filter(|message| message.role == Role::User)
            .map(|message| message.content.as_str())
            .collect()
    };
    let names = |split| -> HashSet<&str> {
        let slots = of(&talks, split).flat_map(|talk| &talk.messages).flat_map(|message| &message.slots);
        slots.filter(|slot| slot.name == "name").map(|slot| slot.value.as_str()).collect()
    };
    assert!(!names(Split::Test).is_empty() && !names(Split::Valid).is_empty());
    for (a, b) in [(Split::Train, Split::Valid), (Split::Train, Split::Test), (Split::Valid, Split::Test)] {
        assert!(said(a).is_disjoint(&said(b)), "{a} and {b}");
        assert!(names(a).is_disjoint(&names(b)), "{a} and {b}");
    }
    // `garden_plant` has two phrasings: too few to hold one out.
    assert!(of(&talks, Split::Test).all(|talk| talk.topic.as_deref() != Some("garden")));
    let (read, kept, rejected) = counted(&dir.path().join("out"), "stories told in test");
    assert_eq!((read, kept), (4, 3));
    assert_eq!(rejected, [("an intent has no phrasing for test".to_owned(), 1)]);
}

#[test]
fn no_conversation_comes_twice_and_what_is_missing_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let talks = collected(&cafe(), &["--count", "2000", "--topics", "garden", "--no-dialogues"], &out);
    let texts: HashSet<Vec<&str>> = talks
        .iter()
        .map(|talk| talk.messages.iter().map(|message| message.content.as_str()).collect())
        .collect();
    assert_eq!((texts.len(), talks.len()), (2, 2), "two phrasings, one value, one response");
    let (asked, made, rejected) = counted(&out, "train conversations from stories");
    assert_eq!((asked, made), (2000, 2));
    assert_eq!(rejected, [("all 1 stories have no further distinct expansion".to_owned(), 1998)]);
}

#[test]
fn stories_are_told_equally_often() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--count", "30", "--topics", "cafe", "--no-dialogues"];
    let talks = collected(&cafe(), &options, &dir.path().join("out"));
    let of_length = |length| of(&talks, Split::Train).filter(|talk| talk.messages.len() == length).count();
    // "thanks alone" has four phrasings of thanks in training at most, and one response: the others take its place.
    let [thanks, order, whole] = [of_length(2), of_length(4), of_length(6)];
    assert_eq!(thanks + order + whole, 30);
    assert!(thanks <= 5 && order.abs_diff(whole) <= 1, "{thanks} {order} {whole}");
}

#[test]
fn responses_are_those_that_may_be_given() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let options = ["--count", "100", "--topics", "cafe", "--replies-per-action", "2", "--bot-name", "보리"];
    let talks = collected(&cafe(), &options, &out);
    let templates = response::read(&out).unwrap();
    let texts: Vec<&str> = templates.iter().map(|template| template.text.as_str()).collect();
    assert!(
        texts.contains(&"{name}님, 저는 보리예요.") && texts.contains(&"{drink}(이)라면 보리가 기억할게요.")
    );
    assert!(!texts.contains(&"오늘은 {drink}(으)로 정하셨네요."), "beyond the second");
    for message in messages(&talks).filter(|message| message.action.is_some()) {
        let of_action = templates.iter().filter(|template| Some(&template.action) == message.action.as_ref());
        let mut filled = of_action.filter_map(|template| template.fill(&message.slots));
        assert!(filled.any(|text| text == message.content), "{message:?}");
    }
}

#[test]
fn dialogues_follow_the_phrasings_that_they_share() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let talks = collected(&cafe(), &["--count", "100"], &out);
    let thanks = talks.iter().find(|talk| talk.id == "cafe/cafe-2").unwrap();
    let elsewhere = talks.iter().filter(|talk| talk.id != thanks.id);
    let same =
        elsewhere.filter(|talk| talk.messages.iter().any(|message| message.content.starts_with("고마워요")));
    assert!(same.into_iter().all(|talk| talk.split == thanks.split));
    let (read, kept, rejected) = counted(&out, "dialogues");
    assert_eq!((read, kept), (3, 2));
    assert_eq!(rejected, [("no turn of the assistant".to_owned(), 1)]);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_the_same_holdout() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, options: &[&str]| {
        let out = dir.path().join(name);
        let talks = collected(&cafe(), &[&["--count", "200"], options].concat(), &out);
        let bytes = fs::read_dir(&out).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let mut bytes: Vec<Vec<u8>> = bytes.collect();
        bytes.sort();
        let test: BTreeSet<String> = of(&talks, Split::Test)
            .flat_map(|talk| &talk.messages)
            .filter(|message| message.intent.as_deref() == Some("cafe_ask_name"))
            .map(|message| message.content.clone())
            .collect();
        (bytes, test)
    };
    let first = run("first", &["--threads", "1"]);
    let second = run("second", &["--threads", "2"]);
    let third = run("third", &["--seed", "7"]);
    assert_eq!(first, second);
    assert_ne!(first.0, third.0);
    assert_eq!(first.1, third.1);
}
