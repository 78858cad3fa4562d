//! Talks that the server keeps: only when asked, for those whose they are, until they are deleted.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use deploy::serve::Settings;
use serde_json::{Value, json};

use crate::client::{Answer, complete, get, receive, send};
use crate::fake::{Running, serve_with, settings};

fn server(store: &Path) -> Running {
    serve_with(Settings { store: Some((store.to_owned(), 30)), ..settings() }, Duration::from_secs(5))
}

fn say(text: &str, more: Value) -> Value {
    let mut request = json!({ "messages": [{ "role": "user", "content": text }] });
    let Value::Object(more) = more else { panic!("fields") };
    request.as_object_mut().unwrap().extend(more);
    request
}

fn rate(server: &Running, reply: &str, rating: &str) -> Answer {
    let body = json!({ "reply": reply, "rating": rating, "comment": "좋네" }).to_string();
    receive(send(server.address, "POST", "/feedback", "content-type: application/json\r\n", &body))
}

fn delete(server: &Running, talk: &str) -> u16 {
    receive(send(server.address, "DELETE", &format!("/talks/{talk}"), "", "")).status
}

fn talks(store: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deploy"))
        .args(["talks", "--store"])
        .arg(store)
        .args(more)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for the thread that writes.
fn eventually(holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came to hold");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn talks_are_kept_when_asked_and_deleted_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("talks.sqlite");
    let server = server(&store);
    complete(server.address, &say("아무도 모르게", json!({})));
    let keep = |talk: &str| json!({ "store": true, "metadata": { "talk": talk } });
    let whole = complete(server.address, &say("하나", keep("a"))).json();
    let mut streamed = say("둘", keep("b"));
    streamed["stream"] = json!(true);
    let streamed = complete(server.address, &streamed);
    let id_of_streamed = serde_json::from_str::<Value>(streamed.events()[0]).unwrap()["id"].clone();
    let [first, second] = [&whole["id"], &id_of_streamed].map(|id| id.as_str().unwrap().to_owned());
    eventually(|| rate(&server, &second, "bad").status == 200);
    assert_eq!(rate(&server, &first, "good").status, 200);
    assert_eq!(rate(&server, "chatcmpl-0", "good").status, 404);
    assert_eq!(rate(&server, &first, "so-so").json()["error"]["param"], "rating");

    let kept = lines(&talks(&store, &[]));
    assert_eq!(
        kept.len(),
        1,
        "the other reply was called bad, and the first talk was not to be kept: {kept:?}"
    );
    assert_eq!(
        kept[0]["messages"],
        json!([{ "role": "user", "content": "하나" }, { "role": "assistant", "content": "네, 하나" }])
    );
    assert_eq!(rate(&server, &second, "good").status, 200);
    assert_eq!(lines(&talks(&store, &["--liked"])).len(), 2);

    assert_eq!((delete(&server, "a"), delete(&server, "a"), delete(&server, "b")), (200, 404, 200));
    assert_eq!(lines(&talks(&store, &[])), Vec::<Value>::new());
    assert!(talks(&dir.path().join("nowhere"), &[]).status.code() == Some(2));
}

#[test]
fn who_keeps_nothing_says_so() {
    let server = serve_with(settings(), Duration::from_secs(5));
    let answer = complete(server.address, &say("네", json!({ "store": true })));
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("store")));
    assert_eq!(rate(&server, "x", "good").json()["error"]["code"], "no_store");
    assert_eq!(delete(&server, "x"), 404);
    assert_eq!(get(server.address, "/props").json()["keeps_talks"], false);
}

#[test]
fn a_store_that_fails_stops_no_chat() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("talks.sqlite");
    let server = server(&store);
    // Another program has locked the file, for longer than the server waits.
    let other = rusqlite::Connection::open(&store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = complete(server.address, &say("네", json!({ "store": true, "metadata": { "talk": "a" } })));
    assert_eq!(answer.status, 200);
    eventually(|| get(server.address, "/metrics").body.contains("naman_lost_talks_total 1\n"));
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    complete(server.address, &say("네", json!({ "store": true, "metadata": { "talk": "b" } })));
    eventually(|| !lines(&talks(&store, &[])).is_empty());
}
