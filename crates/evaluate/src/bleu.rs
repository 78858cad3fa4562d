//! BLEU (Papineni et al. 2002) as sacrebleu computes it: n-grams of up to four words, exponential smoothing.

use std::collections::HashMap;

use crate::chrf::is_space;

/// The longest n-gram, in words.
pub const ORDER: usize = 4;
/// Counts that a score is made of: matches of each order, n-grams of each order, words said, words of the reference.
pub const COUNTS: usize = 2 * ORDER + 2;

/// What counts as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// What stands between white space (sacrebleu: `tokenize="none"`).
    WhiteSpace,
    /// Each character but white space (sacrebleu: `tokenize="char"`).
    Characters,
}

/// How many n-grams a score needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orders {
    /// All four: a corpus.
    All,
    /// Those that the text is long enough for: a sentence (sacrebleu: `effective_order=True`).
    Present,
}

impl Words {
    /// The words of a text.
    pub fn of(self, text: &str) -> Vec<&str> {
        match self {
            Self::WhiteSpace => text.split(is_space).filter(|word| !word.is_empty()).collect(),
            Self::Characters => text
                .char_indices()
                .filter(|(_, character)| !is_space(*character))
                .map(|(start, character)| &text[start..start + character.len_utf8()])
                .collect(),
        }
    }
}

/// How often each n-gram of up to [`ORDER`] words occurs.
pub fn ngrams<'w, 't>(words: &'w [&'t str]) -> HashMap<&'w [&'t str], u32> {
    let mut counts = HashMap::new();
    for order in 1..=ORDER {
        for ngram in words.windows(order) {
            *counts.entry(ngram).or_insert(0) += 1;
        }
    }
    counts
}

/// The counts of a reply against one reference; those of a corpus are their sums.
pub fn counts(reply: &[&str], reference: &[&str]) -> [f64; COUNTS] {
    let of_reference = ngrams(reference);
    counts_against(reply, reference.len(), |ngram| of_reference.get(ngram).copied().unwrap_or(0))
}

/// The counts of a reply where `most` tells how often an n-gram may count.
pub(crate) fn counts_against(
    reply: &[&str],
    reference_length: usize,
    most: impl Fn(&[&str]) -> u32,
) -> [f64; COUNTS] {
    let mut counts = [0.0; COUNTS];
    for (ngram, count) in ngrams(reply) {
        let order = ngram.len() - 1;
        counts[order] += f64::from(count.min(most(ngram)));
        counts[ORDER + order] += f64::from(count);
    }
    counts[2 * ORDER] = reply.len() as f64;
    counts[2 * ORDER + 1] = reference_length as f64;
    counts
}

/// The score of counts `[COUNTS]`, 0 to 100: the geometric mean of the precisions, times e^(1 - r / c) where the replies
/// are the shorter ones. The k-th order without a match counts 1 / 2^k matches.
pub fn score(counts: &[f64], orders: Orders) -> f64 {
    let (matches, totals) = (&counts[..ORDER], &counts[ORDER..2 * ORDER]);
    let (said, reference) = (counts[2 * ORDER], counts[2 * ORDER + 1]);
    if matches.iter().all(|&count| count == 0.0) {
        return 0.0;
    }
    let present = totals.iter().take_while(|&&total| total > 0.0).count();
    if present < ORDER && orders == Orders::All {
        return 0.0;
    }
    let mut smoothing = 1.0;
    let mut logarithms = 0.0;
    for (&matches, &total) in matches.iter().zip(totals).take(present) {
        if matches == 0.0 {
            smoothing *= 2.0;
        }
        logarithms += (if matches == 0.0 { 1.0 / smoothing } else { matches } / total).ln();
    }
    let brevity = if said < reference { (1.0 - reference / said).exp() } else { 1.0 };
    100.0 * brevity * (logarithms / present as f64).exp()
}
