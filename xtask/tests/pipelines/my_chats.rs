//! The pipeline for one's own chats, from a file to a bot that answers.

use std::fmt::Write as _;
use std::path::Path;

use artifact::preprocess::{PrivateKind, Summary};

use crate::workspace::Workspace;

/// A chat of 40 evenings, in which somebody tells a telephone number.
fn export() -> String {
    let mut text = "가람 님과 카카오톡 대화\r\n저장한 날짜 : 2024년 5월 3일 오전 11:29\r\n\r\n".to_owned();
    for evening in 0..40 {
        let day = format!("2024년 {}월 {}일", evening / 20 + 1, evening % 20 + 1);
        write!(text, "\r\n{day} 오후 7:00\r\n").unwrap();
        for turn in 0..6 {
            let (who, said) = match turn % 2 {
                0 => ("가람", format!("오늘 {evening}번째 저녁은 뭐 먹었어?")),
                _ => ("회원님", format!("나는 {}번 먹었지", evening * 7 % 11 + turn)),
            };
            write!(text, "{day} 오후 7:{turn:02}, {who} : {said}\r\n").unwrap();
        }
        write!(
            text,
            "{day} 오후 7:06, 가람 : 번호 010-1234-5678 맞아?\r\n{day} 오후 7:07, 회원님 : 사진\r\n"
        )
        .unwrap();
        write!(text, "{day} 오후 7:08, 회원님 : 응, 가람아\r\n").unwrap();
    }
    text
}

#[test]
fn one_file_becomes_a_bot() {
    let workspace = Workspace::new();
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/my-chats.toml");
    workspace.write("pipelines/my-chats.toml", &fs_err::read_to_string(pipeline).unwrap());
    workspace.write("KakaoTalkChats.txt", &export());
    let run = workspace.xtask(&["run", "my-chats"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--set collect.source="), "{}", run.stderr);
    let settings = [
        "collect.source=KakaoTalkChats.txt",
        "collect.me=나래",
        "preprocess.vocab-size=300",
        "preprocess.valid-percent=20",
        "preprocess.test-percent=20",
        "model.preset=nano",
        "train.minutes=0.05",
    ];
    let mut words = vec!["run", "my-chats"];
    words.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let run = workspace.xtask(&words);
    let said = &run.succeeds().stdout;
    assert!(said.contains("bits/byte") && said.contains("> 안녕하세요"), "{said}");
    let summary: Summary =
        artifact::json::read(&workspace.path("artifacts/my-chats/preprocess/preprocess.json")).unwrap();
    let found = |kind| summary.private.iter().find(|row| row.kind == kind).unwrap().found;
    assert_eq!((found(PrivateKind::Phone), found(PrivateKind::Name)), (40, 40));
}
