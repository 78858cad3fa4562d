//! Question-answer rows and JSON lines.

use crate::stage::{collected, counted, folder};
use artifact::conversation::{Role, Split};
use artifact::sources::{Format, Sources};
use fs_err as fs;

#[test]
fn rows_become_conversations_of_two_turns() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("talk.csv");
    let rows = "\u{feff}label,question,answer\r\n0,\"밥, 먹었어?\",\"네, \"\"많이\"\" 먹었어요\"\r\n1,, 없음\r\n2,안녕 ,안녕하세요\r\n3,끝,\r\n";
    fs::write(&table, rows).unwrap();
    let out = dir.path().join("out");
    let talks = collected(&table, &[], &out);
    let said: Vec<Vec<(Role, &str)>> = talks
        .iter()
        .map(|talk| talk.messages.iter().map(|message| (message.role, message.content.as_str())).collect())
        .collect();
    assert_eq!(
        said,
        [
            vec![(Role::User, "밥, 먹었어?"), (Role::Assistant, "네, \"많이\" 먹었어요")],
            vec![(Role::User, "안녕"), (Role::Assistant, "안녕하세요")]
        ]
    );
    assert!(talks.iter().all(|talk| talk.split.is_none() && talk.source == "talk"));
    assert_eq!(counted(&out, "rows"), (4, 2, vec![("no answer".into(), 1), ("no question".into(), 1)]));
}

#[test]
fn columns_are_named_by_option_or_description() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("rows.tsv"), "you\tme\n안녕\t반가워요\n").unwrap();
    let first = collected(&dir.path().join("rows.tsv"), &["--columns", "you,me"], &dir.path().join("a"));
    let description = "name = \"pairs\"\npath = \"rows.tsv\"\nlicense = \"MIT\"\ncolumns = \"you,me\"\n";
    fs::write(dir.path().join("pairs.toml"), description).unwrap();
    let second = collected(&dir.path().join("pairs.toml"), &[], &dir.path().join("b"));
    assert_eq!(first[0].messages, second[0].messages);
    assert_eq!((second[0].source.as_str(), second[0].license.as_deref()), ("pairs", Some("MIT")));
}

#[test]
fn every_row_of_songys_is_accounted_for() {
    let table = folder("../../../shared/data/songys-ChatbotData.csv");
    if !table.exists() {
        eprintln!("skipped: {} is not here", table.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_eq!(collected(&table, &[], &out).len(), 11_823);
    assert_eq!(counted(&out, "rows"), (11_823, 11_823, vec![]));
}

#[test]
fn json_lines_with_and_without_ids() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chats.jsonl");
    let lines = [
        r#"{"messages": [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "안녕하세요"}]}"#,
        r#"{"id": 7, "split": "test", "extra": [], "messages": [{"role": "system", "content": "친절하게"}, {"role": "user", "content": "뭐해"}, {"role": "assistant", "content": "이야기해요", "weight": 1}]}"#,
        "",
        r#"{"id": "7", "messages": [{"role": "user", "content": "또"}, {"role": "assistant", "content": "네"}]}"#,
        r#"{"messages": [{"role": "user", "content": "혼잣말"}]}"#,
        r#"{"messages": [{"role": "user", "content": "값은?"}, {"role": "tool", "content": "3"}]}"#,
        r#"{"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "네?"}]}"#,
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let out = dir.path().join("out");
    let talks = collected(&file, &[], &out);
    let ids: Vec<&str> = talks.iter().map(|talk| talk.id.as_str()).collect();
    assert_eq!(ids, ["chats/chats-000001", "chats/7", "chats/7#2"]);
    assert_eq!(talks[1].split, Some(Split::Test));
    assert_eq!(talks[1].messages[0].role, Role::System);
    let (read, kept, rejected) = counted(&out, "conversations");
    assert_eq!((read, kept), (6, 3));
    assert_eq!(rejected, [("an empty turn".into(), 1), ("no turn of the assistant".into(), 2)]);
}

#[test]
fn its_own_output_is_a_source() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    let before = collected(&folder("tests/fixtures/cafe"), &["--count", "20"], &first);
    let after = collected(&first, &[], &second);
    let bare = |talks: Vec<artifact::conversation::Conversation>| -> Vec<_> {
        talks.into_iter().map(|talk| (talk.topic, talk.split, talk.messages)).collect()
    };
    assert_eq!(bare(before), bare(after));
    assert_eq!(
        fs::read(first.join("responses.jsonl")).unwrap(),
        fs::read(second.join("responses.jsonl")).unwrap()
    );
}

#[test]
fn sources_stand_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["a", "b"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("same.csv"), "Q,A\n안녕,네\n").unwrap();
    }
    let second = dir.path().join("b/same.csv");
    let out = dir.path().join("out");
    let talks = collected(&dir.path().join("a/same.csv"), &["--source", second.to_str().unwrap()], &out);
    assert_eq!(talks.iter().map(|talk| talk.source.as_str()).collect::<Vec<_>>(), ["same", "same-2"]);
    let sources = Sources::read(&out).unwrap();
    assert_eq!(
        (sources.conversations, sources.sources.len(), sources.sources[1].format),
        (2, 2, Format::Csv)
    );
    assert_eq!(sources.sources[0].sha256, sources.sources[1].sha256);
}
