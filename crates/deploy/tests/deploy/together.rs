//! The engine with a real network: what a reply says does not depend on where it is asked for, nor on its company.

use std::path::Path;
use std::process::Command;

use deploy::serve::{Capacity, Settings};
use model::chat::Chat;
use serde_json::{Value, json};

use crate::bundle::untrained;
use crate::client::{ask, complete, get, receive};
use crate::fake::{Running, serve_models, settings};

fn serve(dir: &Path, at_once: usize) -> Running {
    let chat = Chat::read(dir).unwrap();
    let capacity = Capacity { at_once, queue: 64, prefix_cache_bytes: 1 << 20 };
    let settings = Settings { capacity, ..settings() };
    serve_models(settings, move || vec![("untrained".to_owned(), chat)]).ready()
}

fn in_the_terminal(model: &Path, seed: u64, says: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
    command.args(["chat", "--temperature", "1.5", "--seed", &seed.to_string(), "--model"]).arg(model);
    for says in says {
        command.args(["--say", says]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut said = String::from_utf8(output.stdout).unwrap();
    let mut replies = Vec::new();
    for says in says.iter().rev() {
        let start = said.rfind(&format!("> {says}\n")).unwrap();
        let reply = &said[start + says.len() + 3..];
        replies.insert(0, reply.strip_suffix('\n').unwrap().to_owned());
        said.truncate(start);
    }
    replies
}

/// The text of an answer, whole or streamed.
fn text(body: &str) -> String {
    let of = |part: &Value| {
        let choice = &part["choices"][0];
        let content = choice["message"]["content"].as_str().or(choice["delta"]["content"].as_str());
        content.unwrap_or_default().to_owned()
    };
    if let Ok(whole) = serde_json::from_str(body) {
        return of(&whole);
    }
    let data = body.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).map(|part| of(&part)).collect()
}

#[test]
fn the_same_seed_says_the_same_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let questions = [
        "안녕",
        "hello there, how are you?",
        "음",
        "이 문장은 조금 더 길어서 다른 것들보다 늦게 읽힌다",
        "1 2 3",
    ];
    let expected: Vec<Vec<String>> =
        (0..).zip(questions).map(|(seed, says)| in_the_terminal(&model, seed, &[says, "더"])).collect();
    for at_once in [1, 3, 16] {
        let server = serve(&model, at_once);
        let mut histories: Vec<Vec<Value>> = vec![Vec::new(); questions.len()];
        for turn in 0..2 {
            let mut asked = Vec::new();
            for (seed, history) in histories.iter_mut().enumerate() {
                let says = if turn == 0 { questions[seed] } else { "더" };
                history.push(json!({ "role": "user", "content": says }));
                for stream in [false, true] {
                    let request = json!({
                        "messages": history, "seed": seed, "temperature": 1.5, "stream": stream,
                        "truncation": "auto",
                    });
                    asked.push((seed, ask(server.address, &request)));
                }
            }
            for (seed, stream) in asked {
                let answer = receive(stream);
                assert_eq!(answer.status, 200, "{}", answer.body);
                let said = text(&answer.body);
                // The terminal shows what a client is sent.
                assert_eq!(said, expected[seed][turn], "{at_once} at once, turn {turn}");
            }
            for (seed, history) in histories.iter_mut().enumerate() {
                history.push(json!({ "role": "assistant", "content": expected[seed][turn] }));
            }
        }
    }
}

#[test]
fn a_talk_that_goes_on_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&untrained(dir.path()), 4);
    let cached = |messages: &Value| {
        let request = json!({ "messages": messages, "temperature": 0, "max_tokens": 8 });
        let answer = complete(server.address, &request).json();
        let usage = &answer["usage"];
        let count = |value: &Value| value.as_u64().unwrap();
        (count(&usage["prompt_tokens_details"]["cached_tokens"]), count(&usage["prompt_tokens"]), answer)
    };
    let mut messages = json!([{ "role": "user", "content": "오늘은 날씨가 어때요?" }]);
    let (first, length, answer) = cached(&messages);
    assert_eq!(first, 0);
    let content = &answer["choices"][0]["message"]["content"];
    messages.as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": content }),
        json!({ "role": "user", "content": "그래요?" }),
    ]);
    // Whatever the reply was, the prompt before it has been read.
    let (second, longer, _) = cached(&messages);
    assert!(second >= length && second < longer, "{second} of {longer}, {length} before");
    let two = json!({ "messages": messages, "n": 2, "temperature": 1.5, "max_tokens": 4 });
    assert_eq!(complete(server.address, &two).json()["choices"].as_array().unwrap().len(), 2);
    let metrics = get(server.address, "/metrics").body;
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("naman_cached_prompt_tokens_total") > second);
    assert_eq!((value("naman_replies_running"), value("naman_replies_waiting")), (0, 0));
    assert_eq!(value("naman_replies_total"), 4);
}
