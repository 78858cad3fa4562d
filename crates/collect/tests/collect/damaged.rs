//! Every reader on files that were cut, spliced and garbled: it may refuse them, but never panics.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use artifact::sources::Format;
use clap::Parser as _;
use fs_err as fs;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Damaged files of each whole one.
const VARIANTS: usize = 250;

/// A small whole file of each format.
fn whole() -> Vec<(Format, Vec<u8>)> {
    let android = "가람 님과 카카오톡 대화\r\n저장한 날짜 : 2024년 1월 3일 오전 11:29\r\n\r\n\r\n2024년 1월 2일 오후 3:00\r\n\
                   2024년 1월 2일 오후 3:00, 나래 : 뭐해\n둘째 줄\n2024년 1월 2일 오후 3:01, 회원님 : 그래\n2024년 1월 2일 오후 3:02, 나래님이 나갔습니다.\n";
    let windows = "X's Chat\r\n\r\n--------------- 2020년 6월 28일 일요일 ---------------\r\n[가람 [분석]] [오전 12:03] 하나\n둘\n[나래] [23:10] 응\n나래님이 나갔습니다.\n";
    let macos = "Date,User,Message\n2021-12-29 20:36:00,\"가람\",\"ㅎㅇ\n\"\"둘\"\"\"\n,\"\",\"The message has been deleted.\"\n2021-12-29 20:37:00,나래,응\n";
    let utf16: Vec<u8> = format!("\u{feff}{android}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let line = "[LINE] 대화\n저장일시 : 2020/12/31 23:59\n\n2020/12/31(Thu)\n23:58\t가람\t\"하나\n둘\"\n오후 11:59\t나래\t응\n00:07\t\tleft\n";
    let imessage = "Jan 04, 2019  5:52:39 PM (Read)\nGaram\nhello\n\nJan 04, 2019  5:53:39 PM\nMe\nhey\nTapbacks:\n  x\n";
    let telegram = r#"{"name": "x", "messages": [{"id": 1, "type": "message", "date": "2024-01-02T12:00:01", "date_unixtime": "1704164401", "from": "a", "from_id": "user1", "text": ["a", {"type": "b", "text": "c"}]}, {"id": 2, "type": "message", "date": "2024-01-02T12:00:02", "from": null, "from_id": 5, "text": "b"}]}"#;
    let discord = r#"{"guild": {}, "channel": {"name": "c"}, "messages": [{"type": "Default", "timestamp": "2019-01-04T17:52:39.762+00:00", "content": "a", "author": {"name": "a", "isBot": false}, "attachments": []}]}"#;
    let messenger = r#"{"participants": [], "title": "t", "messages": [{"sender_name": "\u00ea\u00b0\u0080", "timestamp_ms": 1577186580000, "content": "a"}]}"#;
    let chatgpt = r#"[{"id": "c", "current_node": "2", "mapping": {"1": {"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["q", {"x": 1}]}, "recipient": "all", "metadata": {}}, "parent": null, "children": ["2"]}, "2": {"message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["r"]}}, "parent": "1", "children": []}}}]"#;
    let day = r#"[{"type": "message", "user": "U1", "ts": "1546624359.000100", "text": "<@U1> &lt;a <https://x|y>"}]"#;
    let mut slack = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [("users.json", r#"[{"id": "U1", "name": "a"}]"#), ("general/2019-01-04.json", day)] {
        slack.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        slack.write_all(text.as_bytes()).unwrap();
    }
    let texts = [
        (Format::Kakaotalk, android),
        (Format::Kakaotalk, windows),
        (Format::Kakaotalk, macos),
        (
            Format::Whatsapp,
            "[31/12/23, 9:05:12 PM] Ana: hi\nmore\n\u{200e}[31/12/23, 9:06:00 PM] Bo: \u{200e}image omitted\n[1/1/24, 9:06:00 PM] Bo: yo\n",
        ),
        (Format::Line, line),
        (Format::Imessage, imessage),
        (Format::Telegram, telegram),
        (Format::Discord, discord),
        (
            Format::Discord,
            "AuthorID,Author,Date,Content,Attachments,Reactions\n\"1\",\"a#0001\",\"04-Jan-19 05:54 PM\",\"x\",\"\",\"\"\n",
        ),
        (Format::Messenger, messenger),
        (Format::Chatgpt, chatgpt),
        (
            Format::Sharegpt,
            r#"[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]"#,
        ),
        (Format::Alpaca, r#"[{"instruction": "a", "input": "b", "output": "c", "history": [["d", "e"]]}]"#),
        (Format::Chatterbot, "categories:\n- a\nconversations:\n- - b\n  - c\n"),
        (
            Format::Subrip,
            "1\n00:00:01,000 --> 00:00:02,500\n<i>a</i>\n- b\n\n2\n00:00:03,000 --> 00:00:04,000\n{\\an8}c\n",
        ),
        (
            Format::Jsonl,
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b", "weight": 0.5}]}"#,
        ),
        (Format::Csv, "Q,A\n\"a,\nb\",c\nd,\"e\"\"f\"\n"),
    ];
    let mut files: Vec<(Format, Vec<u8>)> =
        texts.into_iter().map(|(format, text)| (format, text.as_bytes().to_vec())).collect();
    files.push((Format::Kakaotalk, utf16));
    files.push((Format::Slack, slack.finish().unwrap().into_inner()));
    files
}

/// A piece is cut out, put in, or garbled, some times over.
fn damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 12] = [
        b"",
        b"\n",
        b"\r\n\r\n",
        b"\"",
        b"\0",
        b"\xff\xfe",
        b"[[[[[[[[",
        b"{\"a\":",
        b" : ",
        b"99999999999999999999",
        b"-1",
        "가\u{202f}오전 ".as_bytes(),
    ];
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let start = rng.random_range(0..=bytes.len());
        let end = rng.random_range(start..=bytes.len()).min(start + 40);
        let piece = match rng.random_range(0..4) {
            0 => PIECES[rng.random_range(0..PIECES.len())].to_vec(),
            1 => bytes[start..end].repeat(3),
            2 => vec![rng.random(); end - start],
            _ => {
                bytes.truncate(end.max(1));
                continue;
            }
        };
        bytes.splice(start..end, piece);
    }
    bytes
}

fn read(path: &Path, options: &[&str]) {
    let base = ["collect", "--source", path.to_str().unwrap(), "--preview", "--alternate", "--me", "나래"];
    let arguments = collect::Arguments::try_parse_from([&base[..], options].concat()).unwrap();
    // An error is as good as conversations; a panic is not.
    let _ = collect::run(arguments);
}

#[test]
fn no_reader_panics() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (number, (format, whole)) in whole().into_iter().enumerate() {
        let mut name = String::new();
        write!(name, "{number}-{}.txt", format.name()).unwrap();
        let path = dir.path().join(name);
        for variant in 0..VARIANTS {
            let bytes = if variant == 0 { whole.clone() } else { damaged(&whole, &mut rng) };
            fs::write(&path, &bytes).unwrap();
            let result = std::panic::catch_unwind(|| {
                read(&path, &["--format", format.name()]);
                read(&path, &[]);
            });
            assert!(result.is_ok(), "{format:?}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}
