//! Reading a talk token by token: the contexts that are stored, and what may follow them.

use super::trie::View;
use super::{CONTEXT_LENGTH, MAX_ORDER, Ngram};
use crate::Session;

/// The longest context, in tokens.
const CONTEXTS: usize = MAX_ORDER - 1;

/// The stored n-grams that end with the token read last and may be contexts. As every suffix of an n-gram is stored,
/// they are those of all lengths up to some longest one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Of the n-gram of length k, its index in level k, at k - 1.
    contexts: [u32; CONTEXTS],
    /// The longest.
    length: usize,
}

impl State {
    /// Reads a token; gives the ln of its probability after what was read before.
    ///
    /// The look-ups do not wait for each other, so that the memory's delay is paid once a token.
    #[inline]
    pub(super) fn read(&mut self, view: &View<'_>, bos: u32, token: u32) -> f32 {
        let mut next = Self { contexts: [token; CONTEXTS], length: 0 };
        let mut logprob = view.logprob(1, token as usize);
        let mut found = 1;
        for k in 1..=self.length {
            let Some(index) = view.child(k, self.contexts[k - 1] as usize, token) else { break };
            logprob = view.logprob(k + 1, index);
            if k < CONTEXTS {
                next.contexts[k] = index as u32;
            }
            found = k + 1;
        }
        let mut backoff = 0.0;
        for k in (found..=self.length).rev() {
            backoff += self.backoff(view, k);
        }
        let most = if token == bos { 1 } else { CONTEXTS };
        next.length = found.min(most).min(view.order - 1);
        *self = next;
        logprob + backoff
    }

    /// What the context of length k leaves to shorter ones.
    fn backoff(&self, view: &View<'_>, k: usize) -> f32 {
        view.backoff(k, self.contexts[k - 1] as usize)
    }

    /// ln of the probability of every token. `[V]`
    fn logits(&self, view: &View<'_>, logits: &mut [f32]) {
        // What the contexts longer than k leave to the others, at k, added up as `read` does.
        let mut backoff = [0.0; MAX_ORDER + 1];
        for k in (1..=self.length).rev() {
            backoff[k] = backoff[k + 1] + self.backoff(view, k);
        }
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = view.logprob(1, token) + backoff[1];
        }
        // What a longer context says stands.
        for k in 1..=self.length {
            for child in view.children(k, self.contexts[k - 1] as usize) {
                logits[view.token(k + 1, child) as usize] = view.logprob(k + 1, child) + backoff[k + 1];
            }
        }
    }
}

/// A talk in progress.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    view: View<'a>,
    bos: u32,
    state: State,
    length: usize,
    /// Of the next token. `[V]`
    logits: Vec<f32>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(model: &'a Ngram) -> Self {
        Self {
            view: model.trie.view(),
            bos: model.bos,
            state: State::default(),
            length: 0,
            logits: vec![0.0; model.trie.vocab_size()],
        }
    }
}

impl Session for Talk<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.length += tokens.len();
        assert!(self.length <= CONTEXT_LENGTH, "a session of at most {CONTEXT_LENGTH} tokens");
        for &token in tokens {
            self.state.read(&self.view, self.bos, token);
        }
        self.state.logits(&self.view, &mut self.logits);
        &self.logits
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn state_bytes(&self) -> usize {
        size_of::<State>()
    }

    fn len(&self) -> usize {
        self.length
    }
}
