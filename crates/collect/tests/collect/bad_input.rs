//! Every bad input ends with code 2 and one message that names file, line and remedy, and leaves no output.

use fs_err as fs;
use std::path::Path;

use crate::stage::{collect, folder};

#[track_caller]
fn refuses(source: &Path, options: &[&str], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut arguments = vec!["--source", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    arguments.extend(options);
    let run = collect(&arguments);
    assert_eq!(run.code, Some(2), "{}", run.said);
    assert!(!out.exists());
    assert_eq!(run.said.trim_end().lines().count(), 1, "{}", run.said);
    for part in expected {
        assert!(run.said.contains(part), "`{part}` is missing in: {}", run.said);
    }
}

#[track_caller]
fn refuses_file(name: &str, content: &[u8], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    refuses(&path, &[], expected);
}

/// The small project with one text of one file replaced.
#[track_caller]
fn refuses_project(file: &str, before: &str, after: &str, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    for part in
        ["domain/cafe.yml", "domain/garden.yml", "data/cafe.yml", "data/garden.yml", "dialogues/cafe.jsonl"]
    {
        let mut text = fs::read_to_string(folder("tests/fixtures/cafe").join(part)).unwrap();
        if part == file {
            assert!(text.contains(before));
            text = text.replacen(before, after, 1);
        }
        fs::create_dir_all(dir.path().join(part).parent().unwrap()).unwrap();
        fs::write(dir.path().join(part), text).unwrap();
    }
    refuses(dir.path(), &[], expected);
}

#[test]
fn missing_and_unknown() {
    refuses(Path::new("/nowhere/at/all.csv"), &[], &["/nowhere/at/all.csv", "no such file"]);
    refuses_file("talk.xyz", b"?", &["talk.xyz", "--format"]);
    refuses(tempfile::tempdir().unwrap().path(), &[], &["rasa", "kakaotalk", "none"]);
    refuses(&folder("tests/fixtures/cafe"), &["--format", "line"], &["files of the format line", "none"]);
    refuses(&folder("tests/fixtures/cafe"), &["--topics", "cafe,bar"], &["bar", "cafe, garden"]);
}

#[test]
fn an_output_that_exists_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder("tests/fixtures/cafe");
    let run = collect(&["--source", source.to_str().unwrap(), "--out", dir.path().to_str().unwrap()]);
    assert_eq!(run.code, Some(2));
    assert!(run.said.contains("exists already"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn options_without_sense() {
    let source = folder("tests/fixtures/cafe");
    refuses(&source, &["--bot-name", "{x}"], &["--bot-name"]);
    refuses(&source, &["--test-percent", "80", "--valid-percent", "20"], &["leave nothing for training"]);
    refuses(&source, &["--test-percent=-1"], &["--test-percent -1"]);
    refuses(&source, &["--replies-per-action", "0"], &["--replies-per-action 0"]);
    refuses(&source, &["--columns", "Q"], &["--columns Q", "hint"]);
    refuses(&source, &["--gap", "3"], &["--gap 3", "3h"]);
    refuses(&source, &["--gap", "0h"], &["--gap 0h"]);
    refuses(&source, &["--utc-offset", "9"], &["--utc-offset 9", "+09:00"]);
    refuses(&source, &["--me", " "], &["--me"]);
    refuses(&source, &["--shard", "100000/100000"], &["--shard 100000/100000", "fewer"]);
}

#[test]
fn csv() {
    refuses_file("t.csv", b"", &["t.csv:1", "Q,A", "--columns"]);
    refuses_file("t.csv", b"Q,A\n", &["t.csv", "rows"]);
    refuses_file("t.csv", "질문,답\n안녕,네\n".as_bytes(), &["t.csv:1", "`질문`", "--columns"]);
    refuses_file("t.csv", b"Q,A\na,b\nc\n", &["t.csv:3", "2 columns", "1"]);
    refuses_file("t.csv", b"Q,A\na,b\nc,\xff\xff\n", &["t.csv:3", "UTF-8"]);
    refuses_file("t.csv", "Q,A\n안녕,네\n밥은,\"아직 안 먹".as_bytes(), &["t.csv:3", "cut short"]);
    refuses_file("t.csv", b"Q,A\n,b\na,\n", &["no conversation", "no question", "no answer"]);
}

#[test]
fn json_lines() {
    let good = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    refuses_file("t.jsonl", b"", &["t.jsonl", "none"]);
    refuses_file("t.jsonl", format!("{good}\n{}", &good[..40]).as_bytes(), &["t.jsonl:2", "hint"]);
    refuses_file("t.jsonl", format!("{good}\n{{\"text\": 1}}\n").as_bytes(), &["t.jsonl:2", "messages"]);
    refuses_file(
        "t.jsonl",
        b"{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}\n",
        &["t.jsonl:1"],
    );
}

#[test]
fn descriptions() {
    refuses_file("d.toml", b"name = \"x\"\n", &["d.toml", "`path` or `url`"]);
    refuses_file("d.toml", b"name = \"x\"\nurl = \"ftp://example.org/x.csv\"\n", &["d.toml", "https://"]);
    refuses_file("d.toml", b"name = \"x\"\npath = \"none.csv\"\n", &["d.toml", "none.csv"]);
    refuses_file("d.toml", b"name = \"x\"\nfile = \"d.toml\"\n", &["d.toml:2", "file", "keys"]);
    let wrong = "name = \"x\"\npath = \"d.toml\"\nformat = \"csv\"\nsha256 = \"00\"\n";
    refuses_file("d.toml", wrong.as_bytes(), &["SHA-256 00", "changed"]);
}

#[test]
fn rasa() {
    let (data, domain) = ("data/cafe.yml", "domain/cafe.yml");
    let thanks = "  - intent: cafe_thanks\n  - action";
    refuses_project(data, thanks, "  - intent: cafe_bye\n  - action", &["cafe.yml:81", "`cafe_bye`"]);
    let expected = ["cafe.yml:70", "`utter_nothing`", "an order and a name"];
    refuses_project(data, "- action: utter_cafe_name", "- action: utter_nothing", &expected);
    refuses_project(data, "    - drink\n  - action", "    - size\n  - action", &["cafe.yml:72", "`size`"]);
    refuses_project(
        data,
        "  - slot_was_set:\n    - drink",
        "  - checkpoint: x",
        &["cafe.yml:72", "slot_was_set"],
    );
    refuses_project(data, "[물](drink)", "[물](tea)", &["cafe.yml:8", "`tea`", "entities"]);
    refuses_project(data, "[녹차](drink)", "[녹차](drink", &["cafe.yml:6", "[value](entity)"]);
    refuses_project(data, "    - 감사합니다", "    감사합니다", &["cafe.yml:37", "`- `"]);
    refuses_project(data, "stories:", "stories: [", &["cafe.yml:67"]);
    refuses_project(data, "steps:", "stages:", &["cafe.yml:68", "steps"]);
    refuses_project(domain, "{drink}은(는)", "{size}은(는)", &["cafe.yml:17", "`size`", "slots"]);
    refuses_project("domain/garden.yml", "version", "\t version", &["garden.yml:"]);
    refuses_project("dialogues/cafe.jsonl", "]}\n", "]\n", &["cafe.jsonl:1"]);
}

#[test]
fn rasa_files_that_are_no_text() {
    for content in [&b""[..], b"nlu:\n- intent: \xff\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("data")).unwrap();
        fs::create_dir_all(dir.path().join("domain")).unwrap();
        fs::write(dir.path().join("data/x.yml"), content).unwrap();
        refuses(dir.path(), &[], &["x.yml"]);
    }
}
