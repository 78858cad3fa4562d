//! `KakaoTalk`'s exports: each family, version and language, with what is easily misread.

use std::fmt::Write as _;
use std::time::Instant;

use artifact::participants::Participants;
use artifact::sources::{Format, Sources};
use fs_err as fs;

use crate::stage::{collect, collected};
use crate::talk::{
    CUT, DELETED, EMPTY, MEDIA, SYSTEM, TO_NOBODY, UNANSWERED, of_files, of_path, of_text, sample,
};

#[test]
fn samples() {
    let dir = || tempfile::tempdir().unwrap();
    if let Some(path) = sample("kakao_android_ko.txt") {
        let read = of_path(&path, &["--me", "가람"], dir());
        assert_eq!(read.format, Format::Kakaotalk);
        read.says(&[&["u 공부하기", "a 자정 메시지"]]);
        // The emoticon and the deleted message, the picture, two lines of the program; two with words in the spring.
        read.counts(2, &[(MEDIA, 2), (DELETED, 1), (SYSTEM, 2), (UNANSWERED, 2)]);
        assert_eq!(read.times(), ["2016-02-05T01:33:00+09:00", "2016-02-05T00:05:00+09:00"]);
        let read = of_path(&path, &["--me", "부서:영업팀"], dir());
        read.says(&[&[
            "u 첫 줄\n\n- 번호표 배부 : 9:00 ~ 18:20\n셋째 줄",
            "a Day 1 : https://example.com/one",
        ]]);
    }
    if let Some(path) = sample("kakao_ios_ko_new.txt") {
        let read = of_path(&path, &["--me", "나래", "--gap", "1d"], dir());
        read.says(&[&["u 첫줄\n둘째줄", "a 2/2🐷"]]);
        read.counts(2, &[(MEDIA, 1), (SYSTEM, 1)]);
        assert_eq!(read.times(), ["2026-02-01T20:29:00+09:00", "2026-02-02T00:05:00+09:00"]);
    }
    if let Some(path) = sample("kakao_windows_ko.txt") {
        let read = of_path(&path, &["--me", "나래"], dir());
        read.says(&[&["u 첫 줄\n\n자유석권", "a 다음"]]);
        read.counts(2, &[(MEDIA, 1), (DELETED, 1), (SYSTEM, 2), (UNANSWERED, 1)]);
        let names = Participants::read(&read.dir.path().join("out")).unwrap();
        assert_eq!(names.of("kakaotalk"), ["가람", "가람 [분석]", "나래"]);
    }
    if let Some(path) = sample("kakao_mac.csv") {
        // The one who answers says nothing but a picture.
        let out = dir();
        let run = collect(&[
            "--source",
            path.to_str().unwrap(),
            "--me",
            "나래",
            "--out",
            out.path().join("x").to_str().unwrap(),
        ]);
        assert_eq!(run.code, Some(2));
        for part in [
            "1 messages: deleted or hidden",
            "1 messages: pictures",
            "3 messages: system lines",
            "1 messages: not answered",
        ] {
            assert!(run.said.contains(part), "{}", run.said);
        }
    }
}

#[test]
fn the_owner_stands_in_for_the_one_who_is_asked_for() {
    let text = "나래 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n\n2024년 1월 2일 오후 3:00\n\
                2024년 1월 2일 오후 3:00, 나래 : 뭐해\n2024년 1월 2일 오후 3:01, 회원님 : 책 읽어\n";
    for options in [&["--me", "가람"][..], &["--me", "회원님"], &[]] {
        of_text("Talk.txt", text, options).says(&[&["u 뭐해", "a 책 읽어"]]);
    }
}

#[test]
fn android_in_english() {
    let text = "KakaoTalk Chats with Narae\nDate Saved : February 11, 2016, 9:00 AM\n\nFebruary 10, 2016, 12:00 AM\n\
                February 10, 2016, 12:00 AM, Narae : up?\nFebruary 10, 2016, 12:33 PM, you : Photo\n\
                February 10, 2016, 12:34 PM, you : no\nFebruary 10, 2016, 12:35 PM, Garam joined this chatroom.\n";
    let read = of_text("chat.txt", text, &["--gap", "1d"]);
    read.says(&[&["u up?", "a no"]]);
    read.counts(2, &[(MEDIA, 1), (SYSTEM, 1)]);
    assert_eq!(read.times(), ["2016-02-10T00:00:00+09:00", "2016-02-10T12:34:00+09:00"]);
}

#[test]
fn ios_old_has_the_date_above() {
    let text = "가람 님과 카카오톡 대화\n저장한 날짜 : 2022년 1월 1일 오전 9:00\n\n2021년 12월 29일 수요일\n\
                오후 8:36, 가람 : ㅎㅇ\n오후 11:59, 나래 : 안녕\n2021년 12월 30일 목요일\n\
                오전 12:01, 가람 : 자?\n\n2021년 12월 1일 수요일\n에 봤지\n오전 12:02, 나래 : 아니\n오전 12:03, 나래님이 나갔습니다.\n";
    let read = of_text("Talk_2022.1.1.txt", text, &["--me", "나래", "--utc-offset", "-05:30", "--gap", "2h"]);
    // More than two hours lie between the first two.
    read.says(&[&["u 자?\n\n2021년 12월 1일 수요일\n에 봤지", "a 아니"]]);
    read.counts(2, &[(SYSTEM, 1), (UNANSWERED, 1), (TO_NOBODY, 1)]);
    assert_eq!(read.times()[0], "2021-12-30T00:01:00-05:30");
}

#[test]
fn ios_in_other_writings() {
    let hyphens = "2019-03-30 오전 4:39, 가람 : 일찍 일어났네\n2019-03-30 오전 4:40, 나래 : 못 잤어\n";
    let head = "Talk_2019.3.30 05:00-1.txt\n저장한 날짜 : 2019-03-30 05:00\n\n";
    of_text("a.txt", &format!("{head}{hyphens}"), &["--me", "나래"])
        .says(&[&["u 일찍 일어났네", "a 못 잤어"]]);
    let english = "Talk_2026.2.10 08:50-1.txt\nDate Saved : Feb 10, 2026 at 12:16\n\nSunday, February 1, 2026\n\
                   Feb 1, 2026 at 20:35, X : one\nFeb 1, 2026 at 8:36\u{202f}PM, Y : two\n";
    let read = of_text("b.txt", english, &["--me", "Y"]);
    read.says(&[&["u one", "a two"]]);
    assert_eq!(read.times(), ["2026-02-01T20:35:00+09:00", "2026-02-01T20:36:00+09:00"]);
}

#[test]
fn windows_with_both_clocks_and_languages() {
    let text = "Narae's Chat\r\nDate Saved : 2024-05-01 10:00:00\r\n\r\n--------------- Sunday, June 28, 2020 ---------------\r\n\
                [Garam] [2:30 PM] hi\r\n[Narae] [23:34] [so] what?\r\n--------------- 2020년 6월 29일 월요일 ---------------\n\
                [] [오전 12:03] 이름이 없다\n[Narae] [0:10] 응\n";
    let read = of_text("KakaoTalk.txt", text, &["--me", "Narae", "--gap", "10h"]);
    read.says(&[&["u hi", "a [so] what?", "u 이름이 없다", "a 응"]]);
    assert_eq!(read.times()[2], "2020-06-29T00:03:00+09:00");
}

#[test]
fn names_with_brackets_and_without_letters() {
    let windows = "가람 님과 카카오톡 대화\n저장한 날짜 : 2020-11-03 10:44:52\n\n--------------- 2020년 6월 28일 일요일 ---------------\n\
                   [가람 [분석]] [오전 9:01] [공지] 하나\n[나래] [오전 9:02] 둘\n";
    let read = of_text("k.txt", windows, &["--me", "나래", "--speakers"]);
    read.says(&[&["u 가람 [분석]: [공지] 하나", "a 둘"]]);
    let mobile = "모임 3 님과 카카오톡 대화\n저장한 날짜 : 2020년 11월 3일 오전 11:29\n\n2020년 2월 5일 오전 1:33\n\
                  2020년 2월 5일 오전 1:33,  : 이름이 없다\n2020년 2월 5일 오전 1:34, 부서:영업팀 : 네 : 알겠습니다\n";
    of_text("k.txt", mobile, &["--me", "부서:영업팀"]).says(&[&["u 이름이 없다", "a 네 : 알겠습니다"]]);
}

#[test]
fn ios_new_tells_of_people_after_a_colon() {
    let text = "Talk_2026.2.10 08:50-1.txt\n저장한 날짜 : 2026. 2. 10. 오후 12:16\n\n2026년 2월 1일 일요일\n\
                2026. 2. 1. 오후 8:26: 가람님이 나래님을 초대했습니다.\n2026. 2. 1. 오후 8:29, 가람 : 첫줄\n2026. 2. 1. 오후 8:30, 나래 : 응\n";
    let read = of_text("Talk_2026.2.10 08:50-1.txt", text, &["--me", "나래"]);
    read.says(&[&["u 첫줄", "a 응"]]);
    read.counts(2, &[(SYSTEM, 1)]);
}

#[test]
fn what_only_looks_like_a_line_of_the_program_is_somebodys() {
    let windows = "가람 님과 카카오톡 대화\n저장한 날짜 : 2020-11-03 10:44:52\n\n--------------- 2020년 6월 28일 일요일 ---------------\n\
                   [가람] [오전 9:01] 아까\n우리 과 선생님이 나갔습니다.\n--------------- 2020년 6월 1일 월요일 ---------------\n끝\n\
                   [나래] [오전 9:02] 엄마가 나갔습니다\n나래님이 나갔습니다.\n가람님이 다온님을 초대했습니다.\n";
    let read = of_text("k.txt", windows, &["--me", "나래"]);
    read.says(&[&[
        "u 아까\n우리 과 선생님이 나갔습니다.\n--------------- 2020년 6월 1일 월요일 ---------------\n끝",
        "a 엄마가 나갔습니다",
    ]]);
    read.counts(2, &[(SYSTEM, 2)]);
    let android = "가람 님과 카카오톡 대화\n저장한 날짜 : 2020년 11월 3일 오전 11:29\n\n2020년 2월 5일 오전 1:33\n\
                   2020년 2월 5일 오전 1:33, 회원님 : 엄마가 나갔습니다.\n2020년 2월 5일 오전 1:34, 가람 : 이거 봐\n\
                   2019년 1월 1일 오후 1:00\n2019년 1월 1일 오후 1:00, 회원님 : 예전 말\n2020년 3월 1일에 보자\n나래님이 나갔습니다.\n\
                   2020년 2월 5일 오전 1:35, 회원님 : 그래 : 좋아\n";
    let read = of_text("a.txt", android, &["--me", "회원님"]);
    read.says(&[&[
        "u 이거 봐\n2019년 1월 1일 오후 1:00\n2019년 1월 1일 오후 1:00, 회원님 : 예전 말\n2020년 3월 1일에 보자\n나래님이 나갔습니다.",
        "a 그래 : 좋아",
    ]]);
    read.counts(2, &[(TO_NOBODY, 1)]);
}

#[test]
fn a_table_from_macos() {
    let text = "\u{feff}Date,User,Message\n2021-12-29 20:36:00,\"가람\",\"ㅎㅇ\n\n\"\"인용\"\" 포함, 쉼표\"\n,\"\",\"The message has been deleted.\"\n\
                2021-12-29 20:37:00,\"나래\",\"사진 3장\"\n2021-12-29 20:37:05,\"나래\",\"엄마가 나갔습니다\"\n2021-12-29 20:37:30,\"\",\"이름 없는 말\"\n\
                2021-12-29 20:37:31,\"\",\"나래님이 나갔습니다.\"\n2021-12-29 20:38:00,\"가람\",\"가람 invited 나래 and.\"\n\
                2021-12-29 20:40:00,\"다온\",\"다온 left this chatroom.\"\n2021-12-29 20:41:00,\"나래\",\"\"\n";
    let read = of_text("KakaoTalk_Chat.csv", text, &["--me", "나래"]);
    read.says(&[&["u ㅎㅇ\n\n\"인용\" 포함, 쉼표", "a 엄마가 나갔습니다"]]);
    read.counts(2, &[(DELETED, 1), (MEDIA, 1), (SYSTEM, 3), (EMPTY, 1), (UNANSWERED, 1)]);
}

#[test]
fn placeholders_are_counted_and_words_that_resemble_them_stay() {
    let mut text =
        "가람 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n\n2024년 1월 2일 오후 3:00\n"
            .to_owned();
    let hash = "0123456789abcdef".repeat(4);
    let hidden = [
        "삭제된 메시지입니다.",
        "메시지가 삭제되었습니다.",
        "The message has been deleted.",
        "관리자가 메시지를 가렸습니다.",
    ];
    let media = [
        "사진",
        "사진 3장",
        "동영상",
        "이모티콘",
        "음성메시지",
        "파일: 보고서.pdf",
        "<사진 읽지 않음>",
        "<동영상 읽지 않음>",
        "Photo",
        &format!("{hash}.png"),
    ];
    for line in media.iter().chain(&hidden) {
        writeln!(text, "2024년 1월 2일 오후 3:00, 가람 : {line}").unwrap();
    }
    let words =
        ["사진 찍자", "사진 3장 보내줘", "파일 : 이건 뭐지?", "<읽지 않음>", "그 동영상", &"가".repeat(501)];
    for line in words {
        writeln!(text, "2024년 1월 2일 오후 3:01, 가람 : {line}").unwrap();
    }
    writeln!(text, "2024년 1월 2일 오후 3:01, 가람 : {}", "나".repeat(500)).unwrap();
    writeln!(text, "2024년 1월 2일 오후 3:01, 가람 :").unwrap();
    writeln!(text, "2024년 1월 2일 오후 3:02, 나래 : 응").unwrap();
    let read = of_text("a.txt", &text, &["--me", "나래"]);
    let said = [words[0], words[1], words[3], words[4], words[5]].join("\n");
    read.says(&[&[&format!("u {said}"), "a 응"]]);
    read.counts(6, &[(MEDIA, 11), (DELETED, 4), (CUT, 1), (EMPTY, 1)]);
}

#[test]
fn encodings_and_line_ends_change_nothing() {
    let text = "가람 님과 카카오톡 대화\r\n저장한 날짜 : 2024년 1월 3일 오전 11:29\r\n\r\n\r\n2024년 1월 2일 오후 3:00\r\n\
                2024년 1월 2일 오후 3:00, 나래 : 똠양꿍 먹자\n둘째 줄\r\n2024년 1월 2일 오후 3:01, 회원님 : 그래\n";
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cp949 = encoding_rs::EUC_KR.encode(text).0.into_owned();
    for bytes in [text.as_bytes(), format!("\u{feff}{text}").as_bytes(), &utf16, &cp949] {
        of_files(&[("k.txt", bytes)], &[]).says(&[&["u 똠양꿍 먹자\n둘째 줄", "a 그래"]]);
    }
}

#[test]
fn a_chat_in_several_files_is_one() {
    let part = |minute: usize, who: &str, text: &str| {
        format!(
            "Talk_2026.2.10 08:50-{minute}.txt\n저장한 날짜 : 2026. 2. 10. 오후 12:16\n\n2026년 2월 1일 일요일\n2026. 2. 1. 오후 8:{minute:02}, {who} : {text}\n"
        )
    };
    let files: Vec<(String, String)> = (1..=12)
        .map(|minute| {
            let who = if minute % 2 == 1 { "가람" } else { "나래" };
            (format!("Talk_2026.2.10 08:50-{minute}.txt"), part(minute, who, &minute.to_string()))
        })
        .collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let read = of_files(&files, &["--me", "나래"]);
    let expected: Vec<String> =
        (1..=12).map(|minute| format!("{} {minute}", if minute % 2 == 1 { "u" } else { "a" })).collect();
    assert_eq!(read.talks, [expected]);
}

#[test]
fn silence_divides_people_merge_and_names_can_be_kept() {
    let text = "모임 3 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n\n2024년 1월 2일 오후 3:00\n\
                2024년 1월 2일 오후 3:00, 나래 : 하나\n2024년 1월 2일 오후 3:01, 나래 : 둘\n2024년 1월 2일 오후 3:02, 다온 : 셋\n\
                2024년 1월 2일 오후 3:03, 회원님 : 넷\n2024년 1월 2일 오후 3:04, 회원님 : 다섯\n2024년 1월 2일 오후 6:04, 나래 : 여섯\n\
                2024년 1월 2일 오후 6:05, 회원님 : 일곱\n2024년 1월 2일 오후 9:06, 다온 : 여덟\n";
    let read = of_text("k.txt", text, &[]);
    read.says(&[&["u 하나\n둘", "u 셋", "a 넷\n다섯", "u 여섯", "a 일곱"]]);
    read.counts(7, &[(UNANSWERED, 1)]);
    let read = of_text("k.txt", text, &["--gap", "30m", "--speakers"]);
    read.says(&[&["u 나래: 하나\n둘", "u 다온: 셋", "a 넷\n다섯"], &["u 나래: 여섯", "a 일곱"]]);
}

#[test]
fn no_name_of_a_file_or_person_is_in_ids() {
    let text = "가람 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n\n2024년 1월 2일 오후 3:00\n\
                2024년 1월 2일 오후 3:00, 가람 : 하나\n2024년 1월 2일 오후 3:01, 회원님 : 둘\n";
    let read = of_text("KakaoTalk_Chats_가람.txt", text, &[]);
    assert_eq!(read.conversations[0].id, "kakaotalk/001-000001");
    assert!(!fs::read_to_string(read.dir.path().join("out/sources.json")).unwrap().contains("가람"));
}

#[test]
fn who_becomes_the_bot_must_be_told_and_be_there() {
    let text = "가람 님과 카카오톡 대화\n저장한 날짜 : 2020-11-03 10:44:52\n\n--------------- 2020년 6월 28일 일요일 ---------------\n\
                [가람] [오전 9:01] 하나\n[나래] [오전 9:02] 둘\n[나래] [오전 9:03] 셋\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.txt");
    fs::write(&path, text).unwrap();
    let out = dir.path().join("out");
    let base = ["--source", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    for (options, expected) in [(&[][..], "becomes the bot"), (&["--me", "다온"], "nobody of that name")] {
        let run = collect(&[&base[..], options].concat());
        assert_eq!(run.code, Some(2));
        assert!(run.said.contains(expected) && run.said.contains("나래 (2), 가람 (1)"), "{}", run.said);
        assert!(!out.exists());
    }
}

/// A chat of as many messages as somebody's life may hold: all accounted for, in less than two seconds.
#[test]
fn two_hundred_thousand_messages() {
    const MESSAGES: usize = 200_000;
    let mut text = "가람 님과 카카오톡 대화\r\n저장한 날짜 : 2024년 1월 3일 오전 11:29\r\n\r\n".to_owned();
    let (mut media, mut system, mut deleted, mut expected) = (0, 0, 0, Vec::new());
    for number in 0..MESSAGES {
        let (day, minute) = (number / 700, number % 700);
        let (year, month, date) = (2015 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
        let shown = if minute < 60 { 12 } else { minute / 60 };
        let stamp = format!("{year}년 {month}월 {date}일 오전 {shown}:{:02}", minute % 60);
        if minute == 0 {
            write!(text, "\r\n{stamp}\r\n").unwrap();
        }
        let who = if number % 2 == 0 { "가람" } else { "회원님" };
        match number % 20 {
            7 => {
                media += 1;
                write!(text, "{stamp}, {who} : 사진\r\n").unwrap();
            }
            11 => {
                deleted += 1;
                write!(text, "{stamp}, {who} : 삭제된 메시지입니다.\r\n").unwrap();
            }
            13 => {
                system += 1;
                write!(text, "{stamp}, 나래님이 나갔습니다.\r\n").unwrap();
            }
            _ => {
                let said = if number % 9 == 0 {
                    format!("{number}번째\r\n\r\n- 목록 : {number}")
                } else {
                    format!("{number}번째 말")
                };
                write!(text, "{stamp}, {who} : {said}\r\n").unwrap();
                expected.push(said.replace('\r', ""));
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("KakaoTalkChats.txt");
    fs::write(&path, &text).unwrap();
    let out = dir.path().join("out");
    let start = Instant::now();
    let talks = collected(&path, &[], &out);
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "{MESSAGES} messages, {} bytes: {seconds:.2} s with starting the program and reading its output",
        text.len()
    );
    assert!(seconds < 10.0, "{seconds} s");
    let count = Sources::read(&out).unwrap().sources.remove(0).counts.remove(0);
    let of = |reason: &str| count.rejected.iter().find(|row| row.reason == reason).map_or(0, |row| row.count);
    assert_eq!(count.read, MESSAGES as u64);
    assert_eq!((of(MEDIA), of(DELETED), of(SYSTEM)), (media, deleted, system));
    let left_out = of(UNANSWERED) + of(TO_NOBODY);
    assert_eq!(count.kept, expected.len() as u64 - left_out);
    // Every message of words stands in a conversation, in order, but for those at the ends that nobody answers.
    let said: String =
        talks.iter().flat_map(|talk| &talk.messages).map(|m| m.content.clone() + "\n").collect();
    let (mut rest, mut missing) = (said.as_str(), 0);
    for text in &expected {
        match rest.strip_prefix(text.as_str()).and_then(|rest| rest.strip_prefix('\n')) {
            Some(after) => rest = after,
            None => missing += 1,
        }
    }
    assert_eq!((rest, missing), ("", left_out));
}
