//! Reading a talk token by token: the contexts that are stored, and what may follow them.

use super::{CONTEXT_LENGTH, MAX_ORDER, Ngram};
use crate::Session;

/// The longest context, in tokens.
const CONTEXTS: usize = MAX_ORDER - 1;
/// In place of an index: this n-gram is not stored.
const ABSENT: u32 = u32::MAX;

/// The stored n-grams that end with the token read last, from the shortest: each is a context of the next token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Of the n-gram of length k, its index in level k or [`ABSENT`], at k - 1.
    nodes: [u32; CONTEXTS],
    /// The longest.
    depth: usize,
}

impl State {
    /// Reads a token; gives the ln of its probability after what was read before.
    pub(super) fn read(&mut self, model: &Ngram, token: u32) -> f32 {
        let trie = &model.trie;
        let mut next = Self { nodes: [ABSENT; CONTEXTS], depth: 1 };
        let mut logprob = None;
        let mut backoff = 0.0;
        for k in (1..=self.depth).rev() {
            let node = self.nodes[k - 1];
            if node == ABSENT {
                continue;
            }
            if let Some(child) = trie.child(k, node as usize, token) {
                if logprob.is_none() {
                    logprob = Some(trie.levels[k].logprob[child] + backoff);
                    next.depth = k + 1;
                }
                // The longest n-grams are no contexts.
                if k + 1 < trie.order() {
                    next.nodes[k] = child as u32;
                }
            } else if logprob.is_none() {
                backoff += trie.levels[k - 1].backoff[node as usize];
            }
        }
        next.nodes[0] = token;
        let limit = if token == model.bos { 1 } else { CONTEXTS };
        next.depth = next.depth.min(limit).min(trie.order() - 1);
        *self = next;
        logprob.unwrap_or_else(|| trie.levels[0].logprob[token as usize] + backoff)
    }

    /// ln of the probability of every token. `[V]`
    fn logits(&self, model: &Ngram, logits: &mut [f32]) {
        let levels = &model.trie.levels;
        // What the contexts longer than k leave to the others, at k, added up as `read` does.
        let mut backoff = [0.0; MAX_ORDER];
        for k in (1..=self.depth).rev() {
            backoff[k - 1] = backoff[k];
            if self.nodes[k - 1] != ABSENT {
                backoff[k - 1] += levels[k - 1].backoff[self.nodes[k - 1] as usize];
            }
        }
        for (logit, logprob) in logits.iter_mut().zip(&levels[0].logprob) {
            *logit = logprob + backoff[0];
        }
        // What a longer context says stands.
        for k in 1..=self.depth {
            if self.nodes[k - 1] == ABSENT {
                continue;
            }
            for child in levels[k - 1].children(self.nodes[k - 1] as usize) {
                logits[levels[k].tokens.get(child) as usize] = levels[k].logprob[child] + backoff[k];
            }
        }
    }
}

/// A talk in progress.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    model: &'a Ngram,
    state: State,
    length: usize,
    /// Of the next token. `[V]`
    logits: Vec<f32>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(model: &'a Ngram) -> Self {
        Self { model, state: State::default(), length: 0, logits: vec![0.0; model.trie.vocab_size()] }
    }
}

impl Session for Talk<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.length += tokens.len();
        assert!(self.length <= CONTEXT_LENGTH, "a session of at most {CONTEXT_LENGTH} tokens");
        for &token in tokens {
            self.state.read(self.model, token);
        }
        self.state.logits(self.model, &mut self.logits);
        &self.logits
    }

    fn state_bytes(&self) -> usize {
        size_of::<State>()
    }

    fn len(&self) -> usize {
        self.length
    }
}
