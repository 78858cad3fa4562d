//! Formats whose turns have roles.

use std::io::Write as _;

use artifact::sources::Format;

use crate::stage::folder;
use crate::talk::{of_files, of_path, of_text, sample};

#[test]
fn samples() {
    let dir = || tempfile::tempdir().unwrap();
    if let Some(path) = sample("chatgpt_conversations.json") {
        let read = of_path(&path, &[], dir());
        assert_eq!(read.format, Format::Chatgpt);
        read.says(&[&["u 김치찌개 레시피 알려줘", "a 재생성한 답변", "u 이 사진은?", "a 고양이입니다."]]);
    }
    if let Some(path) = sample("sharegpt.json") {
        let read = of_path(&path, &[], dir());
        assert_eq!(read.format, Format::Sharegpt);
        read.says(&[&["s 너는 친절해", "u 안녕", "a 안녕하세요!", "a 끝"]]);
    }
    if let Some(path) = sample("alpaca.json") {
        let read = of_path(&path, &[], dir());
        assert_eq!(read.format, Format::Alpaca);
        read.says(&[
            &["u 한국의 수도는?", "a 서울입니다."],
            &["s 번역가", "u hi", "a 안녕", "u 번역해\nHello", "a 안녕"],
        ]);
    }
    if let Some(path) = sample("openai_messages.jsonl") {
        let read = of_path(&path, &[], dir());
        assert_eq!(read.format, Format::Jsonl);
        read.says(&[&["s 너는 친절해", "u 안녕", "a 안녕하세요!"], &["u 안녕", "a x", "u 날씨", "a 맑아요"]]);
        assert_eq!(read.conversations[1].messages[1].weight, Some(0));
    }
    if let Some(path) = sample("hf_messages.parquet") {
        let read = of_path(&path, &[], dir());
        assert_eq!(read.format, Format::Parquet);
        assert_eq!(read.conversations.len(), 2);
        read.says(&[&["u 안녕", "a 안녕하세요!"], &["u 잘 가", "a 또 봐요"]]);
    }
    if let Some(path) = sample("qa_pairs.csv") {
        of_path(&path, &[], dir())
            .says(&[&["u 12시 땡!", "a 하루가 또 가네요."], &["u 쉼표, 있는 질문", "a 답 \"인용\""]]);
    }
}

#[test]
fn lines_of_sharegpt_and_alpaca() {
    let text = "{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": \"b\"}]}\n\
                {\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": \"\"}]}\n\
                {\"conversations\": [{\"from\": \"narrator\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": \"b\"}]}\n";
    let read = of_text("x.jsonl", text, &[]);
    assert_eq!(read.format, Format::Sharegpt);
    read.says(&[&["u a", "a b"]]);
    read.counts(1, &[("an empty turn", 1), ("a role that is none of user, assistant, system, tool", 1)]);
    let text = "{\"instruction\": \"a\", \"input\": null, \"output\": \"b\"}\n{\"instruction\": \"c\", \"output\": \"d\", \"history\": []}\n";
    let read = of_text("x.jsonl", text, &[]);
    assert_eq!(read.format, Format::Alpaca);
    read.says(&[&["u a", "a b"], &["u c", "a d"]]);
}

#[test]
fn chatgpt_in_a_circle_and_without_a_current_node() {
    let message = |role: &str, text: &str| {
        format!(
            r#"{{"author": {{"role": "{role}"}}, "content": {{"content_type": "text", "parts": ["{text}"]}}, "recipient": "all", "metadata": {{}}}}"#
        )
    };
    let node = |message: &str, parent: &str, children: &str| {
        format!(r#"{{"message": {message}, "parent": {parent}, "children": [{children}]}}"#)
    };
    let (u, a) = (message("user", "q"), message("assistant", "r"));
    let circle = format!(
        r#"{{"id": "c", "current_node": "2", "mapping": {{"1": {}, "2": {}}}}}"#,
        node(&u, "\"2\"", "\"2\""),
        node(&a, "\"1\"", "\"1\"")
    );
    let open = format!(
        r#"{{"id": "o", "current_node": null, "mapping": {{"r": {}, "1": {}, "2": {}}}}}"#,
        node("null", "null", "\"1\""),
        node(&u, "\"r\"", "\"2\""),
        node(&a, "\"1\"", "")
    );
    let read = of_files(
        &[
            ("a/conversations-000.json", format!("[{circle}]").as_bytes()),
            ("a/conversations-001.json", format!("[{open}]").as_bytes()),
        ],
        &[],
    );
    assert_eq!(read.format, Format::Chatgpt);
    read.says(&[&["u q", "a r"], &["u q", "a r"]]);
}

#[test]
fn chatgpt_without_what_nobody_saw() {
    let node = |id: u32, role: &str, recipient: &str, hidden: bool, parts: &str| {
        let parent = if id == 1 { "null".to_owned() } else { format!("\"{}\"", id - 1) };
        format!(
            r#""{id}": {{"message": {{"author": {{"role": "{role}"}}, "content": {{"content_type": "multimodal_text", "parts": [{parts}]}}, "recipient": "{recipient}", "metadata": {{"is_visually_hidden_from_conversation": {hidden}}}}}, "parent": {parent}, "children": []}}"#
        )
    };
    let nodes = [
        node(1, "system", "all", false, r#""rules""#),
        node(2, "user", "all", true, r#""profile""#),
        node(3, "user", "all", false, r#"{"asset_pointer": "x"}, "이 사진은?""#),
        node(4, "assistant", "python", false, r#""code""#),
        node(5, "tool", "all", false, r#""result""#),
        node(6, "assistant", "all", false, r#""고양이""#),
    ];
    let text = format!(r#"[{{"id": "c", "current_node": "6", "mapping": {{{}}}}}]"#, nodes.join(", "));
    of_text("conversations.json", &text, &[]).says(&[&["u 이 사진은?", "a 고양이"]]);
}

#[test]
fn parquet_of_messages_and_of_columns_in_both_compressions() {
    let read = |name: &str| {
        let read = of_path(&folder("fuzz/seeds/parquet").join(name), &[], tempfile::tempdir().unwrap());
        assert_eq!(read.format, Format::Parquet);
        read
    };
    read("messages.parquet").says(&[&["u 안녕", "a 네"], &["u 안녕", "a 네"], &["u 안녕", "a 네"]]);
    read("pairs.parquet").says(&[&["u 하나", "a 셋"], &["u 둘", "a 넷"]]);
}

#[test]
fn data_sets_in_an_archive() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 1..3 {
        archive.start_file(format!("d/{number}.csv"), zip::write::SimpleFileOptions::default()).unwrap();
        write!(archive, "user,assistant\nq{number},a{number}\n").unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    of_files(&[("d.zip", &bytes)], &[]).says(&[&["u q1", "a a1"], &["u q2", "a a2"]]);
}

#[test]
fn chatterbot() {
    let text =
        "categories:\n- food\nconversations:\n- - What is 1 + 1?\n  - 2\n- - yes\n  - true\n- - alone\n";
    let read = of_text("food.yml", text, &[]);
    assert_eq!(read.format, Format::Chatterbot);
    read.says(&[&["u What is 1 + 1?", "a 2"], &["u yes", "a true"]]);
    assert_eq!(read.conversations[0].topic.as_deref(), Some("food"));
    read.counts(2, &[("no turn of the assistant", 1)]);
}

#[test]
fn tables_in_other_encodings() {
    let text = "Q,A\n똠양꿍 먹을래?,\"네, 좋아요\"\n";
    let cp949 = encoding_rs::EUC_KR.encode(text).0.into_owned();
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&cp949, &utf16] {
        of_files(&[("t.csv", bytes)], &[]).says(&[&["u 똠양꿍 먹을래?", "a 네, 좋아요"]]);
    }
}
