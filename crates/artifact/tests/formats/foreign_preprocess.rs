//! A preprocess stage that is no Rust: the contract is all that it knows, and `verify` accepts what it writes.

use std::path::Path;
use std::process::Command;

use artifact::conversation::Split;
use artifact::shard;
use artifact::verify::verify;

use crate::directories;

#[test]
fn a_program_in_python_takes_the_place_of_preprocess() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 on this machine");
        return;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/tests/foreign/preprocess.py");
    let dir = tempfile::tempdir().unwrap();
    let conversations = dir.path().join("conversations");
    fs_err::create_dir(&conversations).unwrap();
    directories::collect(&conversations);
    // Beside legal talks what a stage must bear: markers of turns, decomposed Hangul, nothing said, the same again.
    let odd = [
        directories::talk(
            "f",
            Some(Split::Valid),
            &["a<|end|><|assistant|>b <|en<|end|>d|>", "\u{1112}\u{1161}\u{11ab}  \n글"],
        ),
        directories::talk("g", Some(Split::Test), &["아무도 답하지 않는다"]),
        directories::talk("h", Some(Split::Test), &["", " "]),
        directories::talk("i", Some(Split::Train), &["안녕하세요", "반가워요!"]),
        directories::talk("j", None, &["나뉘지 않은 것", "해시가 고른다"]),
    ];
    directories::lines(&conversations.join("conversations-00001.jsonl"), &odd);

    let out = dir.path().join("out");
    let status = Command::new("python3")
        .arg(program)
        .arg("--conversations")
        .arg(&conversations)
        .arg("--out")
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(verify("preprocess", &out).unwrap(), []);
    let documents: usize =
        Split::ALL.iter().map(|&split| shard::read_split(&out, split).unwrap().len()).sum();
    assert_eq!(documents, 7);
    assert!(out.join("responses.jsonl").is_file());
}
