//! The engine of a model: one thread that has all running replies read and write side by side.
//!
//! Requests join and leave between any two steps. A step reads the model's weights once for all replies, and what a reply
//! says does not depend on its company.

mod batch;
mod logprobs;
mod prefix_cache;
mod reply;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Instant;

use anyhow::Context;
use model::chat::Chat;
use model::generate::{FinishReason, Sampler};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::batch::Batch;
pub(super) use self::logprobs::TokenLogprob;
use super::api_error::ApiError;
use super::grammar::Matcher;
use super::metrics::Metrics;
use super::vocabulary::Vocabulary;

/// How much an engine takes on.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Replies written at once, at least 1.
    pub at_once: usize,
    /// Replies that may wait for their turn.
    pub queue: usize,
    /// The most bytes of talks kept to go on from.
    pub prefix_cache_bytes: usize,
}

/// A model's engine, as requests see it.
pub(super) struct Engine {
    pub(super) chat: Arc<Chat>,
    pub(super) vocabulary: Arc<Vocabulary>,
    jobs: Sender<Job>,
    /// Permits to write or to wait for it.
    admitted: Arc<Semaphore>,
}

/// A reply to write.
pub(super) struct Job {
    /// At least one token, and fewer than the context holds.
    pub(super) prompt: Arc<[u32]>,
    pub(super) sampler: Sampler,
    pub(super) stop: Vec<String>,
    /// How many of the likeliest tokens are told of each token; none where logprobs are not asked for.
    pub(super) top_logprobs: Option<usize>,
    pub(super) grammar: Option<Matcher>,
    client: Client,
}

/// Whoever waits for a reply.
struct Client {
    /// The reply's place among those of its request.
    index: usize,
    events: UnboundedSender<(usize, Event)>,
    asked: Instant,
    /// Given back when the reply ends.
    permit: OwnedSemaphorePermit,
}

/// What a request asks of a reply.
pub(super) struct Order {
    pub(super) prompt: Arc<[u32]>,
    pub(super) sampler: Sampler,
    pub(super) stop: Vec<String>,
    pub(super) top_logprobs: Option<usize>,
    pub(super) grammar: Option<Matcher>,
}

/// A step of a reply.
#[derive(Debug)]
pub(super) enum Event {
    /// More text, and of the tokens that have become visible with it their logprobs where those are asked for; not both
    /// are empty.
    Piece { text: String, logprobs: Vec<TokenLogprob> },
    /// The reply is whole.
    End(Summary),
    /// The model has failed.
    Failed,
}

/// What is known of a whole reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    /// Why it ended.
    pub(super) reason: FinishReason,
    /// Tokens generated.
    pub(super) completion_tokens: usize,
    /// Tokens of the prompt that had been read before.
    pub(super) cached_tokens: usize,
}

/// The replies of one request as they are written, each with its place. Dropping it ends the work.
pub(super) type Events = UnboundedReceiver<(usize, Event)>;

impl Engine {
    /// Starts the engine's thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start(chat: Chat, capacity: Capacity, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let chat = Arc::new(chat);
        let vocabulary = Arc::new(Vocabulary::new(&chat));
        let at_once = capacity.at_once.clamp(1, Semaphore::MAX_PERMITS / 2);
        let queue = capacity.queue.min(Semaphore::MAX_PERMITS / 2);
        let (jobs, arriving) = channel();
        let of_thread = (Arc::clone(&chat), Arc::clone(&vocabulary));
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let (chat, vocabulary) = of_thread;
                run(Batch::new(&chat, &vocabulary, Capacity { at_once, ..capacity }, &metrics), &arriving);
            })
            .context("starting the engine's thread")?;
        Ok(Self { chat, vocabulary, jobs, admitted: Arc::new(Semaphore::new(at_once + queue)) })
    }

    /// Orders replies.
    pub(super) fn order(&self, orders: Vec<Order>) -> Result<Events, ApiError> {
        let count = u32::try_from(orders.len()).map_err(|_| ApiError::busy())?;
        let permits = Arc::clone(&self.admitted).try_acquire_many_owned(count);
        let mut permits = permits.map_err(|_| ApiError::busy())?;
        // Unbounded, so that a slow reader keeps nobody's turn; a reply is of 4096 tokens at most.
        let (events, receiver) = unbounded_channel();
        for (index, order) in orders.into_iter().enumerate() {
            let permit = permits.split(1).expect("as many permits as orders");
            let client = Client { index, events: events.clone(), asked: Instant::now(), permit };
            let Order { prompt, sampler, stop, top_logprobs, grammar } = order;
            let job = Job { prompt, sampler, stop, top_logprobs, grammar, client };
            self.jobs.send(job).map_err(|_| ApiError::internal())?;
        }
        Ok(receiver)
    }
}

/// Steps as long as there are replies to write, and sleeps otherwise; ends when nobody can order any more.
fn run(mut batch: Batch<'_>, arriving: &Receiver<Job>) {
    loop {
        if batch.is_idle() {
            match arriving.recv() {
                Ok(job) => batch.enqueue(job),
                Err(_) => return,
            }
        }
        loop {
            match arriving.try_recv() {
                Ok(job) => batch.enqueue(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        batch.step();
    }
}
