//! Exports of the other chat programs.

use std::io::Write as _;

use artifact::sources::Format;

use crate::stage::collect;
use crate::talk::{BOTS, DELETED, MEDIA, SYSTEM, TO_NOBODY, UNANSWERED, of_files, of_path, of_text, sample};

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn samples() {
    let dir = || tempfile::tempdir().unwrap();
    if let Some(path) = sample("whatsapp_android_us.txt") {
        // Only one of the two says anything.
        let out = dir();
        let out = out.path().join("out");
        let options = ["--source", path.to_str().unwrap(), "--me", "Garam", "--out", out.to_str().unwrap()];
        let run = collect(&options);
        for part in
            ["1 messages: deleted", "2 messages: pictures", "2 messages: said by", "2 messages: system"]
        {
            assert!(run.said.contains(part), "{}", run.said);
        }
    }
    if let Some(path) = sample("telegram_result.json") {
        let read = of_path(&path, &["--me", "나래", "--gap", "1500d"], dir());
        read.says(&[&["u https://example.com 봐봐", "a 안녕\n두 줄"]]);
        read.counts(2, &[(SYSTEM, 1), (MEDIA, 1)]);
        assert_eq!(read.times()[0], "2019-07-12T16:55:32+00:00");
    }
    if let Some(path) = sample("line_en.txt") {
        let read = of_path(&path, &["--me", "Narae"], dir());
        read.says(&[&["u Happy new year!", "a two\nlines \"quoted\""]]);
        read.counts(2, &[(MEDIA, 2), (SYSTEM, 1)]);
    }
    if let Some(path) = sample("messenger_message_1.json") {
        let read = of_path(&path, &["--me", "나래", "--gap", "100d"], dir());
        read.says(&[&["u 안녕 😀", "a 두 번째 (최신이 먼저)"]]);
        read.counts(2, &[(MEDIA, 1)]);
    }
}

#[test]
fn whatsapp_infers_the_order_of_day_and_month() {
    let first = |text: &str| {
        let read = of_text("_chat.txt", text, &["--me", "Bo"]);
        assert_eq!(read.format, Format::Whatsapp);
        read.says(&[&["u hi", "a yo: you"]]);
        read.times()[0].to_owned()
    };
    assert_eq!(
        first("[31/12/23, 9:05:12 PM] Ana: hi\n[31/12/23, 9:06:00 PM] Bo: yo: you\n"),
        "2023-12-31T21:05:12+09:00"
    );
    assert_eq!(
        first("12/31/23, 9:05 PM - Ana: hi\n12/31/23, 9:06 PM - Bo: yo: you\n"),
        "2023-12-31T21:05:00+09:00"
    );
    assert_eq!(
        first("31.12.2023, 21:05 - Ana: hi\n31.12.2023, 21:06 - Bo: yo: you\n"),
        "2023-12-31T21:05:00+09:00"
    );
    assert_eq!(
        first("2023-12-31, 21:05 - Ana: hi\n2023-12-31, 21:06 - Bo: yo: you\n"),
        "2023-12-31T21:05:00+09:00"
    );
    assert_eq!(
        first("24/8/21 PM 2:38 - Ana: hi\n24/8/21 PM 2:39 - Bo: yo: you\n24/8/22 AM 1:00 - Ana joined\n"),
        "2024-08-21T14:38:00+09:00"
    );
    assert_eq!(
        first("2024. 8. 21. 오후 2:38 - Ana: hi\n2024. 8. 21. 오후 2:39 - Bo: yo: you\n"),
        "2024-08-21T14:38:00+09:00"
    );
    // Every number may be a month: time runs forward, and slowly, under one order only.
    assert_eq!(
        first("05/04/23, 21:05 - Ana: hi\n05/04/23, 21:06 - Bo: yo: you\n06/04/23, 08:00 - Ana joined\n"),
        "2023-04-05T21:05:00+09:00"
    );
    assert_eq!(
        first("4/5/23, 21:05 - Ana: hi\n4/5/23, 21:06 - Bo: yo: you\n4/6/23, 08:00 - Ana joined\n"),
        "2023-04-05T21:05:00+09:00"
    );
}

#[test]
fn whatsapp_lines_of_the_program_media_and_continuations() {
    let ios = "\u{feff}[12/31/23, 9:00:00\u{202f}PM] Family: \u{200e}Messages and calls are end-to-end encrypted.\r\n\
               \u{200e}[12/31/23, 9:05:12\u{202f}PM] Ana: \u{200e}image omitted\r\n[12/31/23, 9:05:13\u{202f}PM] Ana: first\r\n\r\n2/3, 4: third\n\
               [12/31/23, 9:05:14\u{202f}PM] Bo: \u{200e}This message was deleted.\r\n\
               [12/31/23, 9:05:15\u{202f}PM] Bo: ok \u{200e}<This message was edited>\r\n\u{200e}[12/31/23, 9:06:12\u{202f}PM] Bo: \u{200e}<attached: 0001.jpg>\r\n";
    let read = of_text("_chat.txt", ios, &["--me", "Bo"]);
    read.says(&[&["u first\n\n2/3, 4: third", "a ok"]]);
    read.counts(2, &[(SYSTEM, 1), (MEDIA, 2), (DELETED, 1)]);
    let korean = "24/8/21 PM 2:38 - 메시지와 통화는 종단간 암호화됩니다.\n24/8/21 PM 2:38 - 가람: <미디어 파일 제외됨>\n\
                  24/8/21 PM 2:39 - 가람: 뭐해\n24/8/21 PM 2:40 - 나래: IMG-1.jpg (파일 첨부됨)\n사진 봐\n24/8/22 AM 12:05 - 가람: 응\n";
    let read = of_text("WhatsApp.txt", korean, &["--me", "나래"]);
    read.says(&[&["u 뭐해", "a 사진 봐"]]);
    read.counts(2, &[(SYSTEM, 1), (MEDIA, 1), (UNANSWERED, 1)]);
}

#[test]
fn whatsapp_in_an_archive_with_its_media() {
    let chat = "[31/12/23, 9:05:12 PM] Ana: hi\n[31/12/23, 9:06:00 PM] Bo: yo\n";
    let archive = zipped(&[("00000001-PHOTO.jpg", b"\xff\xd8\xff"), ("_chat.txt", chat.as_bytes())]);
    of_files(&[("WhatsApp Chat - Ana.zip", &archive)], &["--me", "Bo"]).says(&[&["u hi", "a yo"]]);
}

#[test]
fn telegram_of_a_whole_account() {
    let message = |id: u32, from: &str, text: &str| {
        format!(
            r#"{{"id": {id}, "type": "message", "date": "2024-01-02T12:00:0{id}", "date_unixtime": "170416440{id}", "from": {from}, "from_id": "user{id}", "text": {text}}}"#
        )
    };
    let ana = message(1, r#""Ana""#, r#"["a ", {"type": "bold", "text": "b"}, " c"]"#);
    let bo = message(2, r#""Bo""#, r#""ok""#);
    let gone = message(3, "null", r#""who?""#);
    let text = format!(
        r#"{{"about": "x", "personal_information": {{}}, "chats": {{"about": "y", "list": [
            {{"name": "A", "type": "personal_chat", "id": 1, "messages": [{ana}, {bo}, {gone}]}},
            {{"name": null, "type": "saved_messages", "id": 2, "messages": [{ana}, {bo}]}}]}}}}"#
    );
    let read = of_text("result.json", &text, &["--me", "Bo", "--speakers"]);
    assert_eq!(read.format, Format::Telegram);
    read.says(&[&["u Ana: a b c", "a ok"], &["u Ana: a b c", "a ok"]]);
    read.counts(4, &[(UNANSWERED, 1)]);
    // The clock of the export was nine hours ahead of UTC.
    assert_eq!(read.times()[0], "2024-01-02T12:00:01+09:00");
}

#[test]
fn discord_json_and_csv() {
    let message = |kind: &str, name: &str, nickname: &str, bot: bool, content: &str, attachments: &str| {
        format!(
            r#"{{"id": "1", "type": "{kind}", "timestamp": "2019-01-04T17:52:39.762+00:00", "content": "{content}", "author": {{"id": "1", "name": "{name}", "nickname": "{nickname}", "isBot": {bot}}}, "attachments": [{attachments}], "embeds": [], "reference": {{"messageId": "9"}}}}"#
        )
    };
    let messages = [
        message("ThreadCreated", "garam", "가람", false, "new", ""),
        message("Default", "garam", "가람", false, "안녕", ""),
        message("Default", "helper", "", true, "자동", ""),
        message("Reply", "narae", "", false, "", r#"{"id": "1", "fileName": "a.png"}"#),
        message("Reply", "narae", "", false, "왔어?", ""),
    ];
    let text = format!(
        r#"{{"guild": {{"id": "0", "name": "G"}}, "channel": {{"id": "1", "name": "c"}}, "messages": [{}]}}"#,
        messages.join(",")
    );
    let read = of_text("c.json", &text, &["--me", "narae"]);
    assert_eq!(read.format, Format::Discord);
    read.says(&[&["u 안녕", "a 왔어?"]]);
    read.counts(2, &[(SYSTEM, 1), (BOTS, 1), (MEDIA, 1)]);
    let table = "\u{feff}\"AuthorID\",\"Author\",\"Date\",\"Content\",\"Attachments\",\"Reactions\"\n\
                 \"1\",\"garam#0001\",\"2019-01-04T17:52:39.7620000+00:00\",\"둘\n\"\"줄\"\"\",\"\",\"👍 (1)\"\n\
                 \"2\",\"narae\",\"2019-01-04T17:53:39.7620000+00:00\",\"\",\"https://x/a.png\",\"\"\n\
                 \"2\",\"narae\",\"04-Jan-19 05:54 PM\",\"응\",\"\",\"\"\n";
    let read = of_text("c.csv", table, &["--me", "narae"]);
    assert_eq!(read.format, Format::Discord);
    read.says(&[&["u 둘\n\"줄\"", "a 응"]]);
    read.counts(2, &[(MEDIA, 1)]);
    assert_eq!(read.times(), ["2019-01-04T17:52:39+00:00", "2019-01-04T17:54:00+09:00"]);
}

#[test]
fn slack_channels_threads_and_references() {
    let users = r#"[{"id": "U1", "name": "garam", "profile": {"display_name": "가람"}}, {"id": "U2", "name": "narae", "real_name": "Narae K", "profile": {"display_name": ""}}, {"id": "U3", "name": "robot", "is_bot": true}]"#;
    let first = r#"[
        {"type": "message", "user": "U1", "ts": "1546624359.000100", "text": "<@U2> 봤어? <https://example.com|여기> &lt;3"},
        {"type": "message", "subtype": "channel_join", "user": "U2", "ts": "1546624359.000200", "text": "<@U2> has joined"},
        {"type": "message", "user": "U3", "ts": "1546624359.000300", "text": "beep"},
        {"type": "message", "user": "U2", "ts": "1546624360.000000", "thread_ts": "1546624370.000000", "text": "답글"},
        {"type": "message", "user": "U1", "ts": "1546624370.000000", "thread_ts": "1546624370.000000", "reply_count": 1, "text": "글타래"}]"#;
    let second = r#"[{"type": "message", "user": "U2", "ts": "1546710758.000000", "text": "응"},
        {"type": "message", "user": "U2", "ts": "1546710759.000000", "text": "", "files": [{"id": "F"}], "subtype": "file_share"}]"#;
    let files: [(&str, &[u8]); 5] = [
        ("channels.json", br#"[{"id": "C1", "name": "general"}]"#),
        ("users.json", users.as_bytes()),
        ("general/2019-01-05.json", second.as_bytes()),
        ("general/2019-01-04.json", first.replace("1546624360", "1546624380").leak().as_bytes()),
        ("general/canvas.txt", b"x"),
    ];
    let archive = zipped(&files);
    for read in [
        of_files(&[("export.zip", &archive)], &["--me", "Narae K", "--gap", "2d"]),
        of_files(&files, &["--me", "Narae K", "--gap", "2d"]),
    ] {
        assert_eq!(read.format, Format::Slack);
        read.says(&[&["u @Narae K 봤어? 여기 <3", "a 응"], &["u 글타래", "a 답글"]]);
        read.counts(4, &[(SYSTEM, 1), (BOTS, 1), (MEDIA, 1)]);
    }
}

#[test]
fn slack_of_an_organisation_and_between_two() {
    let day = r#"[{"type": "message", "user": "U1", "ts": "1546624359.000100", "text": "점심?"},
        {"type": "message", "user": "U2", "ts": "1546624360.000100", "text": "<!here> 좋아 &amp; 가자"}]"#;
    let files: [(&str, &[u8]); 3] = [
        ("org_users.json", r#"[{"id": "U1", "name": "garam"}, {"id": "U2", "name": "narae"}]"#.as_bytes()),
        ("dms.json", br#"[{"id": "D1", "members": ["U1", "U2"]}]"#),
        ("D1/2019-01-04.json", day.as_bytes()),
    ];
    let read = of_files(&[("export.zip", &zipped(&files))], &["--me", "narae"]);
    assert_eq!(read.format, Format::Slack);
    read.says(&[&["u 점심?", "a @here 좋아 & 가자"]]);
}

#[test]
fn messenger_in_parts_newest_first() {
    let part = |messages: &str| {
        format!(
            r#"{{"participants": [{{"name": "A"}}], "messages": [{messages}], "title": "\u00c3\u00a9t\u00c3\u00a9"}}"#
        )
    };
    let newer = part(
        r#"{"sender_name": "B", "timestamp_ms": 1577186590000, "content": "\u00c3\u00a9t\u00c3\u00a9"},
           {"sender_name": "B", "timestamp_ms": 1577186585000, "is_unsent": true},
           {"sender_name": "B", "timestamp_ms": 1577186584000, "content": "B sent an attachment.", "share": {}}"#,
    );
    let older = part(
        r#"{"sender_name": "A", "timestamp_ms": 1577186580000, "content": "\u00ec\u0095\u0088\u00eb\u0085\u0095"},
           {"sender_name": "A", "timestamp_ms": 1577186580000, "content": "na\u00efve"}"#,
    );
    let files: [(&str, &[u8]); 3] = [
        ("a/message_1.json", newer.as_bytes()),
        ("a/message_2.json", older.as_bytes()),
        ("a/photos/1.jpg", b"\xff"),
    ];
    let read = of_files(&files, &["--me", "B"]);
    assert_eq!(read.format, Format::Messenger);
    read.says(&[&["u naïve\n안녕", "a été"]]);
    read.counts(3, &[(DELETED, 1), (MEDIA, 1)]);
}

#[test]
fn line_in_korean() {
    let text = "[LINE] 가람님과의 대화\r\n저장일시 : 2020/12/31 23:59\r\n\r\n2020.12.31 목요일\r\n오후 11:58\t가람\t[사진]\r\n오후 11:59\t가람\t뭐해\r\n\
                오후 11:59\t가람\t\"따옴표\" 아님\r\n2021.01.01 금요일\r\n오전 12:05\t나래\t\"한 줄\r\n\r\n\"\"두\"\" 줄\"\r\n오전 12:06\t나래\t[사진] 보내줘\r\n\
                오전 12:07\t나래님이 메시지를 취소했습니다.\r\n";
    let read = of_text("line.txt", text, &["--me", "나래"]);
    assert_eq!(read.format, Format::Line);
    read.says(&[&["u 뭐해\n\"따옴표\" 아님", "a 한 줄\n\n\"두\" 줄\n[사진] 보내줘"]]);
    read.counts(4, &[(MEDIA, 1), (DELETED, 1)]);
    assert_eq!(read.times()[1], "2021-01-01T00:05:00+09:00");
}

#[test]
fn imessage() {
    let text = "Jan 04, 2019  5:52:39 PM (Read by you after 1 minute, 2 seconds)\nGaram\nhello\n\nsecond: Jan 04, 2019  5:52:39 PM\n\n\
                Jan 04, 2019  5:53:39 PM\nMe\n/Users/x/Library/Messages/IMG_1.heic\n\nJan 04, 2019  5:54:39 PM\nMe\nhey\nTapbacks:\n    Loved by Garam\n\n\
                Jan 04, 2019  5:55:00 PM Garam named the conversation Family\n\n";
    let read = of_text("+8210.txt", text, &[]);
    assert_eq!(read.format, Format::Imessage);
    read.says(&[&["u hello\n\nsecond: Jan 04, 2019  5:52:39 PM", "a hey"]]);
    read.counts(2, &[(MEDIA, 1), (SYSTEM, 1)]);
    assert_eq!(read.times()[0], "2019-01-04T17:52:39+09:00");
}

#[test]
fn subtitles_alternate_only_when_asked() {
    let text = "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>안녕</i>\r\n하세요\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}네 <3\r\n\r\n\
                3\r\n00:01:00,000 --> 00:01:02,000\r\n- 누구?\r\n- 나야\r\n";
    let read = of_text("film.srt", text, &["--alternate", "--gap", "10s"]);
    assert_eq!(read.format, Format::Subrip);
    read.says(&[&["u 안녕 하세요", "a 네 <3"], &["u 누구?", "a 나야"]]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.srt");
    fs_err::write(&path, text).unwrap();
    let run = collect(&["--source", path.to_str().unwrap(), "--out", dir.path().join("o").to_str().unwrap()]);
    assert!(run.code == Some(2) && run.said.contains("--alternate"), "{}", run.said);
}

#[test]
fn a_conversation_begins_with_a_question_and_ends_with_an_answer() {
    let text = "31/12/2023, 21:05 - Bo: a\n31/12/2023, 21:06 - Ana: b\n31/12/2023, 21:07 - Bo: c\n31/12/2023, 21:08 - Ana: d\n";
    let read = of_text("w.txt", text, &["--me", "Bo"]);
    read.says(&[&["u b", "a c"]]);
    read.counts(2, &[(TO_NOBODY, 1), (UNANSWERED, 1)]);
}
