//! What a server bears: long talks, many clients, clients that leave, a model that fails, and its own end.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{ask, complete, receive};
use crate::fake::{CONTEXT, serve};

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
    let answer = complete(server.address, &json!({ "messages": messages }));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "네, 네");
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
        assert_eq!(answer.json()["error"]["param"], "messages");
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
