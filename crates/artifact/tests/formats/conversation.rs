//! Files of conversations, and what is wrong with those that are none.

use artifact::conversation::{self, Conversation, ConversationWriter, Message, Role, Slot, Split};
use fs_err as fs;

use crate::directories;

#[test]
fn reads_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut talk = directories::talk("a", Some(Split::Test), &["내 이름은 지우야", "반가워요, 지우님!"]);
    talk.topic = Some("identity".to_owned());
    talk.license = Some("CC0-1.0".to_owned());
    talk.messages[0].time = Some("2026-01-02T03:04:05+09:00".to_owned());
    talk.messages[0].intent = Some("tell_name".to_owned());
    talk.messages[1].action = Some("utter_name".to_owned());
    talk.messages[1].slots = vec![Slot { name: "name".to_owned(), value: "지우".to_owned() }];
    talk.messages[1].recall = vec!["지우".to_owned()];
    talk.messages.insert(0, Message::new(Role::System, "너는 나만이다."));
    let plain = directories::talk("b", None, &["\"quoted\"\n\u{2028}", "\\ 😀\u{0}"]);

    let mut writer = ConversationWriter::new(dir.path());
    writer.write(&talk).unwrap();
    writer.write(&plain).unwrap();
    assert_eq!(writer.finish().unwrap(), 2);
    let read: Vec<Conversation> = conversation::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [talk, plain]);
    let text = fs::read_to_string(dir.path().join("conversations-00000.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn leaves_out_what_is_not_known() {
    let line = serde_json::to_string(&directories::talk("b", None, &["가", "나"])).unwrap();
    let expected = r#"{"id":"b","source":"chats","messages":[{"role":"user","content":"가"},{"role":"assistant","content":"나"}]}"#;
    assert_eq!(line, expected);
}

/// Reads a file; gives the first error, with the directory left out.
fn error(content: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conversations-00000.jsonl"), content).unwrap();
    let read: artifact::Result<Vec<_>> = conversation::read_dir(dir.path()).unwrap().collect();
    let error = read.expect_err("an error").to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn an_error_names_file_and_line() {
    let good = r#"{"id":"a","source":"s","messages":[{"role":"user","content":"x"}]}"#;
    for (bad, part) in [
        (&b"{"[..], "EOF"),
        (b"\"hello\"", "string"),
        (b"{\"id\":\"a\",\"source\":\"s\",\"messages\":[]}", "at least one message, found an empty list"),
        (b"{\"id\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "missing field `source`"),
        (b"{\"id\":\"a\",\"source\":\"s\",\"messages\":[{\"role\":\"gpt\",\"content\":\"x\"}]}", "`gpt`"),
        (b"{\"id\":\"a\",\"source\":\"s\",\"split\":\"dev\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "`dev`"),
        (b"{\"id\":\"\xFF\"}", "UTF-8"),
    ] {
        let content = [good.as_bytes(), b"\n\n", bad, b"\n", good.as_bytes()].concat();
        let error = error(&content);
        assert!(error.starts_with("conversations-00000.jsonl:3: expected "), "{error}");
        // How UTF-8 is told is the reader's choice.
        assert!(error.contains(part) || part == "UTF-8", "no {part} in {error}");
    }
}

#[test]
fn the_lines_after_a_bad_one_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("conversations-00000.jsonl");
    let good = r#"{"id":"a","source":"s","messages":[{"role":"user","content":"x"}]}"#;
    fs::write(&path, format!("{good}\nbad\n{good}")).unwrap();
    let read: Vec<bool> = conversation::read_file(&path).unwrap().map(|read| read.is_ok()).collect();
    assert_eq!(read, [true, false, true]);
}

#[test]
fn a_directory_without_conversations_is_an_error_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conversations-.jsonl"), "").unwrap();
    fs::write(dir.path().join("conversations-00000.json"), "").unwrap();
    let error = conversation::read_dir(dir.path()).err().unwrap().to_string();
    assert!(error.contains("conversations-00000.jsonl") && error.contains("hint"), "{error}");
    let error = conversation::read_dir(&dir.path().join("missing")).err().unwrap().to_string();
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn files_are_read_in_the_order_of_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    for number in ["00002", "99999", "00010", "100000"] {
        let line =
            format!(r#"{{"id":"{number}","source":"s","messages":[{{"role":"user","content":"x"}}]}}"#);
        fs::write(dir.path().join(format!("conversations-{number}.jsonl")), line).unwrap();
    }
    let ids: Vec<_> = conversation::read_dir(dir.path()).unwrap().map(|talk| talk.unwrap().id).collect();
    assert_eq!(ids, ["00002", "00010", "99999", "100000"]);
}
