//! Reading a talk token by token, and what the replies found say next.
//!
//! Each reply found has a weight and a *cursor*: the place in it that corresponds to the talk. While the assistant speaks,
//! a reply whose token at the cursor is said moves on; any other loses weight, and looks for what was said farther on.
//! Replies that have agreed in everything vote first; what they leave goes to all replies, and from there to the shares
//! of tokens in all of the corpus, so that nothing is impossible:
//!
//! ```text
//! p(t) = (1 - E) agreeing(t) + E all(t)        all(t) = (sum of weights of replies with t at the cursor + M u(t)) / (sum + M)
//! ```

use super::index::MOST_EARLIER;
use super::{Bm25, CONTEXT_LENGTH};
use crate::Session;

/// A reply's weight is e to the power of this times its score's relative distance from the best.
const SHARPNESS: f32 = 8.0;
/// What a reply's weight is multiplied by for each token in which it disagrees.
const DISAGREEMENT: f32 = 0.3;
/// E
const LEFT_TO_ALL: f32 = 0.1;
/// M
const SMOOTHING: f32 = 0.1;

/// A reply that was found.
#[derive(Debug)]
struct Candidate<'a> {
    reply: &'a [u32],
    /// Place of what it says next; its length when it has said all.
    cursor: usize,
    weight: f32,
    agrees: bool,
}

impl Candidate<'_> {
    fn next(&self) -> Option<u32> {
        self.reply.get(self.cursor).copied()
    }

    fn read(&mut self, token: u32) {
        if let Some(distance) = self.reply[self.cursor..].iter().position(|&own| own == token) {
            self.cursor += distance + 1;
            if distance == 0 {
                return;
            }
        }
        self.agrees = false;
        self.weight *= DISAGREEMENT;
    }
}

/// Who speaks.
#[derive(Debug)]
enum Speaker<'a> {
    /// Anybody but the assistant.
    Other,
    /// The assistant, for whom these replies were found.
    Assistant(Vec<Candidate<'a>>),
}

/// A talk in progress.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    model: &'a Bm25,
    /// What was read of this conversation, as far back as a search may look.
    tokens: Vec<u32>,
    /// Where the question begins that is being asked, or was asked last.
    question: usize,
    speaker: Speaker<'a>,
    length: usize,
    /// Of the next token; made when the talk is first fed. `[V]`
    logits: Vec<f32>,
}

/// The distribution of the next token: p(t) = `spread` u(t) + the sum of what votes give t.
struct Next {
    spread: f32,
    votes: Vec<(u32, f32)>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(model: &'a Bm25) -> Self {
        Self {
            model,
            tokens: Vec::new(),
            question: 0,
            speaker: Speaker::Other,
            length: 0,
            logits: Vec::new(),
        }
    }

    /// Reads one token.
    pub(super) fn read(&mut self, token: u32) {
        let config = &self.model.config;
        self.length += 1;
        if token == config.bos_token_id {
            (self.question, self.speaker) = (0, Speaker::Other);
            self.tokens.clear();
        }
        self.tokens.push(token);
        match &mut self.speaker {
            Speaker::Assistant(_) if token == config.eos_token_id => {
                self.tokens.drain(..self.tokens.len().saturating_sub(MOST_EARLIER));
                self.question = self.tokens.len();
                self.speaker = Speaker::Other;
            }
            Speaker::Assistant(candidates) => candidates.iter_mut().for_each(|reply| reply.read(token)),
            Speaker::Other => {
                if self.tokens[self.question..].ends_with(&config.reply_prefix_token_ids) {
                    self.speaker = Speaker::Assistant(self.candidates());
                }
            }
        }
    }

    /// The replies to the question just asked.
    fn candidates(&self) -> Vec<Candidate<'a>> {
        let (earlier, question) = self.tokens.split_at(self.question);
        let found = self.model.search(question, earlier);
        let best = found.first().map_or(1.0, |found| found.score);
        let weights: Vec<f32> =
            found.iter().map(|found| (SHARPNESS * (found.score / best - 1.0)).exp()).collect();
        let total: f32 = weights.iter().sum();
        let candidates = found.iter().zip(weights);
        candidates
            .map(|(found, weight)| Candidate {
                reply: found.reply,
                cursor: 0,
                weight: weight / total,
                agrees: true,
            })
            .collect()
    }

    fn next(&self) -> Next {
        let Speaker::Assistant(candidates) = &self.speaker else {
            return Next { spread: 1.0, votes: Vec::new() };
        };
        let voting = || candidates.iter().filter_map(|reply| Some((reply, reply.next()?)));
        let total: f32 = voting().map(|(reply, _)| reply.weight).sum();
        let agreeing: f32 = voting().filter(|(reply, _)| reply.agrees).map(|(reply, _)| reply.weight).sum();
        let (of_agreeing, of_all) =
            if agreeing > 0.0 { ((1.0 - LEFT_TO_ALL) / agreeing, LEFT_TO_ALL) } else { (0.0, 1.0) };
        let of_all = of_all / (total + SMOOTHING);
        let votes = voting()
            .map(|(reply, token)| {
                let share = if reply.agrees { of_agreeing + of_all } else { of_all };
                (token, share * reply.weight)
            })
            .collect();
        Next { spread: of_all * SMOOTHING, votes }
    }

    /// ln of the probability that `token` is next.
    pub(super) fn logprob(&self, token: u32) -> f32 {
        let Next { spread, votes } = self.next();
        let voted: f32 = votes.iter().filter(|(of, _)| *of == token).map(|(_, share)| share).sum();
        (spread * self.model.unigrams[token as usize].exp() + voted).ln()
    }
}

impl Session for Talk<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        assert!(self.length + tokens.len() <= CONTEXT_LENGTH, "a session of at most {CONTEXT_LENGTH} tokens");
        for &token in tokens {
            self.read(token);
        }
        let Next { spread, mut votes } = self.next();
        let (unigrams, spread_logit) = (&self.model.unigrams, spread.ln());
        self.logits.clear();
        self.logits.extend(unigrams.iter().map(|logprob| logprob + spread_logit));
        votes.sort_by_key(|(token, _)| *token);
        for of_token in votes.chunk_by(|a, b| a.0 == b.0) {
            let token = of_token[0].0 as usize;
            let voted: f32 = of_token.iter().map(|(_, share)| share).sum();
            self.logits[token] = (spread * unigrams[token].exp() + voted).ln();
        }
        &self.logits
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The tokens read, to search for, and what was found.
    fn state_bytes(&self) -> usize {
        let candidates = match &self.speaker {
            Speaker::Assistant(candidates) => candidates.as_slice(),
            Speaker::Other => &[],
        };
        size_of_val(self.tokens.as_slice()) + size_of_val(candidates)
    }

    fn len(&self) -> usize {
        self.length
    }
}
