//! Input that is too large, or damaged: an error in good time, without the memory that it asks for.

use std::io::Write as _;
use std::path::Path;

use fs_err as fs;

use crate::stage::collect;

#[track_caller]
fn refused(source: &Path, options: &[&str], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let base = ["--source", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let run = collect(&[&base[..], options].concat());
    assert_eq!(run.code, Some(2), "{}", run.said);
    for part in expected {
        assert!(run.said.contains(part), "`{part}` is missing in: {}", run.said);
    }
    assert!(!out.exists());
}

/// A file of one line of 1 GiB; the system stores none of its zeros.
#[test]
fn one_endless_line() {
    let dir = tempfile::tempdir().unwrap();
    let heads = [
        (
            "k.txt",
            "가람 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n2024년 1월 2일 오후 3:00\n2024년 1월 2일 오후 3:00, 나래 : 아",
        ),
        ("w.txt", "31/12/2023, 21:05 - Bo: a"),
        ("t.json", r#"{"name": "x", "messages": [{"type": "message", "from_id": "user1", "text": "a"#),
        ("l.jsonl", r#"{"messages": [{"role": "user", "content": ""#),
    ];
    for (name, head) in heads {
        let path = dir.path().join(name);
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(head.as_bytes()).unwrap();
        file.set_len(1 << 30).unwrap();
        refused(&path, &[], &[name, "MiB"]);
    }
}

/// 600 MiB of zeros are half a megabyte in an archive.
#[test]
fn an_archive_that_unpacks_to_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.zip");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    archive.start_file("_chat.txt", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all("31/12/2023, 21:05 - Bo: a".as_bytes()).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..600 {
        archive.write_all(&zeros).unwrap();
    }
    archive.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    refused(&path, &[], &["bomb.zip", "_chat.txt", "at most 512 MiB"]);
}

#[test]
fn damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8], &str); 6] = [
        ("a.zip", b"PK\x03\x04 and no more", "a zip archive"),
        ("a.parquet", b"PAR1 and no more PAR1", "a Parquet file"),
        ("a.json", b"{\"guild\": {}, \"channel\": {\"name\": \"c\"}, \"messages\": [\n{]}", "a.json:2"),
        ("b.json", b"[{\"mapping\": {\"a\": {\"parent\": null}}, \"current_node\": 5}]", "b.json:1"),
        ("a.csv", b"Date,User,Message\n2021-12-29 20:36:00,\"a\",\"b\"\nyesterday,a,b\n", "a.csv:3"),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,500\na\n\n2\nb\n", "a.srt:6"),
    ];
    for (name, content, expected) in files {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        refused(&path, &["--alternate", "--me", "a"], &[name, expected]);
    }
    let deep = format!("[{}", "[".repeat(100_000));
    fs::write(dir.path().join("deep.json"), deep).unwrap();
    refused(&dir.path().join("deep.json"), &["--format", "sharegpt"], &["deep.json"]);
}
