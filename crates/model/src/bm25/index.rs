//! The inverted index over questions, and the search.
//!
//! ```text
//! score(d, q) = sum over terms t of q of idf(t) tf (k1 + 1) / (tf + k1 (1 - b + b length(d) / mean length))
//! idf(t)      = ln(1 + (D - n + 1/2) / (n + 1/2)) for a term that n of D documents hold
//! ```

use std::ops::Range;

use artifact::config::Bm25Config;
use artifact::shard::Documents;
use rayon::prelude::*;

// These were chosen on validation conversations; pairs of neighbouring tokens as further terms did worse than tokens alone.
/// The most turns that a search finds.
const MOST_FOUND: usize = 256;
/// Questions at least this share of the best one's score are searched for the earlier tokens.
const NEAR: f32 = 0.3;
/// The most of them.
const MOST_NEAR: usize = 4096;
/// How much the earlier tokens' score counts beside the question's.
const EARLIER: f32 = 0.4;
/// How many tokens before a question are searched for, and in: about the turn before.
pub(super) const MOST_EARLIER: usize = 32;

/// A question and the reply to it, as places in the tokens of all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where the conversation begins.
    begin: usize,
    question: usize,
    reply: usize,
    end: usize,
}

impl Turn {
    fn earlier(self) -> Range<usize> {
        self.begin.max(self.question.saturating_sub(MOST_EARLIER))..self.question
    }

    fn question(self) -> Range<usize> {
        self.question..self.reply
    }

    pub(super) fn reply(self) -> Range<usize> {
        self.reply..self.end
    }
}

/// k1 and b.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Constants {
    k1: f32,
    b: f32,
}

impl Constants {
    /// What a term that occurs `tf` times adds, but for its idf; `length` is relative to the mean.
    fn saturated(self, tf: f32, length: f32) -> f32 {
        tf * (self.k1 + 1.0) / (tf + self.k1 * (1.0 - self.b + self.b * length))
    }
}

fn idf(documents: usize, holding: usize) -> f32 {
    let (all, holding) = (documents as f64, holding as f64);
    (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln() as f32
}

/// A turn whose question holds a token.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Posting {
    turn: u32,
    /// What the token adds to the score.
    gain: f32,
}

/// All turns, and which of their questions hold a term.
#[derive(Debug)]
pub(super) struct Index {
    constants: Constants,
    /// In the order of the documents.
    pub(super) turns: Vec<Turn>,
    /// Where each token's postings begin. `[V + 1]`
    first: Vec<usize>,
    /// Those of a token in the order of turns; none of a token that all questions hold, which tells none from another.
    postings: Vec<Posting>,
    /// Of each token among earlier tokens. `[V]`
    earlier_idf: Vec<f32>,
    /// Mean number of earlier tokens.
    earlier_length: f32,
}

impl Index {
    pub(super) fn new(documents: &Documents, config: &Bm25Config) -> Self {
        let constants = Constants { k1: config.k1, b: config.b };
        let turns = turns(documents);
        assert!(u32::try_from(turns.len()).is_ok(), "fewer than 2^32 turns");
        let mut occurrences: Vec<(u32, u32)> = turns
            .iter()
            .zip(0_u32..)
            .flat_map(|(turn, place)| {
                documents.tokens[turn.question()].iter().map(move |&token| (token, place))
            })
            .collect();
        let mean_length = occurrences.len() as f32 / turns.len().max(1) as f32;
        occurrences.par_sort_unstable();

        let (mut first, mut postings) = (vec![0], Vec::new());
        let mut rest = occurrences.as_slice();
        for token in 0..config.vocab_size {
            let (of_token, others) = rest.split_at(rest.partition_point(|of| of.0 as usize == token));
            rest = others;
            let of_turns = of_token.chunk_by(|a, b| a.1 == b.1);
            let holding = of_turns.clone().count();
            if holding < turns.len() {
                let idf = idf(turns.len(), holding);
                postings.extend(of_turns.map(|of_turn| {
                    let turn = of_turn[0].1;
                    let length = turns[turn as usize].question().len() as f32 / mean_length;
                    Posting { turn, gain: idf * constants.saturated(of_turn.len() as f32, length) }
                }));
            }
            first.push(postings.len());
        }
        let (earlier_idf, earlier_length) = earlier(documents, &turns, config.vocab_size);
        Self { constants, turns, first, postings, earlier_idf, earlier_length }
    }

    /// The number of postings.
    pub(super) fn postings(&self) -> usize {
        self.postings.len()
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.turns.as_slice())
            + size_of_val(self.first.as_slice())
            + size_of_val(self.postings.as_slice())
            + size_of_val(self.earlier_idf.as_slice())
    }

    /// The best turns with their scores, as [`super::Bm25::search`] says.
    pub(super) fn search(
        &self,
        documents: &Documents,
        question: &[u32],
        earlier: &[u32],
    ) -> Vec<(usize, f32)> {
        let mut scores = vec![0.0_f32; self.turns.len()];
        for &token in question {
            for posting in &self.postings[self.first[token as usize]..self.first[token as usize + 1]] {
                scores[posting.turn as usize] += posting.gain;
            }
        }
        let best = scores.iter().copied().fold(0.0, f32::max);
        if best == 0.0 {
            return Vec::new();
        }
        let near = scores.into_iter().enumerate().filter(|(_, score)| *score >= NEAR * best);
        let mut found: Vec<(usize, f32)> = near.collect();
        // Equal scores in the order of turns, so that the result is the same everywhere.
        let by_score = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        keep_least(&mut found, MOST_NEAR, by_score);
        self.add_earlier(documents, earlier, &mut found);
        keep_least(&mut found, MOST_FOUND, by_score);
        found.sort_unstable_by(by_score);
        found
    }

    /// Adds a share of the score of earlier tokens, each searched for once.
    fn add_earlier(&self, documents: &Documents, earlier: &[u32], found: &mut [(usize, f32)]) {
        let mut wanted = earlier[earlier.len().saturating_sub(MOST_EARLIER)..].to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        // Counts of one turn at a time; the places of tokens that are not wanted stay unused.
        let mut counts = vec![0_u32; wanted.len()];
        let mut place_of = vec![u32::MAX; self.earlier_idf.len()];
        for (place, &token) in wanted.iter().enumerate() {
            place_of[token as usize] = place as u32;
        }
        for (turn, score) in found {
            let tokens = &documents.tokens[self.turns[*turn].earlier()];
            counts.fill(0);
            for &token in tokens {
                if let Some(count) = counts.get_mut(place_of[token as usize] as usize) {
                    *count += 1;
                }
            }
            let length = tokens.len() as f32 / self.earlier_length;
            let terms = wanted.iter().zip(&counts).filter(|(_, count)| **count > 0);
            let gains = terms.map(|(&token, &count)| {
                self.earlier_idf[token as usize] * self.constants.saturated(count as f32, length)
            });
            *score += EARLIER * gains.sum::<f32>();
        }
    }
}

/// Cuts to the `most` least elements, in any order.
fn keep_least<T>(items: &mut Vec<T>, most: usize, compare: impl Fn(&T, &T) -> std::cmp::Ordering) {
    if items.len() > most {
        items.select_nth_unstable_by(most, compare);
        items.truncate(most);
    }
}

/// Every run of targets is a reply, the question before it all that follows the reply before.
fn turns(documents: &Documents) -> Vec<Turn> {
    let mut turns = Vec::new();
    for bounds in documents.starts.windows(2) {
        let (begin, mut at) = (bounds[0], bounds[0]);
        for run in documents.loss[begin..bounds[1]].chunk_by(|a, b| a == b) {
            let start = at;
            at += run.len();
            if run[0] == 1 {
                let question =
                    turns.last().filter(|turn: &&Turn| turn.end > begin).map_or(begin, |turn| turn.end);
                turns.push(Turn { begin, question, reply: start, end: at });
            }
        }
    }
    turns
}

/// idf of each token among earlier tokens `[V]`, and their mean number, at least 1.
fn earlier(documents: &Documents, turns: &[Turn], vocab_size: usize) -> (Vec<f32>, f32) {
    let mut holding = vec![0_usize; vocab_size];
    // The last turn that was counted for each token, from 1.
    let mut counted = vec![0_usize; vocab_size];
    let mut total = 0;
    for (turn, place) in turns.iter().zip(1..) {
        total += turn.earlier().len();
        for &token in &documents.tokens[turn.earlier()] {
            let token = token as usize;
            holding[token] += usize::from(counted[token] != place);
            counted[token] = place;
        }
    }
    let idf = holding.iter().map(|&holding| idf(turns.len(), holding)).collect();
    (idf, (total as f32 / turns.len().max(1) as f32).max(1.0))
}
