//! Input that is too large, or damaged: an error in good time, without the memory that it asks for.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use fs_err as fs;

use crate::stage::{Run, folder};

/// Runs in 2 GiB of address space, where a system can be asked to see to that.
fn collect(arguments: &[&str]) -> Run {
    let program = env!("CARGO_BIN_EXE_collect");
    let mut command = if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 2097152; exec \"$0\" \"$@\"", program]);
        shell
    } else {
        Command::new(program)
    };
    let output = command.args(arguments).env("LC_ALL", "C").output().unwrap();
    Run { code: output.status.code(), said: String::from_utf8(output.stderr).unwrap() }
}

#[track_caller]
fn refused(source: &Path, options: &[&str], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let base = ["--source", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let run = collect(&[&base[..], options].concat());
    assert_eq!(run.code, Some(2), "{}: {}", source.display(), run.said);
    for part in expected {
        assert!(run.said.contains(part), "`{part}` is missing in: {}", run.said);
    }
    assert!(!out.exists());
}

/// Files of one line of 1 GiB; the system stores none of its zeros.
#[test]
fn one_endless_line() {
    let dir = tempfile::tempdir().unwrap();
    let heads = [
        (
            "k.txt",
            "가람 님과 카카오톡 대화\n저장한 날짜 : 2024년 1월 3일 오전 11:29\n\n2024년 1월 2일 오후 3:00\n2024년 1월 2일 오후 3:00, 나래 : 아",
        ),
        ("k.csv", "Date,User,Message\n2021-12-29 20:36:00,\"가람\",\""),
        ("w.txt", "31/12/2023, 21:05 - Bo: a"),
        ("t.json", r#"{"name": "x", "messages": [{"type": "message", "from_id": "user1", "text": "a"#),
        ("m.json", r#"{"participants": [], "messages": [{"sender_name": "a"#),
        ("d.json", r#"{"guild": {}, "channel": {}, "messages": [{"content": "a"#),
        ("d.csv", "AuthorID,Author,Date,Content,Attachments,Reactions\n\"1"),
        ("l.txt", "[LINE] a\n2020/12/31(Thu)\n23:58\ta\tb"),
        ("i.txt", "Jan 04, 2019  5:52:39 PM\nMe\nhey"),
        ("s.srt", "1\n00:00:01,000 --> 00:00:02,500\na"),
        ("c.yml", "conversations:\n- - a"),
        ("d.toml", "name = \"x"),
        ("l.jsonl", r#"{"messages": [{"role": "user", "content": ""#),
        ("q.csv", "Q,A\n\"a"),
        ("q.tsv", "Q\tA\n"),
    ];
    for (name, head) in heads {
        let path = dir.path().join(name);
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(head.as_bytes()).unwrap();
        file.set_len(1 << 30).unwrap();
        refused(&path, &["--alternate"], &[name, "MiB"]);
    }
    fs::create_dir(dir.path().join("rasa")).unwrap();
    let domain = fs::File::create(dir.path().join("rasa/domain.yml")).unwrap();
    domain.set_len(1 << 30).unwrap();
    refused(&dir.path().join("rasa"), &[], &["domain.yml", "MiB"]);
    let table = dir.path().join("t.parquet");
    fs::write(&table, b"PAR1").unwrap();
    fs::OpenOptions::new().write(true).open(&table).unwrap().set_len(1 << 30).unwrap();
    refused(&table, &[], &["t.parquet"]);
}

/// A record of many in an array, or of many lines: 70 MiB are none.
#[test]
fn one_endless_record() {
    let dir = tempfile::tempdir().unwrap();
    let heads = [
        ("s.json", r#"[{"conversations": [{"from": "human", "value": "a"}]}, {"conversations": [{"from": ""#),
        ("a.json", r#"[{"instruction": "a", "output": ""#),
        ("a.jsonl", r#"{"instruction": "a", "output": ""#),
        ("c.json", r#"[{"mapping": {}, "current_node": ""#),
    ];
    let letters = vec![b'a'; 70 << 20];
    for (name, head) in heads {
        let path = dir.path().join(name);
        fs::write(&path, [head.as_bytes(), &letters].concat()).unwrap();
        refused(&path, &[], &[name, "64 MiB"]);
    }
}

/// 600 MiB of blanks are half a megabyte in an archive.
#[test]
fn archives_that_unpack_to_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.zip");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    archive.start_file("_chat.txt", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all("31/12/2023, 21:05 - Bo: a".as_bytes()).unwrap();
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..600 {
        archive.write_all(&blanks).unwrap();
    }
    archive.finish().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 1 << 20);
    refused(&path, &[], &["bomb.zip", "_chat.txt", "at most 512 MiB"]);
    // The same, and the archive says that it is small.
    let size: [u8; 4] = ((600 << 20) + 25u32).to_le_bytes();
    let mut told = 0;
    while let Some(at) = bytes.windows(4).position(|window| window == size) {
        bytes[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
        told += 1;
    }
    assert!(told > 0);
    fs::write(&path, bytes).unwrap();
    refused(&path, &[], &["bomb.zip"]);
}

/// Twenty tables, each of which may be that large.
#[test]
fn an_archive_of_too_much_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    one.start_file("0.csv", zip::write::SimpleFileOptions::default()).unwrap();
    one.write_all(b"Q,A\n\"").unwrap();
    one.write_all(&vec![b' '; 60 << 20]).unwrap();
    one.write_all(b"\",a\n").unwrap();
    let mut one = zip::ZipArchive::new(one.finish().unwrap()).unwrap();
    let path = dir.path().join("bomb.zip");
    let mut all = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for number in 0..20 {
        all.raw_copy_file_rename(one.by_index(0).unwrap(), format!("{number}.csv")).unwrap();
    }
    all.finish().unwrap();
    refused(&path, &[], &["bomb.zip", "at most 1024 MiB"]);
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

/// Found by the fuzzer: a column that begins before its file, over which the library panics; a dictionary of a quarter of a
/// billion values, and a page of more than a gigabyte, in a kilobyte.
#[test]
fn what_the_library_believes() {
    let files = [
        ("negative-start", "a damaged one"),
        ("huge-dictionary", "a dictionary of"),
        ("huge-page", "a page of"),
    ];
    for (name, found) in files {
        let table = folder("fuzz/seeds/parquet").join(name).with_extension("parquet");
        let run = collect(&["--source", table.to_str().unwrap(), "--preview"]);
        assert_eq!((run.code, run.said.lines().count()), (Some(2), 1), "{}", run.said);
        assert!(run.said.contains(name) && run.said.contains(found), "{}", run.said);
    }
}
