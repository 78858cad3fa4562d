//! Logarithms of probabilities of the tokens of a reply.

use std::collections::VecDeque;

use super::Vocabulary;

/// How likely a token was before anything else than the model had its say.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct TokenLogprob {
    pub(in super::super) token: u32,
    /// ln of its probability.
    pub(in super::super) logprob: f32,
    /// The likeliest tokens in its place with theirs, the likeliest first.
    pub(in super::super) top: Vec<(u32, f32)>,
}

/// Those of one reply. They are given out with the text of their tokens, so that a client never learns of a token whose
/// text is held back.
pub(super) struct Logprobs<'m> {
    vocabulary: &'m Vocabulary,
    top: usize,
    /// Tokens whose text is not visible yet, each with the bytes of text before it.
    held: VecDeque<(usize, TokenLogprob)>,
    /// Bytes of all tokens.
    bytes: usize,
    /// Bytes of visible text.
    seen: usize,
}

impl<'m> Logprobs<'m> {
    pub(super) fn new(vocabulary: &'m Vocabulary, top: usize) -> Self {
        Self { vocabulary, top, held: VecDeque::new(), bytes: 0, seen: 0 }
    }

    /// Takes a token that was chosen from `logits` `[V]`.
    pub(super) fn push(&mut self, token: u32, logits: &[f32]) {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        let log_sum = f64::from(largest) + sum.ln();
        let logprob = |token: u32| (f64::from(logits[token as usize]) - log_sum) as f32;
        let by_logit = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let mut top: Vec<u32> = (0..logits.len() as u32).collect();
        if self.top < top.len() {
            top.select_nth_unstable_by(self.top, by_logit);
            top.truncate(self.top);
        }
        top.sort_unstable_by(by_logit);
        let top = top.into_iter().map(|token| (token, logprob(token))).collect();
        self.held.push_back((self.bytes, TokenLogprob { token, logprob: logprob(token), top }));
        self.bytes += self.vocabulary.bytes(token).len();
    }

    /// Those that become visible with `bytes` more bytes of text.
    pub(super) fn visible(&mut self, bytes: usize) -> Vec<TokenLogprob> {
        self.seen += bytes;
        let count = self.held.iter().take_while(|(start, _)| *start < self.seen).count();
        self.held.drain(..count).map(|(_, logprob)| logprob).collect()
    }
}
