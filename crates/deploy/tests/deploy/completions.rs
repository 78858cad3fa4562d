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
    assert_eq!(
        body["usage"],
        json!({
            "prompt_tokens": 10, "completion_tokens": 11, "total_tokens": 21,
            "prompt_tokens_details": { "cached_tokens": 0 },
        })
    );
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
    let ending = json!({ "index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop" });
    assert_eq!(last["choices"][0], ending);
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
        (json!({ "tools": [{ "type": "function" }] }), "tools"),
        (json!({ "response_format": { "type": "text", "more": 1 } }), "response_format.more"),
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
        (json!({ "n": 9 }), "n"),
        (json!({ "frequency_penalty": 2.5 }), "frequency_penalty"),
        (json!({ "logit_bias": { "1000000": 1 } }), "logit_bias"),
        (json!({ "top_logprobs": 2 }), "top_logprobs"),
        (json!({ "response_format": { "type": "xml" } }), "response_format.type"),
        (json!({ "truncation": "always" }), "truncation"),
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

#[test]
fn every_choice_of_several_draws_for_itself_and_repeats() {
    let server = server();
    let ask = |stream: bool| {
        let answer = complete(server.address, &say("random", json!({ "n": 3, "seed": 5, "stream": stream })));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut texts = vec![String::new(); 3];
        if stream {
            for data in answer.events() {
                let Ok(chunk) = serde_json::from_str::<Value>(data) else { continue };
                let choice = &chunk["choices"][0];
                let index = choice["index"].as_u64().unwrap() as usize;
                texts[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            }
        } else {
            for choice in answer.json()["choices"].as_array().unwrap() {
                let index = choice["index"].as_u64().unwrap() as usize;
                texts[index].push_str(choice["message"]["content"].as_str().unwrap());
            }
        }
        texts
    };
    let texts = ask(false);
    assert_eq!(texts, ask(true));
    assert!(texts[0] != texts[1] && texts[1] != texts[2], "{texts:?}");
    let one = reply(&complete(server.address, &say("random", json!({ "seed": 5 })))).0;
    assert_eq!(texts[0], one);
}

#[test]
fn logprobs_join_to_the_text_and_are_probabilities() {
    let server = server();
    for more in [json!({}), json!({ "stop": "가워" }), json!({ "max_tokens": 7 })] {
        let mut request = say("반가워", json!({ "logprobs": true, "top_logprobs": 3 }));
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = complete(server.address, &request).json();
        let choice = &answer["choices"][0];
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        let bytes = tokens.iter().flat_map(|token| token["bytes"].as_array().unwrap());
        let bytes: Vec<u8> = bytes.map(|byte| byte.as_u64().unwrap() as u8).collect();
        assert_eq!(String::from_utf8_lossy(&bytes), choice["message"]["content"].as_str().unwrap());
        for token in tokens {
            assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 3);
            assert_eq!(token["top_logprobs"][0]["logprob"], token["logprob"]);
            // The parrot is all but certain.
            assert!(token["logprob"].as_f64().unwrap().abs() < 1e-6);
        }
        request["stream"] = json!(true);
        let streamed = complete(server.address, &request);
        let mut joined = Vec::new();
        for data in streamed.events() {
            let Ok(chunk) = serde_json::from_str::<Value>(data) else { continue };
            joined.extend(chunk["choices"][0]["logprobs"]["content"].as_array().cloned().unwrap_or_default());
        }
        assert_eq!(&joined, tokens);
    }
}

#[test]
fn what_a_request_adds_to_logits_counts() {
    let server = server();
    // "a" would be said 24 times: each time it costs 20 of its 100.
    let text = |more: Value| reply(&complete(server.address, &say("random", more))).0;
    assert_eq!(text(json!({ "temperature": 0, "max_tokens": 2 })), "aa");
    let penalty =
        json!({ "temperature": 0, "max_tokens": 3, "presence_penalty": 1, "frequency_penalty": 0.5 });
    assert_eq!(text(penalty), "abc");
    let token = |letter: char| (crate::fake::FIRST_BYTE + letter as u32).to_string();
    let bias =
        json!({ "temperature": 0, "max_tokens": 2, "logit_bias": { token('q'): 5, token('a'): -100 } });
    assert_eq!(text(bias), "qq");
}

#[test]
fn a_reply_keeps_to_its_schema() {
    let server = server();
    let schema = json!({
        "type": "object",
        "properties": { "mood": { "enum": ["좋음", "나쁨"] }, "points": { "type": "integer", "minimum": 0, "maximum": 9 } },
        "required": ["mood", "points"],
        "additionalProperties": false,
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "mood", "schema": schema } });
    for stream in [false, true] {
        let request = say("random", json!({ "response_format": format, "seed": 2, "stream": stream }));
        let (text, reason) = reply(&complete(server.address, &request));
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(["좋음", "나쁨"].contains(&value["mood"].as_str().unwrap()), "{text}");
        assert!(value["points"].as_u64().unwrap() < 10 && value.as_object().unwrap().len() == 2, "{text}");
        assert_eq!(reason, "stop");
    }
    let wrong = json!({ "type": "json_schema", "json_schema": { "schema": { "type": "nothing" } } });
    let answer = complete(server.address, &say("네", json!({ "response_format": wrong })));
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("response_format")));
}

#[test]
fn texts_are_continued() {
    let server = server();
    let ask = |body: Value| {
        let headers = "content-type: application/json\r\n";
        receive(send(server.address, "POST", "/v1/completions", headers, &body.to_string()))
    };
    let prompt = "<|endoftext|><|user|>하나<|end|><|assistant|>";
    let answer = ask(json!({ "prompt": prompt, "logprobs": 1 })).json();
    assert_eq!(answer["object"], "text_completion");
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
    let choice = &answer["choices"][0];
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!("네, 하나"), &json!("stop")));
    let logprobs = &choice["logprobs"];
    let count = answer["usage"]["completion_tokens"].as_u64().unwrap() as usize;
    for part in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(logprobs[part].as_array().unwrap().len(), count, "{part}");
    }
    let tokens = post(&server, "/tokenize", json!({ "content": prompt })).json()["tokens"].clone();
    let both = ask(json!({ "prompt": [tokens, tokens], "n": 2 })).json();
    assert_eq!(both["choices"].as_array().unwrap().len(), 4);
    assert!(both["choices"].as_array().unwrap().iter().all(|choice| choice["text"] == "네, 하나"));

    let streamed = ask(json!({ "prompt": prompt, "stream": true }));
    let text: String = streamed
        .events()
        .into_iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .map(|chunk| chunk["choices"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text, "네, 하나");
    for prompt in [json!(null), json!([]), json!([1.5]), json!([[]]), json!(7), json!([1_000_000])] {
        let answer = ask(json!({ "prompt": prompt }));
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("prompt")), "{prompt}");
    }
}

fn post(server: &Running, path: &str, body: Value) -> Answer {
    receive(send(server.address, "POST", path, "content-type: application/json\r\n", &body.to_string()))
}

#[test]
fn what_the_model_reads_is_shown() {
    let server = server();
    let talk = json!({ "messages": [{ "role": "user", "content": "안녕<|end|>" }] });
    let prompt = post(&server, "/apply-template", talk).json()["prompt"].clone();
    assert_eq!(prompt, "<|endoftext|><|user|>안녕<|end|><|assistant|>");
    let tokens = post(&server, "/tokenize", json!({ "content": prompt })).json()["tokens"].clone();
    assert_eq!(tokens.as_array().unwrap().len(), 10);
    assert_eq!(post(&server, "/detokenize", json!({ "tokens": tokens })).json()["content"], "안녕");
    for (path, body, param) in [
        ("/tokenize", json!({}), "content"),
        ("/detokenize", json!({ "tokens": [-1] }), "tokens"),
        ("/detokenize", json!({ "tokens": [], "more": 1 }), "more"),
        ("/apply-template", json!({ "messages": [] }), "messages"),
    ] {
        let answer = post(&server, path, body);
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)), "{path}");
    }
    let props = get(server.address, "/props").json();
    assert_eq!(props["models"][0]["context_tokens"], crate::fake::CONTEXT);
    assert_eq!(get(server.address, "/openapi.json").json()["openapi"], "3.1.0");
}
