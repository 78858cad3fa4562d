//! Counting: one sort of the corpus gives the n-grams of every length.
//!
//! Sorting all positions by the n tokens that begin there (a suffix array cut at depth n; Manber and Myers 1993)
//! puts equal k-grams side by side for every k at once, in the order of the trie.

use artifact::Result;
use artifact::shard::Documents;
use bytemuck::Pod;

use super::MAX_ORDER;
use super::column::{Column, Place, Words};
use super::runs::Sorter;

/// The k-grams of one length k, M of them, in the order of the trie.
#[derive(Debug)]
pub(super) struct Counted {
    /// The last token of each. `[M]`, at level 1 nothing
    pub(super) tokens: Words,
    /// How often each occurs. `[M]`
    pub(super) counts: Words,
    /// Where the children of each begin in the next level. `[M + 1]`, at the last level nothing
    pub(super) first: Words,
}

/// How much memory counting may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'a> {
    /// For keys that are being sorted; where none is given, all are.
    pub(super) key_bytes: Option<usize>,
    /// Where results are kept.
    pub(super) place: Place<'a>,
}

/// Counts the n-grams of length 1 to `order` that lie within a document. `bos` begins a document wherever it stands.
///
/// # Panics
/// When a token is not below `vocab_size`, or there are 2^32 tokens.
pub(super) fn count(
    documents: &Documents,
    vocab_size: usize,
    order: usize,
    bos: u32,
    bound: Bound<'_>,
) -> Result<Vec<Counted>> {
    // A token before each document is counted as well.
    let positions = documents.tokens.len() + documents.len();
    assert!(u32::try_from(positions).is_ok(), "fewer than 2^32 tokens");
    if let Some(token) = documents.tokens.iter().find(|&&token| token as usize >= vocab_size) {
        panic!("token {token} in a vocabulary of {vocab_size}");
    }
    // Tokens are stored plus 1: 0 stands behind the end of a document.
    let bits = usize::BITS - vocab_size.leading_zeros();
    let input = Input { documents, vocab_size, order, bos, bits, bound };
    match bits * order as u32 {
        ..=64 => input.count::<u64>(),
        65..=128 => input.count::<u128>(),
        _ => input.count::<[u32; MAX_ORDER]>(),
    }
}

/// `order` tokens, whose order is that of the sequence.
trait Key: Ord + Pod + Send + Sync {
    const EMPTY: Self;
    /// Puts a token in front, and drops the one at the end.
    fn prepend(self, input: &Input<'_>, value: u32) -> Self;
    fn get(self, input: &Input<'_>, slot: usize) -> u32;
    /// The first slot in which two different keys differ.
    fn difference(self, other: Self, input: &Input<'_>) -> usize;
}

macro_rules! key {
    ($integer:ty) => {
        impl Key for $integer {
            const EMPTY: Self = 0;

            #[inline]
            fn prepend(self, input: &Input<'_>, value: u32) -> Self {
                self >> input.bits | Self::from(value) << (input.bits * (input.order as u32 - 1))
            }

            #[inline]
            fn get(self, input: &Input<'_>, slot: usize) -> u32 {
                let shift = (input.order - 1 - slot) as u32 * input.bits;
                (self >> shift) as u32 & ((1 << input.bits) - 1)
            }

            #[inline]
            fn difference(self, other: Self, input: &Input<'_>) -> usize {
                let unused = Self::BITS - input.bits * input.order as u32;
                (((self ^ other).leading_zeros() - unused) / input.bits) as usize
            }
        }
    };
}

key!(u64);
key!(u128);

impl Key for [u32; MAX_ORDER] {
    const EMPTY: Self = [0; MAX_ORDER];

    fn prepend(mut self, input: &Input<'_>, value: u32) -> Self {
        self.copy_within(..input.order - 1, 1);
        self[0] = value;
        self
    }

    fn get(self, _: &Input<'_>, slot: usize) -> u32 {
        self[slot]
    }

    fn difference(self, other: Self, _: &Input<'_>) -> usize {
        self.iter().zip(other).take_while(|(a, b)| *a == b).count()
    }
}

struct Input<'a> {
    documents: &'a Documents,
    vocab_size: usize,
    order: usize,
    bos: u32,
    /// Bits of a token in a key.
    bits: u32,
    bound: Bound<'a>,
}

impl Input<'_> {
    fn count<K: Key>(&self) -> Result<Vec<Counted>> {
        let mut unigrams = vec![0_u32; self.vocab_size];
        let mut sorter = match (self.bound.key_bytes, self.bound.place) {
            (Some(bytes), Place::Disk(dir)) => Sorter::bounded(bytes, dir.to_owned()),
            _ if self.order == 1 => Sorter::in_memory(0),
            _ => Sorter::in_memory(self.documents.tokens.len() + self.documents.len()),
        };
        self.pieces(|piece, bos| {
            let mut key = K::EMPTY;
            for &token in piece.iter().rev().chain(bos) {
                unigrams[token as usize] += 1;
                if self.order > 1 {
                    key = key.prepend(self, token + 1);
                    sorter.push(key)?;
                }
            }
            Ok(())
        })?;
        let mut levels = Levels::new(self)?;
        sorter.for_each(|key: K, count| levels.append(self, key, count))?;
        levels.finish(unigrams, self.bound.place)
    }

    /// The tokens from each `bos` to the next or to the end of the document; and the `bos` that is missing before them.
    fn pieces(&self, mut visit: impl FnMut(&[u32], Option<&u32>) -> Result<()>) -> Result<()> {
        for document in self.documents.iter() {
            let mut rest = document.tokens;
            while let Some(&first) = rest.first() {
                let end =
                    rest[1..].iter().position(|&token| token == self.bos).map_or(rest.len(), |at| at + 1);
                visit(&rest[..end], (first != self.bos).then_some(&self.bos))?;
                rest = &rest[end..];
            }
        }
        Ok(())
    }
}

/// The levels from 2, while n-grams are appended in their order.
struct Levels<K> {
    levels: Vec<Level>,
    /// Where the children of the first tokens until now begin.
    bigrams: Vec<u32>,
    previous: Option<K>,
}

struct Level {
    tokens: Column,
    counts: Column,
    first: Column,
    /// The count of the last n-gram, which may still grow.
    count: u32,
}

impl<K: Key> Levels<K> {
    fn new(input: &Input<'_>) -> Result<Self> {
        let place = input.bound.place;
        let column = || Column::new(place);
        let level = |_| Ok(Level { tokens: column()?, counts: column()?, first: column()?, count: 0 });
        Ok(Self {
            levels: (2..=input.order).map(level).collect::<Result<_>>()?,
            bigrams: Vec::with_capacity(input.vocab_size + 1),
            previous: None,
        })
    }

    /// Appends what begins at `count` positions.
    fn append(&mut self, input: &Input<'_>, key: K, count: u32) -> Result<()> {
        let common = self.previous.map_or(0, |previous| key.difference(previous, input));
        self.previous = Some(key);
        if common == 0 {
            let begin = self.levels[0].tokens.len() as u32;
            self.bigrams.resize(key.get(input, 0) as usize, begin);
        }
        for level in &mut self.levels[..common.saturating_sub(1)] {
            level.count += count;
        }
        for slot in common.max(1)..input.order {
            let Some(token) = key.get(input, slot).checked_sub(1) else { break };
            let below = self.levels.get(slot).map(|level| level.tokens.len() as u32);
            let level = &mut self.levels[slot - 1];
            if level.tokens.len() > 0 {
                level.counts.push(level.count)?;
            }
            level.count = count;
            level.tokens.push(token)?;
            if let Some(below) = below {
                level.first.push(below)?;
            }
        }
        Ok(())
    }

    fn finish(self, unigrams: Vec<u32>, place: Place<'_>) -> Result<Vec<Counted>> {
        let mut first = self.bigrams;
        let mut ends =
            self.levels.iter().map(|level| level.tokens.len() as u32).collect::<Vec<_>>().into_iter();
        if let Some(end) = ends.next() {
            first.resize(unigrams.len() + 1, end);
        }
        let column = |values: &[u32]| {
            let mut column = Column::new(place)?;
            column.extend(values)?;
            column.finish()
        };
        let mut counted =
            vec![Counted { tokens: Words::default(), counts: column(&unigrams)?, first: column(&first)? }];
        for mut level in self.levels {
            if level.tokens.len() > 0 {
                level.counts.push(level.count)?;
            }
            if let Some(end) = ends.next() {
                level.first.push(end)?;
            }
            counted.push(Counted {
                tokens: level.tokens.finish()?,
                counts: level.counts.finish()?,
                first: level.first.finish()?,
            });
        }
        Ok(counted)
    }
}
