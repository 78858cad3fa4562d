//! `deploy chat`: a talk in the terminal, and through a pipe.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bundle::untrained;

fn chat(model: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_deploy"))
        .args(["chat", "--lang", "en", "--model"])
        .arg(model)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refused has closed its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn lines_of_a_pipe_are_turns() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let said = chat(&model, &["--seed", "3", "--say", "안녕", "--say", "잘 지내?"], b"");
    assert!(said.status.success());
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let piped = chat(&model, &["--seed", "3"], "안녕\n\n잘 지내?\n/quit\n더\n".as_bytes());
    assert!(piped.status.success());
    let piped = String::from_utf8_lossy(&piped.stdout).into_owned();
    assert_eq!(said.replace("> 안녕\n", "").replace("> 잘 지내?\n", ""), piped);
}

#[test]
fn a_new_talk_remembers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let once = chat(&model, &["--greedy"], "안녕\n".as_bytes());
    let twice = chat(&model, &["--greedy"], "안녕\n/reset\n안녕".as_bytes());
    assert_eq!([once.stdout.as_slice(), &once.stdout].concat(), twice.stdout);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("new talk"));
    let help = chat(&model, &[], b"/help\n/halp\n");
    let help = String::from_utf8_lossy(&help.stderr).into_owned();
    assert!(help.contains("/reset") && help.contains("/halp"), "{help}");
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let check = |arguments: &[&str], input: &[u8], word: &str| {
        let output = chat(&model, arguments, input);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(word), "{message}");
    };
    check(&["--temperature", "3"], b"", "temperature");
    check(&["--top-p", "nan"], b"", "top_p");
    check(&["--max-tokens", "0"], b"", "max_tokens");
    check(&["--greedy", "--temperature", "1"], b"", "--greedy");
    check(&[], b"hello\n\xff\xfe\n", "stdin:2");
    check(&[], format!("hello\n{}\n", "a".repeat(400)).as_bytes(), "stdin:2");
    check(&["--say", &"a".repeat(400)], b"", "context");
}
