//! What is wrong with the input is told, and no report is left.

use std::path::Path;

use artifact::conversation::Message;

use crate::held_out::{arguments, conversations, data, talk};

#[track_caller]
fn fails(data: &Path, more: &[&str], expected: &str) {
    let error = evaluate::run(arguments(data, more)).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains(expected), "{message}");
    assert!(!data.join("report").exists());
}

#[test]
fn bad_input_is_told_and_leaves_no_report() {
    let good = data(&conversations());
    let model = good.path().to_str().unwrap();
    fails(good.path(), &["--model", "transformer"], "found no `=` (hint: write it as NAME=DIR");
    fails(good.path(), &["--model", "=x"], "expected a name");
    fails(good.path(), &["--model", "a=/nowhere/at/all"], "the directory of model `a`");
    fails(
        good.path(),
        &["--model", &format!("a={model}"), "--model", &format!("a={model}")],
        "`a` is given twice",
    );
    fails(good.path(), &["--model", &format!("a={model}")], "model `a`");

    let missing = tempfile::tempdir().unwrap();
    fails(missing.path(), &[], "expected a file test.jsonl, found none (hint: ");
    let empty = data(&[]);
    fails(empty.path(), &[], "expected held-out conversations, found an empty file (hint: ");
    let mute = data(&[talk("a", "food", vec![Message::user("안녕")])]);
    fails(mute.path(), &[], "expected a turn of the assistant");

    let cut = data(&conversations());
    let path = cut.path().join("test.jsonl");
    let bytes = fs_err::read(&path).unwrap();
    fs_err::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    fails(cut.path(), &[], "test.jsonl:3: expected ");
}
