//! From a list of n-grams to a trie, in which every n-gram has its suffix.

use std::collections::BTreeSet;

use artifact::Result;

use crate::ngram::MAX_ORDER;
use crate::ngram::column::{Place, Words};
use crate::ngram::count::Counted;
use crate::ngram::links::{links, suffixes};
use crate::ngram::trie::{Context, Level, Trie};

/// ln p and weight of every token. `[V]`
pub(super) struct Unigrams {
    pub(super) logprob: Vec<f32>,
    pub(super) backoff: Vec<f32>,
}

/// An n-gram as it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Its tokens, then zeros.
    pub(super) tokens: [u32; MAX_ORDER],
    /// ln p of the last of them after the others.
    pub(super) logprob: f32,
    /// ln of the weight that it leaves to its suffix as a context.
    pub(super) backoff: f32,
}

/// Makes a trie of all tokens and of the n-grams from length 2, each level sorted and each context present.
///
/// Some programs prune an n-gram and keep what ends with it. Such an n-gram is put back, with the probability that the
/// model gives it without, so that nothing else changes.
pub(super) fn trie(unigrams: Unigrams, mut levels: Vec<Vec<Entry>>) -> Result<Trie> {
    for k in (3..levels.len() + 2).rev() {
        let [.., shorter, longer] = &mut levels[..k - 1] else { unreachable!("levels 2 to k") };
        insert_suffixes(longer, shorter, k);
    }
    let vocab_size = unigrams.logprob.len();
    let counted = structure(vocab_size, &levels);
    let links = links(&counted, Place::Memory)?;

    let mut trie = Vec::with_capacity(levels.len() + 1);
    let Unigrams { mut logprob, mut backoff } = unigrams;
    let mut tokens: Vec<u32> = Vec::new();
    for (k, level) in (1..).zip(levels) {
        let first = counted[k - 1].first.as_slice();
        // Level k is complete, and the next takes what is not known of it from here.
        let suffixes = suffixes(&counted, &links, k);
        let mut next_logprob = Vec::with_capacity(level.len());
        for (context, weight) in backoff.iter().enumerate() {
            for child in first[context] as usize..first[context + 1] as usize {
                let known = level[child].logprob;
                let backed_off = || (logprob[suffixes[child] as usize] + weight).min(0.0);
                next_logprob.push(if known.is_nan() { backed_off() } else { known });
            }
        }
        let mut contexts = Vec::with_capacity(3 * (backoff.len() + 1));
        for index in 0..backoff.len() {
            contexts.extend::<Context>([logprob[index].to_bits(), backoff[index].to_bits(), first[index]]);
        }
        contexts.extend::<Context>([0, 0, first[backoff.len()]]);
        trie.push(Level::new(Words::Memory(tokens), Words::Memory(contexts)));
        backoff = level.iter().map(|entry| entry.backoff).collect();
        tokens = level.iter().map(|entry| entry.tokens[k]).collect();
        logprob = next_logprob;
    }
    let longest = logprob.into_iter().map(f32::to_bits).collect();
    trie.push(Level::new(Words::Memory(tokens), Words::Memory(longest)));
    Ok(Trie::new(trie))
}

/// Puts the suffixes of the k-grams that are missing among the shorter n-grams there, their probability not known.
fn insert_suffixes(longer: &[Entry], shorter: &mut Vec<Entry>, k: usize) {
    let mut missing = BTreeSet::new();
    for entry in longer {
        let mut tokens = [0; MAX_ORDER];
        tokens[..k - 1].copy_from_slice(&entry.tokens[1..k]);
        if shorter.binary_search_by_key(&tokens, |entry| entry.tokens).is_err() {
            missing.insert(tokens);
        }
    }
    let unknown = |tokens| Entry { tokens, logprob: f32::NAN, backoff: 0.0 };
    shorter.extend(missing.into_iter().map(unknown));
    shorter.sort_by_key(|entry| entry.tokens);
}

/// The last tokens and children of each level.
fn structure(vocab_size: usize, levels: &[Vec<Entry>]) -> Vec<Counted> {
    let all: Vec<Entry> = (0..vocab_size as u32)
        .map(|token| {
            let mut tokens = [0; MAX_ORDER];
            tokens[0] = token;
            Entry { tokens, logprob: 0.0, backoff: 0.0 }
        })
        .collect();
    let all: Vec<&[Entry]> = [all.as_slice()].into_iter().chain(levels.iter().map(Vec::as_slice)).collect();
    let mut counted = Vec::with_capacity(all.len());
    for (k, level) in (1..).zip(&all) {
        let mut first = Vec::new();
        if let Some(next) = all.get(k) {
            let mut child = 0;
            for entry in *level {
                first.push(child as u32);
                while next.get(child).is_some_and(|next| next.tokens[..k] == entry.tokens[..k]) {
                    child += 1;
                }
            }
            first.push(child as u32);
        }
        let tokens =
            if k == 1 { Vec::new() } else { level.iter().map(|entry| entry.tokens[k - 1]).collect() };
        let [tokens, first] = [tokens, first].map(Words::Memory);
        counted.push(Counted { tokens, counts: Words::default(), first });
    }
    counted
}
