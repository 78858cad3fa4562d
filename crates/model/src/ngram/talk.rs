//! Reading a talk token by token: the contexts that are stored, and what may follow them.

use super::trie::{BACKOFF, LOGPROB, SUFFIX, TOKEN, View, find};
use super::{CONTEXT_LENGTH, MAX_ORDER, Ngram};
use crate::Session;

/// The longest stored n-gram that ends with the token read last and may be a context. Its suffixes, which its links
/// name, are the other contexts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Its length, 0 where nothing has been read.
    length: usize,
    /// Its index in level `length`.
    index: usize,
}

impl State {
    /// Reads a token; gives the ln of its probability after what was read before.
    ///
    /// The context grows by at most one token for each that is read, and each step to a suffix takes one away: so over
    /// a talk there are at most two look-ups a token.
    #[inline]
    pub(super) fn read(&mut self, view: &View<'_>, bos: u32, token: u32) -> f32 {
        let (logprob, next) = self.step(view, token);
        *self = if token == bos { Self::after_one(view, token) } else { next };
        logprob
    }

    #[inline]
    fn step(self, view: &View<'_>, token: u32) -> (f32, Self) {
        let Self { mut length, mut index } = self;
        let mut backoff = 0.0;
        while length > 0 {
            let children = view.children(length, index);
            if length + 1 == view.order {
                let begin = children.start;
                if let Some(at) = find(&view.longest[children], token) {
                    let child = &view.longest[begin + at];
                    let next = Self { length, index: child[SUFFIX] as usize };
                    return (f32::from_bits(child[LOGPROB]) + backoff, next);
                }
            } else {
                let below = view.contexts(length + 1);
                let begin = children.start;
                if let Some(at) = find(&below[children], token) {
                    let next = Self { length: length + 1, index: begin + at };
                    return (f32::from_bits(below[begin + at][LOGPROB]) + backoff, next);
                }
            }
            let context = &view.contexts(length)[index];
            backoff += f32::from_bits(context[BACKOFF]);
            index = context[SUFFIX] as usize;
            length -= 1;
        }
        (view.logprob(1, token as usize) + backoff, Self::after_one(view, token))
    }

    /// After a token whose predecessors say nothing about what follows.
    fn after_one(view: &View<'_>, token: u32) -> Self {
        if view.order == 1 { Self::default() } else { Self { length: 1, index: token as usize } }
    }

    /// ln of the probability of every token. `[V]`
    fn logits(self, view: &View<'_>, logits: &mut [f32]) {
        // The context of each length, and what the longer ones leave to it, added up as `step` does.
        let mut contexts = [(0, 0.0); MAX_ORDER];
        let (mut index, mut backoff) = (self.index, 0.0);
        for k in (1..=self.length).rev() {
            contexts[k] = (index, backoff);
            let context = &view.contexts(k)[index];
            backoff += f32::from_bits(context[BACKOFF]);
            index = context[SUFFIX] as usize;
        }
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = view.logprob(1, token) + backoff;
        }
        // What a longer context says stands.
        for (k, &(index, backoff)) in contexts.iter().enumerate().take(self.length + 1).skip(1) {
            let children = view.children(k, index);
            let mut set = |token: u32, bits: u32| logits[token as usize] = f32::from_bits(bits) + backoff;
            if k + 1 == view.order {
                view.longest[children].iter().for_each(|child| set(child[TOKEN], child[LOGPROB]));
            } else {
                view.contexts(k + 1)[children].iter().for_each(|child| set(child[TOKEN], child[LOGPROB]));
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

    fn len(&self) -> usize {
        self.length
    }
}
