//! The merges of byte-level BPE, learnt from words and their counts (Sennrich et al. 2016, algorithm 1).
//!
//! The pair that stands most often is merged again and again; of equally frequent ones the pair of the lowest ids, as the
//! `tokenizers` library has it. Where a token can be made in two ways, a pair may appear again after it was merged: then
//! those places are merged in their own time, as there. The words are divided among the threads: each merges its own and tells by how much the
//! counts of pairs have changed, so that nothing depends on their number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;
use terminal::Progress;

use crate::near::mixed;

/// A pair that stands once in the training text is chance, not a pattern.
const LEAST_REPETITIONS: i64 = 2;

/// Two tokens that follow each other.
pub(crate) type Pair = (u32, u32);

/// A pair, and the merge by which it appeared.
type Appearance = (Pair, u32);

/// A map from small numbers, which need no protection against chosen keys.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are made of numbers")
    }

    fn write_u32(&mut self, token: u32) {
        self.0 = mixed(self.0 ^ u64::from(token));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What was learnt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Merges {
    /// The tokens, by their ids.
    pub(crate) tokens: Vec<String>,
    /// The pairs, in the order in which they are merged.
    pub(crate) pairs: Vec<Pair>,
}

/// Learns merges until there are `vocab_size` tokens or no pair repeats. `tokens` are the tokens of before, the last 256 of
/// which stand for single bytes; `byte_ids` has the id of each byte.
pub(crate) fn learn(
    words: &[(Box<str>, u64)],
    tokens: Vec<String>,
    byte_ids: &[u32; 256],
    vocab_size: usize,
) -> Merges {
    let share = words.len().div_ceil(rayon::current_num_threads()).max(1);
    let mut parts: Vec<Part> = words.par_chunks(share).map(|words| Part::new(words, byte_ids)).collect();
    let mut counts: Map<Pair, i64> = Map::default();
    let mut heap: BinaryHeap<(i64, Reverse<Appearance>)> = BinaryHeap::new();
    let initial = parts.iter().map(Part::initial_counts).collect();
    apply(initial, 0, &mut counts, &mut heap);

    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let mut learnt = Merges { tokens, pairs: Vec::new() };
    let progress = Progress::new("tokenizer", vocab_size as u64, "tokens");
    progress.start_at(learnt.tokens.len() as u64);
    while learnt.tokens.len() < vocab_size {
        let Some((seen, Reverse(appearance))) = heap.pop() else { break };
        let pair = appearance.0;
        let now = counts[&pair];
        if seen != now {
            // Its count has changed since: it stands where it belongs.
            heap.push((now, Reverse(appearance)));
            continue;
        }
        if now < LEAST_REPETITIONS {
            break;
        }
        let text = learnt.tokens[pair.0 as usize].clone() + &learnt.tokens[pair.1 as usize];
        let merged = *ids.entry(text.clone()).or_insert_with(|| {
            learnt.tokens.push(text);
            progress.inc(1);
            learnt.tokens.len() as u32 - 1
        });
        learnt.pairs.push(pair);
        let number = learnt.pairs.len() as u32;
        let changes = parts.par_iter_mut().map(|part| part.merge(appearance, merged, number)).collect();
        apply(changes, number, &mut counts, &mut heap);
    }
    progress.finish();
    learnt
}

/// Applies the changes of all parts by one merge.
fn apply(
    changes: Vec<Map<Pair, Change>>,
    number: u32,
    counts: &mut Map<Pair, i64>,
    heap: &mut BinaryHeap<(i64, Reverse<Appearance>)>,
) {
    let mut appeared: Vec<Pair> = Vec::new();
    for (pair, change) in changes.into_iter().flatten() {
        *counts.entry(pair).or_default() += change.sum;
        if change.appears {
            appeared.push(pair);
        }
    }
    appeared.sort_unstable();
    appeared.dedup();
    let counted = appeared.into_iter().map(|pair| (counts[&pair], Reverse((pair, number))));
    heap.extend(counted.filter(|(count, _)| *count > 0));
}

/// How the count of a pair changes.
#[derive(Debug, Default)]
struct Change {
    sum: i64,
    /// Whether it stands somewhere where it did not.
    appears: bool,
}

/// The words of one thread.
#[derive(Debug)]
struct Part {
    /// The tokens of all words. A word that became shorter leaves a rest that is not read.
    tokens: Vec<u32>,
    words: Vec<Word>,
    /// The words in which a pair appeared; it may be gone from some.
    places: Map<Appearance, Vec<u32>>,
}

#[derive(Debug)]
struct Word {
    start: usize,
    length: usize,
    count: i64,
}

impl Part {
    fn new(words: &[(Box<str>, u64)], byte_ids: &[u32; 256]) -> Self {
        let mut part = Self { tokens: Vec::new(), words: Vec::new(), places: Map::default() };
        for (text, count) in words {
            let start = part.tokens.len();
            part.tokens.extend(text.bytes().map(|byte| byte_ids[byte as usize]));
            let word = part.words.len() as u32;
            for pair in part.tokens[start..].array_windows::<2>() {
                note(&mut part.places, ((pair[0], pair[1]), 0), word);
            }
            part.words.push(Word { start, length: text.len(), count: *count as i64 });
        }
        part
    }

    fn initial_counts(&self) -> Map<Pair, Change> {
        let mut changes: Map<Pair, Change> = Map::default();
        for Word { start, length, count } in &self.words {
            for pair in self.tokens[*start..start + length].array_windows::<2>() {
                add(&mut changes, (pair[0], pair[1]), *count);
            }
        }
        changes
    }

    /// Merges a pair in each word that has it.
    fn merge(&mut self, appearance: Appearance, merged: u32, number: u32) -> Map<Pair, Change> {
        let mut changes: Map<Pair, Change> = Map::default();
        for place in self.places.remove(&appearance).unwrap_or_default() {
            let pair = appearance.0;
            let Word { start, length, count } = &mut self.words[place as usize];
            let word = &mut self.tokens[*start..*start + *length];
            let (mut read, mut written) = (0, 0);
            while read < word.len() {
                if read + 1 == word.len() || (word[read], word[read + 1]) != pair {
                    word[written] = word[read];
                    (read, written) = (read + 1, written + 1);
                    continue;
                }
                if let Some(before) = written.checked_sub(1).map(|before| word[before]) {
                    add(&mut changes, (before, pair.0), -*count);
                    add(&mut changes, (before, merged), *count);
                    note(&mut self.places, ((before, merged), number), place);
                }
                if let Some(after) = word.get(read + 2).copied() {
                    add(&mut changes, (pair.1, after), -*count);
                    add(&mut changes, (merged, after), *count);
                    note(&mut self.places, ((merged, after), number), place);
                }
                word[written] = merged;
                (read, written) = (read + 2, written + 1);
            }
            *length = written;
        }
        changes
    }
}

fn note(places: &mut Map<Appearance, Vec<u32>>, appearance: Appearance, word: u32) {
    let words = places.entry(appearance).or_default();
    if words.last() != Some(&word) {
        words.push(word);
    }
}

fn add(changes: &mut Map<Pair, Change>, pair: Pair, count: i64) {
    let change = changes.entry(pair).or_default();
    change.sum += count;
    change.appears |= count > 0;
}
