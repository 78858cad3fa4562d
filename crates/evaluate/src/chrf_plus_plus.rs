//! chrF++ (Popović 2017): chrF whose n-grams are of one to six characters and of one and two words, as sacrebleu computes
//! it with `word_order=2`.

use std::collections::HashMap;

use crate::chrf::{self, Hypothesis};

/// The longest n-gram, in words.
const WORD_ORDER: usize = 2;
/// Orders of characters and words.
const ORDERS: usize = chrf::ORDER + WORD_ORDER;
/// Counts that a score is made of: for each order, n-grams of the reply, of the reference, and of both.
pub const COUNTS: usize = 3 * ORDERS;

/// The counts of a reply against one reference; those of a corpus are their sums.
pub fn counts(reply: &str, reference: &str) -> [f64; COUNTS] {
    let mut counts = [0.0; COUNTS];
    let hypothesis = Hypothesis::new(reply);
    let (totals, matches) = hypothesis.matches(reference);
    for order in 0..chrf::ORDER {
        set(&mut counts, order, [hypothesis.totals[order], totals[order], matches[order]].map(f64::from));
    }
    let (reply, reference) = (words(reply), words(reference));
    for order in 1..=WORD_ORDER {
        let mut left: HashMap<&[&str], u32> = HashMap::new();
        reference.windows(order).for_each(|ngram| *left.entry(ngram).or_default() += 1);
        let matches = reply.windows(order).filter(|ngram| match left.get_mut(*ngram) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        let of_order = [reply.windows(order).len(), reference.windows(order).len(), matches.count()];
        set(&mut counts, chrf::ORDER + order - 1, of_order.map(|count| count as f64));
    }
    counts
}

/// N-grams of the reply do not count where the reference has none of their order.
fn set(counts: &mut [f64; COUNTS], order: usize, [reply, reference, both]: [f64; 3]) {
    let reply = if reference > 0.0 { reply } else { 0.0 };
    counts[3 * order..][..3].copy_from_slice(&[reply, reference, both]);
}

/// The score of counts `[COUNTS]`, 0 to 100.
pub fn score(counts: &[f64]) -> f64 {
    chrf::f_score_of(counts.chunks_exact(3).map(|of_order| [of_order[0], of_order[1], of_order[2]]))
}

/// Words, from which one mark of punctuation before or behind is split.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in text.split(chrf::is_space).filter(|word| !word.is_empty()) {
        let mark =
            |character: Option<char>| character.is_some_and(|character| character.is_ascii_punctuation());
        let (first, last) = (word.chars().next(), word.chars().next_back());
        if word.chars().nth(1).is_none() {
            words.push(word);
        } else if mark(last) {
            words.extend([&word[..word.len() - 1], &word[word.len() - 1..]]);
        } else if mark(first) {
            words.extend([&word[..1], &word[1..]]);
        } else {
            words.push(word);
        }
    }
    words
}
