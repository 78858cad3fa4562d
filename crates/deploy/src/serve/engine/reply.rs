//! One reply as it is written.

use std::sync::Arc;

use artifact::tokenizer::TextStream;
use model::Session;
use model::chat::Chat;
use model::generate::{Draft, FinishReason};

use super::logprobs::Logprobs;
use super::{Client, Event, Job, Summary, Vocabulary};
use crate::serve::grammar::Matcher;
use crate::serve::metrics::Metrics;
use crate::serve::stop::{Passed, StopStrings};

pub(super) struct Reply<'m> {
    pub(super) session: Box<dyn Session + 'm>,
    pub(super) draft: Draft,
    prompt: Arc<[u32]>,
    cached_tokens: usize,
    /// None once the text is whole.
    text: Option<TextStream<'m>>,
    stop: StopStrings,
    logprobs: Option<Logprobs<'m>>,
    grammar: Option<Matcher>,
    finished: Option<FinishReason>,
    client: Client,
}

impl<'m> Reply<'m> {
    pub(super) fn new(
        chat: &'m Chat,
        vocabulary: &'m Vocabulary,
        session: Box<dyn Session + 'm>,
        job: Job,
    ) -> Self {
        let Job { prompt, sampler, stop, top_logprobs, grammar, client } = job;
        let draft = Draft::new(sampler, prompt.to_vec(), chat.model.context_length());
        Self {
            cached_tokens: session.len(),
            session,
            finished: draft.finish_reason(),
            draft,
            prompt,
            text: Some(chat.tokenizer.stream()),
            stop: StopStrings::new(stop),
            logprobs: top_logprobs.map(|top| Logprobs::new(vocabulary, top)),
            grammar,
            client,
        }
    }

    /// What the model has read.
    pub(super) fn read(&self) -> &[u32] {
        &self.draft.tokens()[..self.session.len()]
    }

    /// Whether the model has read all there is, and the next token may be chosen.
    pub(super) fn has_read(&self) -> bool {
        self.session.len() == self.draft.tokens().len()
    }

    /// Whether this prompt is still being read here.
    pub(super) fn is_reading(&self, prompt: &Arc<[u32]>) -> bool {
        self.session.len() < self.prompt.len() && self.prompt == *prompt
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.client.events.is_closed()
    }

    /// Of a whole reply.
    pub(super) fn summary(&self) -> Option<Summary> {
        self.finished.map(|reason| Summary {
            reason,
            completion_tokens: self.draft.generated().len(),
            cached_tokens: self.cached_tokens,
        })
    }

    /// Ends it. The permit goes back first, so that the client's next request finds it.
    pub(super) fn end(self, event: Event) {
        let Client { index, events, permit, .. } = self.client;
        drop(permit);
        let _ = events.send((index, event));
    }

    /// Chooses the next token, and sends what it makes certain of the text.
    pub(super) fn write(&mut self, metrics: &Metrics) {
        if self.finished.is_some() {
            return;
        }
        if self.draft.generated().is_empty() {
            metrics.observe_first_token(self.client.asked.elapsed());
        }
        let logits = self.session.logits();
        let allowed = self.grammar.as_mut().map(Matcher::allowed);
        let token = match &allowed {
            Some(allowed) => self.draft.choose(logits, Some(&|token| allowed.contains(token))),
            None => self.draft.choose(logits, None),
        };
        let piece = match token {
            Some(token) => {
                if let Some(logprobs) = &mut self.logprobs {
                    logprobs.push(token, logits);
                }
                if let Some(grammar) = &mut self.grammar {
                    grammar.take(token);
                }
                self.text.as_mut().map(|text| text.push(token)).unwrap_or_default()
            }
            None => String::new(),
        };
        let mut visible = match self.stop.push(&piece) {
            Passed::More(text) => text,
            Passed::End(text) => {
                self.finished = Some(FinishReason::Stop);
                text
            }
        };
        if self.finished.is_none()
            && let Some(reason) = self.draft.finish_reason()
        {
            self.finished = Some(reason);
            let rest = self.text.take().map(TextStream::finish).unwrap_or_default();
            match self.stop.push(&rest) {
                Passed::More(text) => {
                    visible.push_str(&text);
                    visible.push_str(&std::mem::take(&mut self.stop).finish());
                }
                Passed::End(text) => {
                    visible.push_str(&text);
                    self.finished = Some(FinishReason::Stop);
                }
            }
        }
        let logprobs = self.logprobs.as_mut().map(|logprobs| logprobs.visible(visible.len()));
        let logprobs = logprobs.unwrap_or_default();
        if !visible.is_empty() || !logprobs.is_empty() {
            let _ = self.client.events.send((self.client.index, Event::Piece { text: visible, logprobs }));
        }
    }
}
