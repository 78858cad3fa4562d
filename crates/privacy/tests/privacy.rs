//! What is found as private, measured on sentences in which it is marked: `tests/fixtures/private.txt`, written for this
//! test. No number in it was given to anybody by us; those with check digits were made to pass or to fail them.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::path::Path;

use artifact::preprocess::PrivateKind;
use fs_err as fs;
use privacy::{Found, Names, Placeholders, find};
use proptest::prelude::*;

/// Those who take part in the marked talk.
const PEOPLE: [&str; 6] = ["김나래", "가람", "다온", "Ana Lee", "보리(개발팀)", "회원님"];

fn kind(name: &str) -> PrivateKind {
    let named = PrivateKind::ALL.into_iter().find(|kind| kind.placeholder().to_lowercase() == name);
    named.unwrap_or_else(|| panic!("no kind {name}"))
}

/// The text of a line without its marks, and what they mark: `{phone:010-...}`.
fn unmarked(line: &str) -> (String, Vec<Found>) {
    let (mut text, mut marked) = (String::new(), Vec::new());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once(':').unwrap();
        let (value, after) = after.split_once('}').unwrap();
        text.push_str(before);
        let start = text.len();
        text.push_str(value);
        marked.push(Found { kind: kind(name), range: start..text.len() });
        rest = after;
    }
    text.push_str(rest);
    (text, marked)
}

/// Of one kind: marked and found whole, marked, found, found where it is marked.
#[derive(Default)]
struct Score {
    covered: usize,
    marked: usize,
    found: usize,
    right: usize,
}

#[test]
fn recall_and_precision_of_each_kind() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/private.txt");
    let lines = fs::read_to_string(path).unwrap();
    assert!(lines.lines().count() >= 400);
    let names = Names::new(PEOPLE);
    let mut scores: BTreeMap<PrivateKind, Score> = BTreeMap::new();
    for line in lines.lines() {
        let (text, marked) = unmarked(line);
        let found = find(&text, &names);
        for mark in &marked {
            let score = scores.entry(mark.kind).or_default();
            score.marked += 1;
            let covers = |one: &Found| {
                one.kind == mark.kind
                    && one.range.start <= mark.range.start
                    && one.range.end >= mark.range.end
            };
            if found.iter().any(covers) {
                score.covered += 1;
            } else {
                eprintln!("missed {:?}: {line}", mark.kind);
            }
        }
        for one in &found {
            let score = scores.entry(one.kind).or_default();
            score.found += 1;
            let is_right = |mark: &Found| {
                mark.kind == one.kind && one.range.start < mark.range.end && mark.range.start < one.range.end
            };
            if marked.iter().any(is_right) {
                score.right += 1;
            } else {
                eprintln!("wrong {:?} `{}`: {line}", one.kind, &text[one.range.clone()]);
            }
        }
    }
    assert_eq!(scores.len(), PrivateKind::ALL.len());
    let mut failed = false;
    for (kind, Score { covered, marked, found, right }) in scores {
        let (recall, precision) = (covered as f64 / marked as f64, right as f64 / found as f64);
        eprintln!(
            "{:15} {marked:3} marked, recall {recall:.3}, precision {precision:.3}",
            kind.placeholder()
        );
        assert!(marked >= 20, "too few of {kind:?} to say anything");
        failed |= recall < 0.98 || precision < 0.95;
    }
    assert!(!failed);
}

#[test]
fn placeholders_are_consistent_within_a_conversation() {
    let names = Names::new(PEOPLE);
    let mut placeholders = Placeholders::default();
    let mut mask = |text: &str| placeholders.mask(text, &names).map_or(text.to_owned(), |(text, _)| text);
    assert_eq!(mask("나래야 010-1234-5678로 해"), "[NAME_1]야 [PHONE_1]로 해");
    assert_eq!(mask("01012345678? 010 9876 5432 아니고?"), "[PHONE_1]? [PHONE_2] 아니고?");
    assert_eq!(mask("김나래, 가람이 번호는 010.9876.5432"), "[NAME_1], [NAME_2]이 번호는 [PHONE_2]");
    assert_eq!(mask("공일공 일이삼사 오육칠팔"), "[PHONE_1]");
    assert_eq!(mask("a@b.com A@B.com"), "[EMAIL_1] [EMAIL_1]");
    assert_eq!(mask("오늘 뭐 먹지"), "오늘 뭐 먹지");
}

proptest! {
    /// Whatever is written, ranges are of whole characters, in order, and apart.
    #[test]
    fn any_text_is_taken(text in "([0-9０-９공일이삼사 +()*.@/ㅡ~-]|010|\\+82|동|로|길|호|가|여권|계좌|M|나래|https://x.y/\\?key=|\\PC){0,40}") {
        let found = find(&text, &Names::new(PEOPLE));
        let mut end = 0;
        for one in found {
            prop_assert!(one.range.start >= end && one.range.end > one.range.start);
            prop_assert!(text.get(one.range.clone()).is_some());
            end = one.range.end;
        }
    }
}
