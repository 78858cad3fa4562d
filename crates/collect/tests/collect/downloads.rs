//! Sources that are fetched, from servers that behave and servers that do not.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use artifact::conversation::{self, Conversation};
use artifact::sources::Sources;
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::server::{Answer, Request, Server, answer, good, partial};
use crate::stage::Run;

/// A table of some kilobytes.
fn table() -> Vec<u8> {
    let mut table = "Q,A\n".to_owned();
    for row in 0..2000 {
        writeln!(table, "question {row},answer {row}").unwrap();
    }
    table.into_bytes()
}

/// Runs `collect` on a source with a cache of its own.
fn run(source: &str, dir: &Path, out: &str, variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collect"));
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "HF_TOKEN", "HF_ENDPOINT"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").env("HF_HOME", dir.join("no-home")).env("NAMAN_CACHE", dir.join("cache"));
    command.envs(variables.iter().copied()).args(["--retries", "1", "--source", source, "--out"]);
    let output = command.arg(dir.join(out)).output().unwrap();
    Run { code: output.status.code(), said: String::from_utf8(output.stderr).unwrap() }
}

fn talks(out: &Path) -> Vec<Conversation> {
    conversation::read_dir(out).unwrap().map(Result::unwrap).collect()
}

/// Fetches the table from a server of these answers, which must give all of it; gives the requests.
#[track_caller]
fn fetches(answers: Vec<Answer>) -> Vec<Request> {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(answers);
    let run = run(&format!("{}/t.csv", server.address), dir.path(), "out", &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(talks(&dir.path().join("out")).len(), 2000);
    let sources = Sources::read(&dir.path().join("out")).unwrap();
    assert_eq!(sources.sources[0].sha256, digest(&table()));
    server.requests()
}

/// Fetches from a server of these answers, which must fail; gives the number of requests.
#[track_caller]
fn fails(answers: Vec<Answer>, expected: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(answers);
    let run = run(&format!("{}/t.csv", server.address), dir.path(), "out", &[]);
    assert_eq!(run.code, Some(2), "{}", run.said);
    assert!(run.said.contains(expected) && run.said.contains("t.csv"), "{}", run.said);
    assert!(!dir.path().join("out").exists());
    server.requests().len()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn plain(status: &'static str, headers: &'static [&'static str]) -> Answer {
    Box::new(move |_| answer(status, headers, b""))
}

/// The table up to a byte, of more that is promised.
fn cut(end: usize) -> Answer {
    Box::new(move |request| partial(&table(), request.start(), end.max(request.start())))
}

#[test]
fn a_file_is_fetched_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![good(table())]);
    let url = format!("{}/a/b/my%20table.csv?download=true#top", server.address);
    for out in ["first", "second"] {
        let run = run(&url, dir.path(), out, &[]);
        assert_eq!(run.code, Some(0), "{}", run.said);
        let talks = talks(&dir.path().join(out));
        assert_eq!((talks.len(), talks[0].source.as_str()), (2000, "my_20table"));
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].path, "/a/b/my%20table.csv?download=true");
}

#[test]
fn what_breaks_off_is_resumed() {
    // More often than attempts may fail in a row: each brings something.
    let requests = fetches(vec![cut(9_000), cut(20_000), cut(30_000), cut(40_000), good(table())]);
    let starts: Vec<usize> = requests.iter().map(Request::start).collect();
    assert_eq!(starts, [0, 9_000, 20_000, 30_000, 40_000]);
    assert!(requests[1..].iter().all(|request| request.header("if-range") == Some("\"1\"")));
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![cut(9_000), cut(0), cut(0), good(table())]);
    let url = format!("{}/t.csv", server.address);
    let first = run(&url, dir.path(), "out", &[]);
    assert_eq!(first.code, Some(2));
    assert!(first.said.contains("9000 of") && first.said.contains("later"), "{}", first.said);
    let second = run(&url, dir.path(), "out", &[]);
    assert_eq!(second.code, Some(0), "{}", second.said);
    assert_eq!(server.requests()[3].start(), 9_000);
    assert_eq!(talks(&dir.path().join("out")).len(), 2000);
}

#[test]
fn ranges_served_badly() {
    // The whole, whatever is asked for.
    let whole = || -> Answer { Box::new(|_| partial(&table(), 0, table().len())) };
    assert_eq!(fetches(vec![cut(9_000), whole()]).len(), 2);
    // Another range than the one asked for, and one that no file can have.
    for range in ["bytes 0-99/100", "bytes 9000-100/50", "9000-", "bytes 9000-9001/*x"] {
        let wrong: Answer = Box::new(move |_| {
            answer("206 Partial Content", &[&format!("Content-Range: {range}"), "Content-Length: 3"], b"???")
        });
        let requests = fetches(vec![cut(9_000), wrong, good(table())]);
        assert_eq!((requests.len(), requests[2].start()), (3, 0), "{range}");
    }
    // None at all.
    let requests = fetches(vec![cut(9_000), plain("416 Range Not Satisfiable", &[]), good(table())]);
    assert_eq!(requests[2].start(), 0);
    // A range that nobody has asked for.
    let unasked: Answer = Box::new(|_| partial(&table(), 9_000, table().len()));
    fails(vec![unasked], "the server gives `bytes 9000-");
}

#[test]
fn lengths_that_are_lies() {
    let promising = |more: usize| -> Answer {
        Box::new(move |_| {
            let length = format!("Content-Length: {}", table().len() + more);
            answer("200 OK", &[&length, "ETag: \"1\""], &table())
        })
    };
    // Asked for the rest, the server says that there is none.
    let none: Answer = Box::new(|_| {
        let range = format!("Content-Range: bytes */{}", table().len());
        answer("416 Range Not Satisfiable", &[&range, "Content-Length: 0"], b"")
    });
    assert_eq!(fetches(vec![promising(100), none]).len(), 2);
    let expected = format!("ended after {} of {} bytes", table().len(), table().len() + 100);
    fails(vec![promising(100)], &expected);
    // No length: the end of the connection is the end of the file.
    fetches(vec![Box::new(|_| answer("200 OK", &[], &table()))]);
    let chunked = |end: &'static str| -> Answer {
        Box::new(move |_| {
            let body = [format!("{:x}\r\n", table().len()).as_bytes(), &table(), end.as_bytes()].concat();
            answer("200 OK", &["Transfer-Encoding: chunked"], &body)
        })
    };
    fetches(vec![chunked("\r\n0\r\n\r\n")]);
    // Chunks without their end.
    assert_eq!(fails(vec![chunked("\r\n")], ""), 3);
}

#[test]
fn servers_that_are_busy_or_refuse() {
    let busy = plain("503 Service Unavailable", &["Retry-After: 1", "Content-Length: 0"]);
    assert_eq!(fetches(vec![busy, good(table())]).len(), 2);
    let busy = plain("429 Too Many Requests", &["Content-Length: 0"]);
    assert_eq!(fails(vec![busy], "429"), 2);
    let busy = plain("429 Too Many Requests", &["Retry-After: 86400", "Content-Length: 0"]);
    assert_eq!(fails(vec![busy], "429"), 1);
    assert_eq!(fails(vec![plain("404 Not Found", &["Content-Length: 0"])], "404"), 1);
    assert_eq!(fails(vec![plain("401 Unauthorized", &["Content-Length: 0"])], "HF_TOKEN"), 1);
    let encoded = plain("200 OK", &["Content-Encoding: br", "Content-Length: 0"]);
    assert_eq!(fails(vec![encoded], "encodes the file as br"), 1);
    assert_eq!(fails(vec![Box::new(|_| b"?".to_vec())], ""), 2);
    let dir = tempfile::tempdir().unwrap();
    let run = run("http://127.0.0.1:1/t.csv", dir.path(), "out", &[]);
    assert!(run.code == Some(2) && run.said.contains("127.0.0.1:1/t.csv"), "{}", run.said);
}

#[test]
fn redirects() {
    let elsewhere = || plain("302 Found", &["Location: /elsewhere.csv?x=1", "Content-Length: 0"]);
    let requests = fetches(vec![elsewhere(), good(table())]);
    assert_eq!(requests[1].path, "/elsewhere.csv?x=1");
    // What breaks off behind a redirect is resumed behind it.
    let requests = fetches(vec![elsewhere(), cut(9_000), elsewhere(), good(table())]);
    assert_eq!((requests[2].path.as_str(), requests[3].start()), ("/t.csv", 9_000));
    fails(vec![elsewhere()], "redirect");
}

#[test]
fn a_description_with_a_digest_and_a_licence() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![good(table())]);
    let file = dir.path().join("pairs.toml");
    let describe = |digest: &str| {
        let text = format!(
            "name = \"pairs\"\nurl = \"{}/t\"\nformat = \"csv\"\nlicense = \"MIT\"\nsha256 = \"{digest}\"\n",
            server.address
        );
        fs::write(&file, text).unwrap();
    };
    describe(&digest(b"something else"));
    let refused = run(file.to_str().unwrap(), dir.path(), "out", &[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.said.contains(&digest(&table())), "{}", refused.said);
    describe(&digest(&table()).to_uppercase());
    let run = run(file.to_str().unwrap(), dir.path(), "out", &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    let out = dir.path().join("out");
    let source = Sources::read(&out).unwrap().sources.remove(0);
    assert_eq!((source.name.as_str(), source.license.as_deref()), ("pairs", Some("MIT")));
    assert!(talks(&out).iter().all(|talk| talk.license.as_deref() == Some("MIT")));
    assert_eq!(server.requests().len(), 2);
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one data set, of these files and one that is no data.
fn hub(files: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(vec![Box::new(move |request| {
        let path = request.path.as_str();
        if path.starts_with("/api/datasets/someone/talk/revision/") {
            let siblings: Vec<String> = files
                .iter()
                .map(|(name, text)| {
                    let lfs =
                        format!(r#"{{"sha256": "{}", "size": {}}}"#, digest(text.as_bytes()), text.len());
                    format!(r#"{{"rfilename": "{name}", "lfs": {lfs}}}"#)
                })
                .collect();
            let siblings = siblings.join(", ");
            let listing = format!(
                r#"{{"id": "someone/talk", "sha": "{COMMIT}", "cardData": {{"license": "cc-by-4.0"}}, "siblings": [{{"rfilename": "README.md"}}, {siblings}]}}"#
            );
            return answer("200 OK", &[], listing.as_bytes());
        }
        let name = path.strip_prefix(&format!("/datasets/someone/talk/resolve/{COMMIT}/"));
        match files.iter().find(|(file, _)| name == Some(&file.replace(' ', "%20"))) {
            Some((_, text)) => answer("200 OK", &[], text.as_bytes()),
            None => answer("404 Not Found", &[], b""),
        }
    })])
}

#[test]
fn a_data_set_of_the_hub() {
    const LINE: &str =
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    let server = hub(&[("data/train 1.jsonl", LINE), ("data/test.jsonl", LINE), ("x.json", "[]")]);
    let dir = tempfile::tempdir().unwrap();
    let variables = [("HF_ENDPOINT", server.address.as_str()), ("HF_TOKEN", "hf_secret")];
    let first = run("hf:someone/talk", dir.path(), "first", &variables);
    assert_eq!(first.code, Some(0), "{}", first.said);
    let out = dir.path().join("first");
    let source = Sources::read(&out).unwrap().sources.remove(0);
    assert_eq!((source.name.as_str(), source.license.as_deref()), ("talk", Some("cc-by-4.0")));
    assert!(source.options.iter().any(|option| option.name == "revision" && option.value == COMMIT));
    assert_eq!(talks(&out).len(), 2);
    assert_eq!(server.requests().len(), 3);
    assert!(
        server.requests().iter().all(|request| request.header("authorization") == Some("Bearer hf_secret"))
    );
    // A branch may have gone on; its files are here.
    assert_eq!(run("hf:someone/talk@main", dir.path(), "second", &variables).code, Some(0));
    assert_eq!(server.requests().len(), 4);
    // A commit stays what it is.
    let named = format!("hf:someone/talk@{COMMIT}");
    for (out, requests) in [("third", 5), ("fourth", 5)] {
        assert_eq!(run(&named, dir.path(), out, &variables).code, Some(0));
        assert_eq!(server.requests().len(), requests);
    }
}

#[test]
fn addresses_that_are_none() {
    let server = hub(&[("../../evil.jsonl", "{}")]);
    let dir = tempfile::tempdir().unwrap();
    let variables = [("HF_ENDPOINT", server.address.as_str())];
    for (name, expected) in [
        ("hf:someone/talk", "leave its folder"),
        ("hf:someone/nothing", "404"),
        ("hf:a/b/c", "OWNER/NAME"),
        ("hf:../x", "OWNER/NAME"),
        ("hf:a@", "OWNER/NAME"),
        ("https://", "check the address"),
    ] {
        let run = run(name, dir.path(), "out", &variables);
        assert!(run.code == Some(2) && run.said.contains(expected), "{name}: {}", run.said);
    }
}
