//! How varied replies are.

use std::collections::{HashMap, HashSet};

use artifact::report::Diversity;

use crate::bleu::{self, Orders, Words};
use crate::held_out::spread;

/// The most replies that are compared with each other: the more there are, the likelier each has been said before, so
/// that only as many as these make models comparable.
const COMPARED: usize = 500;

/// Of replies, in their order.
pub(crate) fn diversity(replies: &[&str], seed: u64) -> Diversity {
    let compared: Vec<Vec<&str>> =
        spread(replies.to_vec(), COMPARED, seed).into_iter().map(|text| Words::Characters.of(text)).collect();
    Diversity {
        replies: replies.len(),
        distinct_1: distinct(replies, 1),
        distinct_2: distinct(replies, 2),
        self_bleu: self_bleu(&compared),
    }
}

/// Different n-grams of words among all (Li et al. 2016).
fn distinct(replies: &[&str], order: usize) -> f64 {
    let words: Vec<Vec<&str>> = replies.iter().map(|text| Words::WhiteSpace.of(text)).collect();
    let all = words.iter().flat_map(|words| words.windows(order));
    let (count, different) = all.fold((0, HashSet::new()), |(count, mut different), ngram| {
        different.insert(ngram);
        (count + 1, different)
    });
    if count == 0 { 0.0 } else { different.len() as f64 / f64::from(count) }
}

/// Mean BLEU of each reply with all others as its references (Zhu et al. 2018, Texygen).
pub fn self_bleu(replies: &[Vec<&str>]) -> f64 {
    /// How often an n-gram occurs at most in one reply, in which, and how often in any other.
    #[derive(Default)]
    struct Most {
        count: u32,
        reply: usize,
        elsewhere: u32,
    }
    if replies.len() < 2 {
        return 0.0;
    }
    let mut most: HashMap<&[&str], Most> = HashMap::new();
    for (reply, words) in replies.iter().enumerate() {
        for (ngram, count) in bleu::ngrams(words) {
            let most = most.entry(ngram).or_default();
            if count > most.count {
                *most = Most { count, reply, elsewhere: most.count };
            } else {
                most.elsewhere = most.elsewhere.max(count);
            }
        }
    }
    let scores = replies.iter().enumerate().map(|(reply, words)| {
        let counts = bleu::counts_against(words, nearest_length(replies, reply), |ngram| {
            let most = &most[ngram];
            if most.reply == reply { most.elsewhere } else { most.count }
        });
        bleu::score(&counts, Orders::Present)
    });
    scores.sum::<f64>() / replies.len() as f64
}

/// The length of another reply nearest to that of this one, the shorter of two.
fn nearest_length(replies: &[Vec<&str>], reply: usize) -> usize {
    let length = replies[reply].len();
    let others =
        replies.iter().enumerate().filter(|(other, _)| *other != reply).map(|(_, other)| other.len());
    others.min_by_key(|&other| (other.abs_diff(length), other)).unwrap_or(length)
}
