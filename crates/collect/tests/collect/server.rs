//! An HTTP server that answers as a test tells it to, well or badly.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, as far as it matters.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The byte that it asks to begin at.
    pub(crate) fn start(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes="));
        range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
    }
}

/// What is written to the connection before it is closed.
pub(crate) type Answer = Box<dyn Fn(&Request) -> Vec<u8> + Send>;

pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by the next answer, and all further ones by the last.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            let mut answers = VecDeque::from(answers);
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                let bytes = answers[0](&request);
                if answers.len() > 1 {
                    answers.pop_front();
                }
                // The other side may have seen enough.
                let _ = (&stream).write_all(&bytes);
            }
        });
        Self { address, requests }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    Some(Request { path, headers: lines.take_while(|line| !line.is_empty()).collect() })
}

/// An answer of a status line, headers and a body.
pub(crate) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    [format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// The whole of a file, or what is asked for of it, as a good server gives it.
pub(crate) fn good(file: Vec<u8>) -> Answer {
    Box::new(move |request| partial(&file, request.start(), file.len()))
}

/// The bytes of a file from `start` on, of which only those before `end` come.
pub(crate) fn partial(file: &[u8], start: usize, end: usize) -> Vec<u8> {
    let length = format!("Content-Length: {}", file.len() - start);
    let range = format!("Content-Range: bytes {start}-{}/{}", file.len() - 1, file.len());
    let tag = "ETag: \"1\"";
    if start == 0 {
        answer("200 OK", &[&length, tag], &file[..end])
    } else {
        answer("206 Partial Content", &[&length, &range, tag], &file[start..end])
    }
}
