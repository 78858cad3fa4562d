//! `POST /v1/chat/completions`: what is asked, what comes back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, complete, get, receive, send};
use crate::fake::{Running, serve};

fn server() -> Running {
    serve(2, 8, Duration::from_secs(5))
}

/// A request that says `text`, with more fields.
fn say(text: &str, more: Value) -> Value {
    let mut request = json!({ "messages": [{ "role": "user", "content": text }] });
    let Value::Object(more) = more else { panic!("fields") };
    request.as_object_mut().unwrap().extend(more);
    request
}

/// The reply and why it ended, of an answer of either kind.
fn reply(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    if answer.header("content-type") == Some("application/json") {
        let choice = &answer.json()["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap();
        return (text.to_owned(), choice["finish_reason"].as_str().unwrap().to_owned());
    }
    let mut text = String::new();
    let mut reason = None;
    for data in answer.events() {
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        let choice = &chunk["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        reason = choice["finish_reason"].as_str().map(str::to_owned).or(reason);
    }
    (text, reason.unwrap())
}

/// Asks both ways, which must agree.
fn check(server: &Running, text: &str, more: Value, expected: &str, reason: &str) {
    for stream in [false, true] {
        let mut request = say(text, more.clone());
        request["stream"] = json!(stream);
        let answer = complete(server.address, &request);
        assert_eq!(reply(&answer), (expected.to_owned(), reason.to_owned()), "stream {stream}");
    }
}

#[test]
fn a_whole_reply_has_the_form_of_the_api() {
    let server = server();
    let answer =
        complete(server.address, &say("안녕", json!({ "model": "parrot", "user": "me", "store": false })));
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "parrot");
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(body["choices"][0]["index"], 0);
    assert_eq!(body["choices"][0]["message"], json!({ "role": "assistant", "content": "네, 안녕" }));
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    // <|endoftext|> <|user|> six bytes <|end|> <|assistant|>; eleven bytes come back.
    assert_eq!(body["usage"], json!({ "prompt_tokens": 10, "completion_tokens": 11, "total_tokens": 21 }));
}

#[test]
fn a_streamed_reply_has_the_form_of_the_api() {
    let server = server();
    let request = say("안녕", json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let answer = complete(server.address, &request);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let events = answer.events();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"])
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 11);
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()));
    let (last, chunks) = chunks.split_last().unwrap();
    assert_eq!(last["choices"][0], json!({ "index": 0, "delta": {}, "finish_reason": "stop" }));
    // A character of three tokens comes when its last token has come.
    let pieces: Vec<&str> =
        chunks[1..].iter().map(|c| c["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(pieces, ["네", ",", " ", "안", "녕"]);
}

#[test]
fn both_ways_say_the_same() {
    let server = server();
    check(&server, "반가워요!", json!({}), "네, 반가워요!", "stop");
    check(&server, "반가워요!", json!({ "max_tokens": 5 }), "네, ", "length");
    check(&server, "반가워요!", json!({ "max_completion_tokens": 3, "temperature": 0 }), "네", "length");
}

#[test]
fn stop_strings_cut_across_tokens() {
    let server = server();
    check(&server, "하나 둘 셋", json!({ "stop": " 둘" }), "네, 하나", "stop");
    check(&server, "하나 둘 셋", json!({ "stop": ["셋", "둘 "] }), "네, 하나 ", "stop");
    check(&server, "하나 둘 셋", json!({ "stop": "둘 넷" }), "네, 하나 둘 셋", "stop");
    check(&server, "하나 둘 셋", json!({ "stop": "셋째" }), "네, 하나 둘 셋", "stop");
}

#[test]
fn a_seed_repeats_its_reply() {
    let server = server();
    let with = |seed: i64| reply(&complete(server.address, &say("random", json!({ "seed": seed })))).0;
    assert_eq!(with(7), with(7));
    assert_eq!(with(-7), with(-7));
    assert_ne!(with(7), with(8));
    let unseeded = || reply(&complete(server.address, &say("random", json!({})))).0;
    assert_ne!(unseeded(), unseeded());
    check(&server, "random", json!({ "temperature": 0 }), &"a".repeat(24), "stop");
}

#[test]
fn messages_may_hold_text_parts_and_history() {
    let server = server();
    let request = json!({ "messages": [
        { "role": "developer", "content": "be kind" },
        { "role": "user", "content": "하나" },
        { "role": "assistant", "content": "네" },
        { "role": "user", "content": [{ "type": "text", "text": "둘" }, { "type": "text", "text": "셋" }] },
    ] });
    assert_eq!(reply(&complete(server.address, &request)).0, "네, 둘\n셋");
}

#[test]
fn values_that_ask_for_nothing_are_accepted() {
    let server = server();
    let nothing = json!({
        "n": 1, "frequency_penalty": 0, "presence_penalty": 0.0, "logprobs": false, "logit_bias": {}, "tools": [],
        "response_format": { "type": "text" }, "store": false, "metadata": { "a": "b" }, "stop": null, "seed": null,
        "tool_choice": null,
    });
    check(&server, "네", nothing, "네, 네", "stop");
}

#[test]
fn what_is_not_supported_is_refused() {
    let server = server();
    let cases = [
        (json!({ "n": 2 }), "n"),
        (json!({ "frequency_penalty": 0.5 }), "frequency_penalty"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "tools": [{ "type": "function" }] }), "tools"),
        (json!({ "response_format": { "type": "json_object" } }), "response_format"),
        (json!({ "store": true }), "store"),
        (json!({ "temprature": 1 }), "temprature"),
        (json!({ "stream_options": { "more": true }, "stream": true }), "stream_options.more"),
    ];
    for (more, param) in cases {
        let answer = complete(server.address, &say("네", more));
        assert_eq!(answer.status, 400);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], param);
        assert_eq!(error["code"], "unsupported_parameter");
        assert!(error["message"].as_str().unwrap().contains(param));
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let server = server();
    let cases = [
        (json!({ "temperature": 2.5 }), "temperature"),
        (json!({ "temperature": "hot" }), "temperature"),
        (json!({ "top_p": -0.1 }), "top_p"),
        (json!({ "top_k": 1.5 }), "top_k"),
        (json!({ "min_p": 2 }), "min_p"),
        (json!({ "repetition_penalty": 0 }), "repetition_penalty"),
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "max_tokens": 1, "max_completion_tokens": 1 }), "max_tokens"),
        (json!({ "seed": 0.5 }), "seed"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop"),
        (json!({ "stop": "" }), "stop"),
        (json!({ "stop": [1] }), "stop"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "stream_options": { "include_usage": true } }), "stream_options"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": "네" }), "messages"),
        (json!({ "messages": [{ "role": "assistant", "content": "네" }] }), "messages"),
        (json!({ "messages": [{ "role": "robot", "content": "네" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
            "messages[0].content[0]",
        ),
    ];
    for (more, param) in cases {
        let answer = complete(server.address, &say("네", more.clone()));
        assert_eq!(answer.status, 400, "{more}");
        assert_eq!(answer.json()["error"]["param"], param, "{more}");
        assert_eq!(answer.json()["error"]["code"], "invalid_value", "{more}");
    }
    let named = json!({ "messages": [{ "role": "user", "content": "네", "name": "Kim" }] });
    assert_eq!(complete(server.address, &named).json()["error"]["param"], "messages[0].name");
}

#[test]
fn a_body_that_is_no_request_is_refused() {
    let server = server();
    let json = "content-type: application/json\r\n";
    let status = |headers: &str, body: &str| {
        let answer = receive(send(server.address, "POST", "/v1/chat/completions", headers, body));
        assert!(answer.json()["error"]["message"].is_string());
        answer.status
    };
    assert_eq!(status(json, "{\"messages\": ["), 400);
    assert_eq!(status(json, "[]"), 400);
    assert_eq!(status(json, ""), 400);
    assert_eq!(status("content-type: text/plain\r\n", "{}"), 415);
    assert_eq!(status("", "{}"), 415);
    assert_eq!(status(json, &"[".repeat(100_000)), 400);
    assert_eq!(status(json, &" ".repeat(300_000)), 413);
}

#[test]
fn only_the_model_that_is_here_answers() {
    let server = server();
    let answer = complete(server.address, &say("네", json!({ "model": "gpt" })));
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
    let models = get(server.address, "/v1/models").json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "parrot");
    assert_eq!(get(server.address, "/health").json(), json!({ "status": "ok" }));
}
