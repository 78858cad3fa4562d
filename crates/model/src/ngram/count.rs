//! Counting: one sort of the corpus gives the n-grams of every length.
//!
//! Sorting all positions by the n tokens that begin there (a suffix array cut at depth n; Manber and Myers 1993)
//! puts equal k-grams side by side for every k at once, in the order of the trie.

use std::ops::Range;

use artifact::shard::Documents;
use rayon::prelude::*;

/// Above this, one bucket is sorted by all threads.
const SORT_TOGETHER: usize = 1 << 17;
/// About how many positions are sorted in one task; the result does not depend on it.
const TASK: usize = 1 << 16;

/// The k-grams of one length k, in the order of the trie, with the number of times each occurs.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The last token of each. `[M]`, at level 1 nothing
    pub(super) tokens: Vec<u32>,
    /// How often each occurs. `[M]`
    pub(super) counts: Vec<u32>,
    /// Where the children of each begin in the next level. `[M + 1]`, at the last level nothing
    pub(super) first: Vec<u32>,
}

/// Counted the n-grams of length 1 to `order` that lie within a document. `bos` begins a document wherever it stands.
///
/// # Panics
/// When a token is not below `vocab_size`, or there are 2^32 tokens.
pub(super) fn count(documents: &Documents, vocab_size: usize, order: usize, bos: u32) -> Vec<Counted> {
    let stream = stream(documents, vocab_size, bos);
    assert!(u32::try_from(stream.len()).is_ok(), "fewer than 2^32 tokens");
    let mut starts = vec![0_u32; vocab_size + 1];
    for &value in &stream {
        starts[value as usize] += 1;
    }
    // The separator, 0, begins no n-gram.
    starts[0] = 0;
    for token in 0..vocab_size {
        starts[token + 1] += starts[token];
    }
    let unigrams = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if order == 1 {
        return vec![Counted { tokens: Vec::new(), counts: unigrams, first: Vec::new() }];
    }

    // A counting sort by the first token leaves order - 1 tokens for the key.
    let mut positions = vec![0_u32; starts[vocab_size] as usize]; // [N]
    let mut next = starts.clone();
    for (position, &value) in stream.iter().enumerate() {
        if let Some(token) = value.checked_sub(1) {
            let slot = &mut next[token as usize];
            positions[*slot as usize] = position as u32;
            *slot += 1;
        }
    }
    drop(next);

    let bits = usize::BITS - vocab_size.leading_zeros();
    let slots = order as u32 - 1;
    let input = Input { stream, positions, starts, slots, bits };
    assert!(bits * slots <= u128::BITS, "a vocabulary of at most 2^24 tokens");
    let parts = if bits * slots <= u64::BITS { input.parts::<u64>() } else { input.parts::<u128>() };
    drop(input);
    join(unigrams, parts, slots as usize)
}

/// All documents as token + 1, with `bos` before and 0 behind each.
fn stream(documents: &Documents, vocab_size: usize, bos: u32) -> Vec<u32> {
    let mut stream = Vec::with_capacity(documents.tokens.len() + documents.len() + 1);
    for document in documents.iter() {
        if document.tokens.first().is_some_and(|&token| token != bos) {
            stream.push(bos + 1);
        }
        for (index, &token) in document.tokens.iter().enumerate() {
            assert!((token as usize) < vocab_size, "token {token} in a vocabulary of {vocab_size}");
            if token == bos && index > 0 {
                stream.push(0);
            }
            stream.push(token + 1);
        }
        stream.push(0);
    }
    stream
}

/// A packed sequence of tokens, whose order is that of the sequence.
trait Key: Copy + Ord + Send + Sync {
    const EMPTY: Self;
    fn push(self, bits: u32, value: u32) -> Self;
    /// Value `slot` of `slots`.
    fn get(self, bits: u32, slots: u32, slot: u32) -> u32;
    /// The first slot in which two different keys differ.
    fn difference(self, other: Self, bits: u32, slots: u32) -> u32;
}

macro_rules! key {
    ($integer:ty) => {
        impl Key for $integer {
            const EMPTY: Self = 0;

            fn push(self, bits: u32, value: u32) -> Self {
                self << bits | Self::from(value)
            }

            fn get(self, bits: u32, slots: u32, slot: u32) -> u32 {
                (self >> ((slots - 1 - slot) * bits)) as u32 & ((1 << bits) - 1)
            }

            fn difference(self, other: Self, bits: u32, slots: u32) -> u32 {
                ((self ^ other).leading_zeros() - (Self::BITS - bits * slots)) / bits
            }
        }
    };
}

key!(u64);
key!(u128);

struct Input {
    /// See [`stream`].
    stream: Vec<u32>,
    /// Positions in `stream` by the token there, then rising. `[N]`
    positions: Vec<u32>,
    /// Where the positions of each token begin. `[V + 1]`
    starts: Vec<u32>,
    /// Tokens of a key.
    slots: u32,
    /// Bits of a token in a key.
    bits: u32,
}

/// The n-grams that begin with some tokens.
struct Part {
    /// The number of bigrams that begin with each of these tokens.
    bigrams: Vec<u32>,
    /// Levels from 2; `first` counts from the part's own begin, without its end.
    levels: Vec<Counted>,
}

impl Input {
    /// The n-grams of all first tokens, in order.
    fn parts<K: Key>(&self) -> Vec<Part> {
        let mut tasks: Vec<Range<usize>> = Vec::new();
        let mut begin = 0;
        for token in 0..self.starts.len() - 1 {
            if (self.starts[token + 1] - self.starts[begin]) as usize >= TASK
                || token + 2 == self.starts.len()
            {
                tasks.push(begin..token + 1);
                begin = token + 1;
            }
        }
        tasks.into_par_iter().map(|tokens| self.part::<K>(tokens)).collect()
    }

    fn part<K: Key>(&self, tokens: Range<usize>) -> Part {
        let mut part = Part {
            bigrams: Vec::with_capacity(tokens.len()),
            levels: (0..self.slots).map(|_| Counted::default()).collect(),
        };
        let mut keys: Vec<K> = Vec::new();
        for token in tokens {
            let positions = &self.positions[self.starts[token] as usize..self.starts[token + 1] as usize];
            keys.clear();
            keys.extend(positions.iter().map(|&position| self.key::<K>(position as usize)));
            if keys.len() >= SORT_TOGETHER {
                keys.par_sort_unstable();
            } else {
                keys.sort_unstable();
            }
            let before = part.levels[0].tokens.len();
            self.append(&keys, &mut part.levels);
            part.bigrams.push((part.levels[0].tokens.len() - before) as u32);
        }
        part
    }

    /// The tokens behind a position, up to the end of its document.
    fn key<K: Key>(&self, position: usize) -> K {
        let mut key = K::EMPTY;
        let mut at = position;
        for _ in 0..self.slots {
            // A document's end is followed by no more of its tokens, so it repeats.
            at += usize::from(self.stream[at] != 0);
            key = key.push(self.bits, self.stream[at]);
        }
        key
    }

    /// Appends the n-grams of one first token, from its sorted keys.
    fn append<K: Key>(&self, keys: &[K], levels: &mut [Counted]) {
        let mut previous: Option<K> = None;
        for run in keys.chunk_by(|a, b| a == b) {
            let key = run[0];
            let count = run.len() as u32;
            let common = previous.map_or(0, |previous| key.difference(previous, self.bits, self.slots));
            previous = Some(key);
            for level in &mut levels[..common as usize] {
                *level.counts.last_mut().expect("the previous key has these tokens too") += count;
            }
            for slot in common..self.slots {
                let Some(token) = key.get(self.bits, self.slots, slot).checked_sub(1) else { break };
                let below = levels.get(slot as usize + 1).map(|level| level.tokens.len() as u32);
                let level = &mut levels[slot as usize];
                level.tokens.push(token);
                level.counts.push(count);
                level.first.extend(below);
            }
        }
    }
}

/// Lays the parts end to end.
fn join(unigrams: Vec<u32>, mut parts: Vec<Part>, slots: usize) -> Vec<Counted> {
    let mut first = Vec::with_capacity(unigrams.len() + 1);
    let mut bigrams = 0;
    for count in parts.iter().flat_map(|part| &part.bigrams) {
        first.push(bigrams);
        bigrams += count;
    }
    first.push(bigrams);
    let mut levels = vec![Counted { tokens: Vec::new(), counts: unigrams, first }];
    // The shortest first: as a level is laid out, its parts are freed.
    for slot in 0..slots {
        let total = parts.iter().map(|part| part.levels[slot].tokens.len()).sum();
        let mut tokens = Vec::with_capacity(total);
        let mut counts = Vec::with_capacity(total);
        let mut first = Vec::new();
        let mut below = 0;
        for part in &mut parts {
            let level = std::mem::take(&mut part.levels[slot]);
            tokens.extend_from_slice(&level.tokens);
            counts.extend_from_slice(&level.counts);
            if slot + 1 < slots {
                first.extend(level.first.iter().map(|&child| child + below));
                below += part.levels[slot + 1].tokens.len() as u32;
            }
        }
        if slot + 1 < slots {
            first.push(below);
        }
        levels.push(Counted { tokens, counts, first });
    }
    levels
}
