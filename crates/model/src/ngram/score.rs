//! Scoring a text whose tokens are all known.

use super::MAX_ORDER;
use super::trie::View;

/// The longest context, in tokens.
const CONTEXTS: usize = MAX_ORDER - 1;
/// Tokens that are scored together.
const BLOCK: usize = 32;

/// The stored n-grams that end with each token of a block, at index 0 with the token before the block.
struct Block {
    /// Of the n-gram of length k, its index in level k, at k - 1.
    contexts: [[u32; BLOCK + 1]; CONTEXTS],
    /// The length of the longest.
    longest: [usize; BLOCK + 1],
    /// The index of the longest in its level.
    ngram: [u32; BLOCK + 1],
    /// The length of the longest that is a context of the next token.
    context: [usize; BLOCK + 1],
}

/// ln p of each token after the first. `[T]` to `[T - 1]`
///
/// All tokens of a block go from one length of n-grams to the next together. The look-ups of one length do not depend on
/// each other, so that the processor waits for memory once for many of them.
pub(super) fn score(view: &View<'_>, bos: u32, tokens: &[u32]) -> Vec<f32> {
    let Some((&first, rest)) = tokens.split_first() else { return Vec::new() };
    let mut block = Block {
        contexts: [[first; BLOCK + 1]; CONTEXTS],
        longest: [1; BLOCK + 1],
        ngram: [first; BLOCK + 1],
        context: [(view.order - 1).min(1); BLOCK + 1],
    };
    let mut scores = Vec::with_capacity(rest.len());
    for tokens in rest.chunks(BLOCK) {
        block.read(view, bos, tokens);
        for t in 1..=tokens.len() {
            scores.push(block.logprob(view, t));
        }
        block.carry(tokens.len());
    }
    scores
}

impl Block {
    fn read(&mut self, view: &View<'_>, bos: u32, tokens: &[u32]) {
        for (t, &token) in (1..).zip(tokens) {
            self.contexts[0][t] = token;
            self.longest[t] = 1;
            self.ngram[t] = token;
            self.context[t] = (view.order - 1).min(if token == bos { 1 } else { CONTEXTS });
        }
        for k in 1..view.order {
            let mut spans = [const { 0..0 }; BLOCK + 1];
            for (t, &token) in (1..).zip(tokens) {
                // An n-gram is stored only if its suffix and its context are.
                if self.longest[t] == k && self.longest[t - 1].min(self.context[t - 1]) >= k {
                    spans[t] = view.span(k, self.contexts[k - 1][t - 1] as usize, token);
                }
            }
            for (t, &token) in (1..).zip(tokens) {
                let Some(index) = view.find(k + 1, spans[t].clone(), token) else { continue };
                self.longest[t] = k + 1;
                self.ngram[t] = index as u32;
                if k < CONTEXTS {
                    self.contexts[k][t] = index as u32;
                }
            }
        }
    }

    /// ln p of token t: what the longest n-gram says, and what longer contexts leave to it.
    fn logprob(&self, view: &View<'_>, t: usize) -> f32 {
        let mut backoff = 0.0;
        for k in (self.longest[t]..=self.longest[t - 1].min(self.context[t - 1])).rev() {
            backoff += view.backoff(k, self.contexts[k - 1][t - 1] as usize);
        }
        view.logprob(self.longest[t], self.ngram[t] as usize) + backoff
    }

    /// Puts token t before the next block.
    fn carry(&mut self, t: usize) {
        self.contexts.iter_mut().for_each(|contexts| contexts[0] = contexts[t]);
        self.longest[0] = self.longest[t];
        self.context[0] = self.context[t];
    }
}
