//! Replies judged by a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use evaluate::{Course, Measured, Task};
use serde_json::{Value, json};

use crate::held_out::{arguments, conversations, data};
use crate::parrot::parrot;

/// A server that gives to each question the answer that `verdict` makes of its two replies; its address.
fn server(verdict: fn(&str, &str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap(), verdict));
        }
    });
    url
}

fn serve(mut stream: TcpStream, verdict: fn(&str, &str) -> String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = if head.starts_with("GET /v1/models ") {
        json!({"data": [{"id": "judge-of-replies"}]})
    } else {
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        let request: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(request["model"], "judge-of-replies");
        let question = request["messages"][1]["content"].as_str().unwrap();
        let replies = question.split_once("[Reply A]\n").unwrap().1;
        let (a, b) = replies.split_once("\n\n[Reply B]\n").unwrap();
        json!({"choices": [{"message": {"role": "assistant", "content": verdict(a, b.trim_end())}}]})
    };
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
}

fn judged(verdict: fn(&str, &str) -> String) -> artifact::report::Judge {
    let talks = conversations();
    let knows = [
        ("안녕!", "반가워요!"),
        ("나는 서현이야", "서현님, 반가워요!"),
        ("내 이름이 뭐라고?", "모르겠어요."),
    ];
    let errs = [
        ("안녕!", "반가워요!"),
        ("나는 서현이야", "안녕히 가세요."),
        ("내 이름이 뭐라고?", "서현님이라고 하셨어요."),
    ];
    let data = data(&talks);
    let task = Task::read(&arguments(data.path(), &["--judge", &server(verdict)])).unwrap();
    let mut measured = Measured::new(&task);
    for (name, replies) in [("knows", knows), ("errs", errs)] {
        measured.add(&task, name, "parrot", &parrot(&talks, &replies, 512), Course::default()).unwrap();
    }
    measured.judge(&task).unwrap();
    measured.report.judge.unwrap()
}

#[test]
fn a_judge_that_looks_at_the_replies_agrees_with_the_scores() {
    // The longer reply wins; the same text, among them two of no reply, is not sent.
    let judge = judged(|a, b| {
        assert_ne!(a, b);
        format!("The longer one: {}", if a.len() > b.len() { "[[A]]" } else { "[[B]]" })
    });
    assert_eq!(judge.model, "judge-of-replies");
    let [pair] = &judge.pairs[..] else { panic!("one pair") };
    assert_eq!((pair.first.as_str(), pair.second.as_str()), ("knows", "errs"));
    assert_eq!((pair.first_wins, pair.second_wins, pair.ties), (1, 1, 2));
    assert_eq!((pair.inconsistent, pair.unread), (0, 0));
    assert_eq!((pair.agreement_with_chrf.agree, pair.agreement_with_chrf.count), (2, 2));
    // "모르겠어요." is nearest to the response with the name, so that both carry out that action.
    assert_eq!((pair.agreement_with_action.agree, pair.agreement_with_action.count), (1, 1));
}

#[test]
fn a_judge_that_goes_by_the_place_is_told() {
    let pair = judged(|_, _| "[[A]]".to_owned()).pairs.remove(0);
    assert_eq!((pair.first_wins, pair.second_wins, pair.ties, pair.inconsistent), (0, 0, 2, 2));
    assert_eq!(pair.agreement_with_chrf.count, 0);
    let pair = judged(|_, _| "both are nice".to_owned()).pairs.remove(0);
    assert_eq!((pair.ties, pair.unread), (2, 2));
}

#[test]
fn a_judge_that_is_not_there_is_told_before_any_work() {
    let data = data(&conversations());
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        Task::read(&arguments(data.path(), &["--judge", &format!("http://{address}/v1")])).err().unwrap();
    assert!(error.to_string().contains("--judge http://127.0.0.1"), "{error}");
}
