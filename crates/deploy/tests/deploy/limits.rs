//! What a server bears: long talks, many clients, clients that leave, a model that fails, and its own end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deploy::serve::Settings;
use model::chat::Chat;
use serde_json::{Value, json};

use crate::bundle::untrained;
use crate::client::{ask, complete, get, receive, send};
use crate::fake::{CONTEXT, serve, serve_models, serve_with, settings};

const LONG: Duration = Duration::from_secs(10);

fn say(text: &str, stream: bool) -> Value {
    json!({ "messages": [{ "role": "user", "content": text }], "stream": stream, "max_tokens": 4000 })
}

/// Reads until words have come.
fn wait_for_words(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains("\"content\":\"x") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..read]);
    }
}

/// Whether something has come that is not read yet.
fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.peek(&mut [0]).unwrap_or(0);
    stream.set_nonblocking(false).unwrap();
    read > 0
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "it never came to hold");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_leaves_ends_its_reply() {
    let server = serve(1, 0, LONG);
    let mut stream = ask(server.address, &say("forever", true));
    wait_for_words(&mut stream);
    assert!(server.generates());
    drop(stream);
    eventually(|| !server.generates());

    let whole = ask(server.address, &say("forever", false));
    eventually(|| server.generates());
    drop(whole);
    eventually(|| !server.generates());
    assert_eq!(complete(server.address, &say("네", false)).status, 200);
}

#[test]
fn more_than_the_queue_holds_is_refused() {
    let server = serve(1, 1, LONG);
    let mut first = ask(server.address, &say("forever", true));
    wait_for_words(&mut first);
    // One of the two waits, whichever comes first; the other is answered at once.
    let mut two: Vec<TcpStream> = (0..2).map(|_| ask(server.address, &say("네", false))).collect();
    let mut refused = None;
    eventually(|| {
        refused = two.iter().position(is_answered);
        refused.is_some()
    });
    let refused = receive(two.remove(refused.unwrap()));
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "queue_full");
    assert!(refused.header("retry-after").is_some());
    drop(first);
    let answer = receive(two.remove(0));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "네, 네");
}

#[test]
fn a_long_talk_loses_its_oldest_turns() {
    let server = serve(1, 0, LONG);
    let turn = |role: &str| json!({ "role": role, "content": "아".repeat(100) });
    let mut messages: Vec<Value> = (0..4).flat_map(|_| [turn("user"), turn("assistant")]).collect();
    messages.push(json!({ "role": "user", "content": "네" }));
    let answer = complete(server.address, &json!({ "messages": messages, "truncation": "auto" }));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "네, 네");
    assert_eq!(complete(server.address, &json!({ "messages": messages })).status, 400);
    let dropped: usize = answer.header("x-naman-dropped-messages").unwrap().parse().unwrap();
    assert!((1..8).contains(&dropped), "{dropped}");

    let short = complete(server.address, &say("네", false));
    assert_eq!(short.header("x-naman-dropped-messages"), Some("0"));
}

#[test]
fn a_message_longer_than_the_context_is_refused() {
    let server = serve(1, 0, LONG);
    for stream in [false, true] {
        let answer = complete(server.address, &say(&"a".repeat(CONTEXT), stream));
        assert_eq!(answer.status, 400);
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["param"], &error["code"]),
            (&json!("messages"), &json!("context_length_exceeded"))
        );
        assert!(error["prompt_tokens"].as_u64().unwrap() > error["context_tokens"].as_u64().unwrap());
    }
}

#[test]
fn a_failing_model_is_told_and_outlived() {
    let server = serve(1, 0, LONG);
    for _ in 0..2 {
        let answer = complete(server.address, &say("panic", false));
        assert_eq!(answer.status, 500);
        assert_eq!(answer.json()["error"]["type"], "server_error");
        let answer = complete(server.address, &say("panic", true));
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["type"], "server_error");
    }
    assert_eq!(complete(server.address, &say("네", false)).status, 200);
}

#[test]
fn a_stopping_server_finishes_its_replies() {
    let mut server = serve(1, 0, LONG);
    let answer = ask(server.address, &say("slow and steady", true));
    eventually(|| server.generates());
    server.stop();
    let answer = receive(answer);
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
    server.wait();
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_stopping_server_does_not_wait_forever() {
    let mut server = serve(1, 0, Duration::from_millis(200));
    let mut answer = ask(server.address, &say("forever", true));
    wait_for_words(&mut answer);
    let begun = Instant::now();
    server.stop();
    server.wait();
    assert!(begun.elapsed() < LONG);
    eventually(|| !server.generates());
}

#[test]
fn a_vanishing_client_frees_its_place_at_once() {
    let server = serve(1, 0, LONG);
    let mut freed = Vec::new();
    for _ in 0..5 {
        let mut stream = ask(server.address, &say("forever", true));
        wait_for_words(&mut stream);
        drop(stream);
        let gone = Instant::now();
        while get(server.address, "/metrics").body.contains("naman_replies_running 1") {
            assert!(gone.elapsed() < LONG);
        }
        freed.push(gone.elapsed());
    }
    freed.sort_unstable();
    // The median: other work on the machine may hold up one of them.
    assert!(freed[2] < Duration::from_millis(100), "{freed:?}");
}

#[test]
fn a_server_whose_model_is_being_loaded_says_so() {
    let (sender, loaded) = std::sync::mpsc::channel::<()>();
    let server = serve_models(settings(), move || {
        loaded.recv().unwrap();
        let dir = tempfile::tempdir().unwrap();
        vec![("untrained".to_owned(), Chat::read(&untrained(dir.path())).unwrap())]
    });
    assert_eq!(get(server.address, "/").status, 200);
    for answer in [get(server.address, "/health"), complete(server.address, &say("네", false))] {
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("loading")));
        assert!(answer.header("retry-after").is_some());
    }
    sender.send(()).unwrap();
    let server = server.ready();
    assert_eq!(complete(server.address, &say("네", false)).status, 200);
}

#[test]
fn keys_open_and_rates_limit() {
    let keys = vec!["first".to_owned(), "second".to_owned()];
    let settings = Settings { api_keys: keys, requests_per_minute: Some(3), ..settings() };
    let server = serve_with(settings, LONG);
    let models = |header: &str| receive(send(server.address, "GET", "/v1/models", header, ""));
    for header in ["", "authorization: Bearer third\r\n", "authorization: Basic first\r\n"] {
        let refused = models(header);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("invalid_api_key")));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!((get(server.address, "/health").status, get(server.address, "/").status), (200, 200));
    for _ in 0..3 {
        assert_eq!(models("authorization: Bearer first\r\n").status, 200);
    }
    let refused = models("authorization: Bearer first\r\n");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("rate_limit_exceeded")));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds));
    assert_eq!(models("authorization: bearer second\r\n").status, 200);
}

#[test]
fn ten_thousand_half_open_connections_keep_nobody_out() {
    let (dir, mut child, address) = served_elsewhere();
    let mut open = Vec::new();
    while open.len() < 10_000 {
        match TcpStream::connect(address) {
            Ok(mut stream) => {
                let _ = stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: te");
                open.push(stream);
            }
            Err(error) => {
                println!("skipped: this process may open {} files: {error}", open.len());
                break;
            }
        }
    }
    if open.len() == 10_000 {
        let answer = complete(address, &say("네", false));
        assert_eq!(answer.status, 200);
        // Who does not go on is cut off.
        let mut first = open.swap_remove(0);
        first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert!(first.read(&mut [0; 512]).is_ok());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(dir);
}

/// A server in a process of its own, which has files of its own to open.
fn served_elsewhere() -> (tempfile::TempDir, Child, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_deploy"))
        .args(["serve", "--port", "0", "--model"])
        .arg(untrained(dir.path()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    (dir, child, address)
}
