//! chrF (Popović 2015): character n-gram F-score, as sacrebleu's `sentence_chrf` computes it by default.
//!
//! Orders 1 to 6, beta 2, white space removed, case kept. Precision and recall are averaged over the orders that
//! both sentences have ("effective order"), then joined: F = (1 + b²) P R / (b² P + R), times 100.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The longest n-gram, in characters.
pub(crate) const ORDER: usize = 6;
/// Weight of recall against precision, squared.
const BETA_SQUARED: f64 = 4.0;

/// The number of n-grams of each order. `[ORDER]`
pub(crate) type Totals = [u32; ORDER];

/// An n-gram, as a hash of its characters and length; two of one text collide once in about 10^14 texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ngram {
    /// Its length less 1.
    pub(crate) order: usize,
    /// The hash.
    pub(crate) hash: u64,
}

/// A map whose keys are n-gram hashes.
pub(crate) type NgramMap<T> = HashMap<u64, T, BuildHasherDefault<AlreadyHashed>>;

/// Keys that are hashes need no second one.
#[derive(Debug, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The sentence-level score of two texts, 0 to 100.
///
/// ```
/// assert_eq!(evaluate::chrf::sentence("안녕하세요!", "안녕하세요!"), 100.0);
/// assert_eq!(evaluate::chrf::sentence("", "안녕하세요!"), 0.0);
/// ```
pub fn sentence(hypothesis: &str, reference: &str) -> f64 {
    Hypothesis::new(hypothesis).score(reference)
}

/// A text that is compared with many references.
#[derive(Debug)]
pub(crate) struct Hypothesis {
    /// Its distinct n-grams and how often each occurs.
    pub(crate) counts: Vec<(Ngram, u32)>,
    pub(crate) totals: Totals,
    /// Place of an n-gram in `counts`.
    places: NgramMap<u32>,
}

impl Hypothesis {
    pub(crate) fn new(text: &str) -> Self {
        let mut counts: Vec<(Ngram, u32)> = Vec::new();
        let mut totals = Totals::default();
        let mut places = NgramMap::default();
        each_ngram(text, |ngram| {
            totals[ngram.order] += 1;
            let place = *places.entry(ngram.hash).or_insert(counts.len() as u32);
            match counts.get_mut(place as usize) {
                Some((_, count)) => *count += 1,
                None => counts.push((ngram, 1)),
            }
        });
        Self { counts, totals, places }
    }

    /// The score against one reference.
    pub(crate) fn score(&self, reference: &str) -> f64 {
        let (totals, matches) = self.matches(reference);
        f_score(&self.totals, &totals, &matches)
    }

    /// The n-grams of a reference, and those that both texts have.
    pub(crate) fn matches(&self, reference: &str) -> (Totals, Totals) {
        let mut left: Vec<u32> = self.counts.iter().map(|(_, count)| *count).collect();
        let mut totals = Totals::default();
        let mut matches = Totals::default();
        each_ngram(reference, |ngram| {
            totals[ngram.order] += 1;
            let Some(&place) = self.places.get(&ngram.hash) else { return };
            let left = &mut left[place as usize];
            if *left > 0 {
                *left -= 1;
                matches[ngram.order] += 1;
            }
        });
        (totals, matches)
    }
}

/// F-score, 0 to 100, from the n-grams of a hypothesis, of a reference, and those that they share.
pub(crate) fn f_score(hypothesis: &Totals, reference: &Totals, matches: &Totals) -> f64 {
    f_score_of((0..ORDER).map(|order| [hypothesis[order], reference[order], matches[order]].map(f64::from)))
}

/// As [`f_score`], from the three counts of each order.
pub(crate) fn f_score_of(counts: impl Iterator<Item = [f64; 3]>) -> f64 {
    let mut precision = 0.0;
    let mut recall = 0.0;
    let mut orders = 0.0;
    for [hypothesis, reference, matches] in counts {
        if hypothesis > 0.0 && reference > 0.0 {
            precision += matches / hypothesis;
            recall += matches / reference;
            orders += 1.0;
        }
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    precision /= orders;
    recall /= orders;
    100.0 * (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
}

/// Calls `visit` for every n-gram of a text, white space removed.
pub(crate) fn each_ngram(text: &str, mut visit: impl FnMut(Ngram)) {
    // The n-grams that end at the current character: element n is the hash of the last n + 1 characters. `[ORDER]`
    let mut running = [0_u64; ORDER];
    let mut length = 0;
    for character in text.chars().filter(|&character| !is_space(character)) {
        for order in (0..ORDER).rev() {
            let before = if order == 0 { 0 } else { running[order - 1] };
            running[order] = mix(before ^ u64::from(character).wrapping_add(1 << 32));
        }
        length += 1;
        for (order, &hash) in running.iter().enumerate().take(length) {
            visit(Ngram { order, hash });
        }
    }
}

/// White space as Python's `str.split` sees it: Unicode's, and the four separators U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&character)
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014), a bijection that spreads every bit.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
