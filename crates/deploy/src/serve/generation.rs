//! Replies on threads of their own: so many at once, so many waiting, and none for a client that has gone.

use std::sync::Arc;

use artifact::config::GenerationConfig;
use artifact::conversation::Message;
use model::chat::Chat;
use model::generate::FinishReason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::api_error::ApiError;
use super::stop::{Passed, StopStrings};

/// A model, and who may use it now.
pub(super) struct Generator {
    chat: Arc<Chat>,
    /// Permits to generate.
    at_once: Arc<Semaphore>,
    /// Permits to generate or to wait for it.
    admitted: Arc<Semaphore>,
}

/// What to answer, and how.
pub(super) struct Job {
    pub(super) messages: Vec<Message>,
    pub(super) settings: GenerationConfig,
    pub(super) seed: u64,
    pub(super) stop: Vec<String>,
}

/// A reply that has begun.
pub(super) struct Stream {
    pub(super) prompt_tokens: usize,
    /// Messages left out because the context would not hold them.
    pub(super) dropped: usize,
    /// Pieces, then [`Event::End`]. That it is missing means that the model failed.
    pub(super) events: mpsc::UnboundedReceiver<Event>,
}

/// A step of a reply.
#[derive(Debug)]
pub(super) enum Event {
    /// More text; never empty.
    Text(String),
    /// The reply is whole.
    End {
        /// Why.
        reason: FinishReason,
        /// Tokens generated.
        completion_tokens: usize,
    },
}

/// What the generating thread says first: how long the prompt is and what was dropped, or why it refuses.
type Opening = Result<(usize, usize), ApiError>;

impl Generator {
    pub(super) fn new(chat: Chat, at_once: usize, queue: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS / 2);
        let queue = queue.min(Semaphore::MAX_PERMITS / 2);
        Self {
            chat: Arc::new(chat),
            at_once: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once + queue)),
        }
    }

    /// The settings that hold where a request asks for nothing.
    pub(super) fn settings(&self) -> &GenerationConfig {
        &self.chat.generation
    }

    /// Waits for a turn and begins a reply. Dropping the future, or the stream it gives, ends the work.
    pub(super) async fn begin(&self, job: Job) -> Result<Stream, ApiError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| ApiError::busy())?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let chat = Arc::clone(&self.chat);
        let (opening, opened) = oneshot::channel();
        // Unbounded, so that a slow reader keeps nobody's turn; a reply is of 4096 tokens at most.
        let (sender, events) = mpsc::unbounded_channel();
        tokio::task::spawn_blocking(move || generate(&chat, &job, opening, &sender, (turn, admitted)));
        let (prompt_tokens, dropped) = opened.await.map_err(|_| ApiError::internal())??;
        Ok(Stream { prompt_tokens, dropped, events })
    }
}

/// Generates one reply. The permits go back before the client is told that it has ended, so that the client's next
/// request finds them; they are the last argument, which is dropped first, so that this holds for a panic, too.
fn generate(
    chat: &Chat,
    job: &Job,
    opening: oneshot::Sender<Opening>,
    events: &mpsc::UnboundedSender<Event>,
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
) {
    // Whoever waited for this turn may have left meanwhile.
    if opening.is_closed() {
        return;
    }
    let mut reply = match chat.reply(&job.messages, &job.settings, job.seed) {
        Ok(reply) => reply,
        Err(error) => {
            drop(permits);
            let _ = opening.send(Err(ApiError::invalid(error.to_string()).of("messages")));
            return;
        }
    };
    if opening.send(Ok((reply.prompt_tokens, reply.dropped))).is_err() {
        return;
    }
    let mut stop = StopStrings::new(job.stop.clone());
    let mut stopped = false;
    for piece in reply.by_ref() {
        let text = match stop.push(&piece) {
            Passed::More(text) => text,
            Passed::End(text) => {
                stopped = true;
                text
            }
        };
        // Asked at every token, since pieces may be empty: one that fails to go out may come late.
        if events.is_closed() || (!text.is_empty() && events.send(Event::Text(text)).is_err()) {
            return;
        }
        if stopped {
            break;
        }
    }
    let held = if stopped { String::new() } else { stop.finish() };
    if !held.is_empty() && events.send(Event::Text(held)).is_err() {
        return;
    }
    let reason =
        if stopped { FinishReason::Stop } else { reply.finish_reason().unwrap_or(FinishReason::Stop) };
    drop(permits);
    let _ = events.send(Event::End { reason, completion_tokens: reply.completion_tokens() });
}
