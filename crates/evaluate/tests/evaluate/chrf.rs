//! chrF against sacrebleu, and the index of responses against chrF.

use artifact::conversation::Slot;
use artifact::response::ResponseTemplate;
use evaluate::chrf;
use evaluate::nearest::Responses;
use serde_json::Value;

fn fixture() -> Vec<(String, String, f64)> {
    let rows = include_str!("../fixtures/chrf.jsonl").lines();
    rows.map(|row| {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("hypothesis"), text("reference"), row["chrf"].as_f64().unwrap())
    })
    .collect()
}

#[test]
fn agrees_with_sacrebleu() {
    for (hypothesis, reference, expected) in fixture() {
        let found = chrf::sentence(&hypothesis, &reference);
        assert!(
            (found - expected).abs() < 1e-6,
            "{hypothesis:?} against {reference:?}: {found}, sacrebleu {expected}"
        );
    }
}

fn template(action: &str, text: &str) -> ResponseTemplate {
    ResponseTemplate { action: action.to_owned(), text: text.to_owned() }
}

#[test]
fn the_nearest_response_is_the_one_of_the_highest_chrf() {
    let rows = fixture();
    let references: Vec<&str> = rows.iter().map(|(_, reference, _)| reference.as_str()).collect();
    let responses =
        references.iter().enumerate().map(|(i, text)| template(&format!("utter_{i}"), text)).collect();
    let responses = Responses::new(responses);
    for (reply, _, _) in &rows {
        let highest = references.iter().map(|text| chrf::sentence(reply, text)).fold(0.0, f64::max);
        let nearest = responses.nearest(reply, &[]);
        let found = nearest.as_ref().map_or(0.0, |nearest| nearest.chrf);
        assert!((found - highest).abs() < 1e-9, "{reply:?}: {nearest:?}, highest {highest}");
    }
}

#[test]
fn slots_are_filled_and_what_cannot_be_filled_is_left_out() {
    let responses = Responses::new(vec![
        template("utter_hello", "안녕하세요, 반가워요!"),
        template("utter_recall_name", "{name}(이)라고 하셨잖아요."),
        template("utter_recall_city", "{city}에 가신다고 하셨잖아요."),
    ]);
    let slots = [Slot { name: "name".to_owned(), value: "지우".to_owned() }];
    let nearest = responses.nearest("지우라고 하셨잖아요.", &slots).unwrap();
    assert_eq!(nearest.text, "지우라고 하셨잖아요.");
    assert_eq!(nearest.actions, ["utter_recall_name"]);
    assert!((nearest.chrf - 100.0).abs() < 1e-9);
    let without = responses.nearest("지우라고 하셨잖아요.", &[]).unwrap();
    assert_eq!(without.actions, ["utter_hello"]);
    assert_eq!(responses.nearest("", &slots), None);
    assert_eq!(responses.nearest("???", &slots), None);
}

#[test]
fn actions_that_share_a_text_all_count() {
    let slots = [Slot { name: "food".to_owned(), value: "김밥".to_owned() }];
    let responses = Responses::new(vec![
        template("utter_b", "김밥 좋아요!"),
        template("utter_a", "{food} 좋아요!"),
        template("utter_b", "김밥 좋아요!"),
        template("utter_c", "싫어요."),
    ]);
    assert_eq!(responses.nearest("김밥 좋아요", &slots).unwrap().actions, ["utter_a", "utter_b"]);
}
