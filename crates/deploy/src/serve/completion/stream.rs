//! Replies as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form::characters;
use super::{Event, Events, Head, Summary};
use crate::serve::api_error::ApiError;

pub(super) fn streamed(head: Head, events: Events, include_usage: bool) -> Response {
    let mut lines = Lines {
        include_usage,
        events: Some(events),
        summaries: vec![None; head.replies],
        characters: vec![0; head.replies],
        waiting: VecDeque::new(),
        head,
    };
    for index in 0..lines.head.replies {
        let opening = lines.head.form.opening(index).map(|choice| lines.part(&choice));
        lines.waiting.extend(opening);
    }
    let events = futures_util::stream::unfold(lines, |mut lines| async move {
        let line = lines.next().await?;
        Some((Ok::<_, Infallible>(SseEvent::default().data(line)), lines))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// The data lines of streamed replies.
struct Lines {
    head: Head,
    include_usage: bool,
    /// None once the replies have ended.
    events: Option<Events>,
    /// Of the replies that have ended.
    summaries: Vec<Option<Summary>>,
    /// Of each reply as far as it was told of tokens.
    characters: Vec<usize>,
    waiting: VecDeque<String>,
}

impl Lines {
    async fn next(&mut self) -> Option<String> {
        if let Some(line) = self.waiting.pop_front() {
            return Some(line);
        }
        match self.events.as_mut()?.recv().await {
            Some((index, Event::Piece { text, logprobs })) => {
                let start = self.characters[index];
                let bytes = logprobs.iter().map(|token| characters(self.head.vocabulary.bytes(token.token)));
                self.characters[index] += bytes.sum::<usize>();
                let logprobs = self.head.logprobs.then_some((logprobs.as_slice(), start));
                let logprobs = self.head.logprobs_json(logprobs);
                return Some(self.part(&self.head.form.piece(index, &text, logprobs)));
            }
            Some((index, Event::End(summary))) => {
                self.summaries[index] = Some(summary);
                self.waiting.push_back(self.part(&self.head.form.ending(index, summary.reason)));
                let all: Option<Vec<Summary>> = self.summaries.iter().copied().collect();
                if let Some(all) = all {
                    self.events = None;
                    if self.include_usage {
                        let mut last = self.head.envelope(self.head.form.object_of_part(), json!([]));
                        last["usage"] = self.head.usage(&all);
                        self.waiting.push_back(last.to_string());
                    }
                    self.waiting.push_back("[DONE]".to_owned());
                }
            }
            // The model has failed: the client must not take what it has for the whole reply.
            Some((_, Event::Failed)) | None => {
                self.events = None;
                self.waiting.push_back(ApiError::internal().body().to_string());
            }
        }
        self.waiting.pop_front()
    }

    fn part(&self, choice: &Value) -> String {
        let mut part = self.head.envelope(self.head.form.object_of_part(), json!([choice]));
        if self.include_usage {
            part["usage"] = Value::Null;
        }
        part.to_string()
    }
}
