//! `POST /v1/chat/completions`: from a request to a reply, whole or streamed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use model::generate::FinishReason;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::api_error::ApiError;
use super::generation::{Event, Job, Stream};
use super::request::Request;
use super::{State, unix_seconds};
use crate::sampling::random_seed;

/// Tells how many of the oldest messages the context would not hold.
const DROPPED: HeaderName = HeaderName::from_static("x-naman-dropped-messages");

/// What all parts of one answer repeat.
struct Head {
    id: String,
    created: u64,
    model: String,
}

/// Answers one request.
pub(super) async fn answer(state: Arc<State>, body: &[u8]) -> Result<Response, ApiError> {
    let request = Request::parse(body, &state.name)?;
    let settings = request.sampling.over(state.generator.settings()).map_err(|error| {
        let field = error.field;
        ApiError::invalid(error.to_string()).of(field).coded("invalid_value")
    })?;
    let job = Job {
        messages: request.messages,
        settings,
        seed: request.seed.unwrap_or_else(random_seed),
        stop: request.stop,
    };
    let stream = state.generator.begin(job).await?;
    let head = Head {
        id: format!("chatcmpl-{:016x}", RandomState::new().hash_one("id")),
        created: unix_seconds(),
        model: state.name.clone(),
    };
    let dropped = HeaderValue::from(stream.dropped);
    let mut response = if request.stream {
        streamed(head, stream, request.include_usage)
    } else {
        whole(head, stream).await?
    };
    response.headers_mut().insert(DROPPED, dropped);
    Ok(response)
}

async fn whole(head: Head, mut stream: Stream) -> Result<Response, ApiError> {
    let mut content = String::new();
    while let Some(event) = stream.events.recv().await {
        match event {
            Event::Text(text) => content.push_str(&text),
            Event::End { reason, completion_tokens } => {
                return Ok(Json(json!({
                    "id": head.id,
                    "object": "chat.completion",
                    "created": head.created,
                    "model": head.model,
                    "choices": [{
                        "index": 0,
                        "message": { "role": "assistant", "content": content },
                        "finish_reason": reason_name(reason),
                    }],
                    "usage": usage(stream.prompt_tokens, completion_tokens),
                }))
                .into_response());
            }
        }
    }
    Err(ApiError::internal())
}

fn streamed(head: Head, stream: Stream, include_usage: bool) -> Response {
    let mut lines = Lines {
        head,
        prompt_tokens: stream.prompt_tokens,
        include_usage,
        events: Some(stream.events),
        waiting: VecDeque::new(),
    };
    let opening = lines.delta(&json!({ "role": "assistant", "content": "" }), None);
    lines.waiting.push_back(opening);
    let events = futures_util::stream::unfold(lines, |mut lines| async move {
        let line = lines.next().await?;
        Some((Ok::<_, Infallible>(SseEvent::default().data(line)), lines))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// The data lines of a streamed reply.
struct Lines {
    head: Head,
    prompt_tokens: usize,
    include_usage: bool,
    /// None once the reply has ended.
    events: Option<mpsc::UnboundedReceiver<Event>>,
    waiting: VecDeque<String>,
}

impl Lines {
    async fn next(&mut self) -> Option<String> {
        if let Some(line) = self.waiting.pop_front() {
            return Some(line);
        }
        match self.events.as_mut()?.recv().await {
            Some(Event::Text(text)) => return Some(self.delta(&json!({ "content": text }), None)),
            Some(Event::End { reason, completion_tokens }) => {
                self.events = None;
                self.waiting.push_back(self.delta(&json!({}), Some(reason_name(reason))));
                if self.include_usage {
                    let usage = usage(self.prompt_tokens, completion_tokens);
                    self.waiting.push_back(self.chunk(&json!([]), &usage));
                }
                self.waiting.push_back("[DONE]".to_owned());
            }
            // The model has failed: the client must not take what it has for the whole reply.
            None => {
                self.events = None;
                self.waiting.push_back(ApiError::internal().body().to_string());
            }
        }
        self.waiting.pop_front()
    }

    fn delta(&self, delta: &Value, reason: Option<&str>) -> String {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        self.chunk(&choices, &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> String {
        let mut chunk = json!({
            "id": self.head.id,
            "object": "chat.completion.chunk",
            "created": self.head.created,
            "model": self.head.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage.clone();
        }
        chunk.to_string()
    }
}

fn reason_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

fn usage(prompt_tokens: usize, completion_tokens: usize) -> Value {
    json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    })
}
