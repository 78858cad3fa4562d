//! Talks that the model has read, to go on from where a new prompt begins as one of them does.

use std::collections::VecDeque;

use model::{LanguageModel, Session};

/// Fewer tokens are as soon read again: every prompt begins with the same two or three.
const WORTH_RESUMING: usize = 4;

/// The talks that ended last.
pub(super) struct PrefixCache<'m> {
    most_bytes: usize,
    bytes: usize,
    /// The oldest first.
    talks: VecDeque<Talk<'m>>,
}

struct Talk<'m> {
    /// What was read.
    tokens: Vec<u32>,
    session: Box<dyn Session + 'm>,
    bytes: usize,
}

impl<'m> PrefixCache<'m> {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, talks: VecDeque::new() }
    }

    /// Keeps a talk; the oldest ones make room. What is the beginning of another one is not kept beside it.
    pub(super) fn keep(&mut self, model: &'m dyn LanguageModel, tokens: &[u32], session: &dyn Session) {
        let bytes = session.state_bytes() + size_of_val(tokens) + size_of_val(session.logits());
        let is_known = self.talks.iter().any(|talk| talk.tokens.starts_with(tokens));
        if tokens.len() < WORTH_RESUMING || bytes > self.most_bytes || is_known {
            return;
        }
        // A copy, as large as it must be: a session that has grown holds room for more.
        let Some(session) = model.resume(session, tokens.len()) else { return };
        self.talks.retain(|talk| !tokens.starts_with(&talk.tokens));
        self.talks.push_back(Talk { tokens: tokens.to_vec(), session, bytes });
        self.bytes = self.talks.iter().map(|talk| talk.bytes).sum();
        while self.bytes > self.most_bytes
            && let Some(oldest) = self.talks.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// Every talk: what was read, and the session that has read it.
    pub(super) fn talks(&self) -> impl Iterator<Item = (&[u32], &dyn Session)> {
        self.talks.iter().map(|talk| (talk.tokens.as_slice(), talk.session.as_ref() as &dyn Session))
    }
}

/// A session that has read as much of the beginning of `prompt` as any of `talks` allows; none where that is not worth it.
pub(super) fn resume<'m, 't>(
    model: &'m dyn LanguageModel,
    prompt: &[u32],
    talks: impl Iterator<Item = (&'t [u32], &'t (dyn Session + 't))>,
) -> Option<Box<dyn Session + 'm>> {
    let mut shared: Vec<(usize, &dyn Session)> = talks
        .map(|(read, session)| {
            let shared = read.iter().zip(prompt).take_while(|(a, b)| a == b).count();
            // The logits after the last token are there only where the session has read nothing else.
            let whole = shared == prompt.len() && session.len() > shared;
            (if whole { shared - 1 } else { shared }, session)
        })
        .filter(|(shared, _)| *shared >= WORTH_RESUMING)
        .collect();
    shared.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
    shared.into_iter().find_map(|(shared, session)| model.resume(session, shared))
}
