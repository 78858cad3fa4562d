//! The replies that are written side by side, and those that wait.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use model::Turn;
use model::chat::Chat;
use rayon::prelude::*;

use super::prefix_cache::{self, PrefixCache};
use super::reply::Reply;
use super::{Capacity, Event, Job, Vocabulary};
use crate::serve::metrics::Metrics;

/// The most tokens of prompts that one step reads: replies that are being written wait no longer for it.
const PROMPT_TOKENS: usize = 64;

pub(super) struct Batch<'m> {
    chat: &'m Chat,
    vocabulary: &'m Vocabulary,
    at_once: usize,
    waiting: VecDeque<Job>,
    /// In the order in which they joined.
    running: Vec<Reply<'m>>,
    /// Talks that have ended, to go on from.
    ended: PrefixCache<'m>,
    metrics: &'m Metrics,
}

impl<'m> Batch<'m> {
    pub(super) fn new(
        chat: &'m Chat,
        vocabulary: &'m Vocabulary,
        capacity: Capacity,
        metrics: &'m Metrics,
    ) -> Self {
        Self {
            chat,
            vocabulary,
            at_once: capacity.at_once,
            waiting: VecDeque::new(),
            running: Vec::new(),
            ended: PrefixCache::new(capacity.prefix_cache_bytes),
            metrics,
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    pub(super) fn enqueue(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Every reply gets a token further, or a piece of its prompt.
    pub(super) fn step(&mut self) {
        self.leave();
        self.join();
        self.metrics.set_load(self.running.len(), self.waiting.len());
        // One visit to the pool for the whole step; a model that fails takes only the replies of this step with it.
        let stepped = catch_unwind(AssertUnwindSafe(|| rayon::scope(|_| self.read_and_write())));
        if stepped.is_err() {
            for reply in self.running.drain(..) {
                reply.end(Event::Failed);
            }
        }
        self.leave();
        self.metrics.set_load(self.running.len(), self.waiting.len());
    }

    /// Those that are whole, and those whose client has gone, make room; what the model has read of them is kept.
    fn leave(&mut self) {
        self.waiting.retain(|job| !job.client.events.is_closed());
        let model = self.chat.model.as_ref();
        for reply in self.running.extract_if(.., |reply| reply.is_finished() || reply.is_abandoned()) {
            self.ended.keep(model, reply.read(), reply.session.as_ref());
            let event = reply.summary().map(Event::End);
            self.metrics.count_reply(reply.draft.generated().len());
            if let Some(event) = event {
                reply.end(event);
            }
        }
    }

    /// Those that wait join as far as there is room, in the order of their arrival.
    fn join(&mut self) {
        let mut passed_over = VecDeque::new();
        while self.running.len() < self.at_once
            && let Some(job) = self.waiting.pop_front()
        {
            // Another reply to the same question goes on from where the first one has read it.
            if self.running.iter().any(|reply| reply.is_reading(&job.prompt)) {
                passed_over.push_back(job);
                continue;
            }
            let model = self.chat.model.as_ref();
            let talks = self.running.iter().map(|reply| (reply.read(), reply.session.as_ref()));
            let resumed = prefix_cache::resume(model, &job.prompt, talks.chain(self.ended.talks()));
            self.metrics.count_prompt(job.prompt.len(), resumed.as_ref().map_or(0, |session| session.len()));
            let session = resumed.unwrap_or_else(|| model.session());
            self.running.push(Reply::new(self.chat, self.vocabulary, session, job));
        }
        passed_over.append(&mut self.waiting);
        self.waiting = passed_over;
    }

    fn read_and_write(&mut self) {
        let mut room = PROMPT_TOKENS;
        let mut turns: Vec<Turn<'_, 'm>> = Vec::with_capacity(self.running.len());
        for reply in &mut self.running {
            let unread = &reply.draft.tokens()[reply.session.len()..];
            let count = if unread.len() > 1 { unread.len().min(room) } else { unread.len() };
            if unread.len() > 1 {
                room -= count;
            }
            if count > 0 {
                turns.push(Turn { session: reply.session.as_mut(), tokens: &unread[..count] });
            }
        }
        if !turns.is_empty() {
            self.chat.model.feed_together(&mut turns);
        }
        let metrics = self.metrics;
        self.running.par_iter_mut().filter(|reply| reply.has_read()).for_each(|reply| reply.write(metrics));
    }
}
