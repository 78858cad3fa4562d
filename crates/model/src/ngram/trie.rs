//! The stored n-grams.

use std::ops::Range;

use super::MAX_ORDER;
use super::column::Words;

/// An n-gram that may be a context: its last token; ln p of that token after the tokens before it; the index, in the
/// level above, of the n-gram without its first token; ln of the weight that it leaves to that one as a context; and
/// where its children begin in the next level.
pub(super) type Context = [u32; 5];
/// An n-gram of the longest length: the first three of these.
pub(super) type Longest = [u32; 3];

pub(super) const TOKEN: usize = 0;
/// The bits of a float.
pub(super) const LOGPROB: usize = 1;
pub(super) const SUFFIX: usize = 2;
/// The bits of a float.
pub(super) const BACKOFF: usize = 3;
pub(super) const FIRST: usize = 4;

/// The stored n-grams, as a trie that is read from the first token of an n-gram to its last.
///
/// Level k (from 1) holds the k-grams, sorted by their tokens; those with a common first k - 1 tokens lie side by
/// side, and are the children of that context. Every suffix of a stored n-gram is stored too, and the n-gram names it
/// (the suffix link of Weiner 1973), so that what was read until now is one index, whatever happens next. Level 1 holds
/// each of the V tokens at its own index; its suffix, the empty n-gram, is 0.
#[derive(Debug)]
pub(super) struct Trie {
    /// Levels 1 to order - 1, each of [`Context`] `[M + 1]`, where the last is only the end of the children before it.
    pub(super) contexts: Vec<Words>,
    /// Level `order`, of [`Longest`] `[M]`.
    pub(super) longest: Words,
}

/// The levels as they are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Level k at k - 1.
    contexts: [&'a [Context]; MAX_ORDER - 1],
    /// Level `order`.
    pub(super) longest: &'a [Longest],
    pub(super) order: usize,
}

impl Trie {
    /// The n-grams of length 1 alone, of a longest length `order`.
    pub(super) fn unigrams(logprob: f32, order: usize, vocab_size: usize) -> Self {
        let tokens = 0..vocab_size as u32;
        let bits = logprob.to_bits();
        if order == 1 {
            let longest = Words::Memory(tokens.flat_map(|token| [token, bits, 0]).collect());
            return Self { contexts: Vec::new(), longest };
        }
        let unigrams = tokens.flat_map(|token| [token, bits, 0, 0, 0]).chain(END).collect();
        let mut contexts = vec![Words::Memory(unigrams)];
        contexts.resize_with(order - 1, || Words::Memory(END.to_vec()));
        Self { contexts, longest: Words::default() }
    }

    /// The longest n-gram that may be stored.
    pub(super) fn order(&self) -> usize {
        self.contexts.len() + 1
    }

    pub(super) fn view(&self) -> View<'_> {
        let mut contexts: [&[Context]; MAX_ORDER - 1] = [&[]; MAX_ORDER - 1];
        for (view, level) in contexts.iter_mut().zip(&self.contexts) {
            *view = level.records();
        }
        View { contexts, longest: self.longest.records(), order: self.order() }
    }

    /// The numbers of every level.
    pub(super) fn levels(&self) -> impl Iterator<Item = &[u32]> {
        self.contexts.iter().chain([&self.longest]).map(Words::as_slice)
    }

    /// Vocabulary, V.
    pub(super) fn vocab_size(&self) -> usize {
        self.view().len(1)
    }

    /// The number of stored n-grams.
    pub(super) fn len(&self) -> usize {
        (1..=self.order()).map(|k| self.view().len(k)).sum()
    }
}

impl PartialEq for Trie {
    fn eq(&self, other: &Self) -> bool {
        self.levels().eq(other.levels())
    }
}

/// What ends a level of contexts without children.
pub(super) const END: Context = [0; 5];

impl<'a> View<'a> {
    /// The number of n-grams of level k.
    pub(super) fn len(&self, k: usize) -> usize {
        if k == self.order { self.longest.len() } else { self.contexts[k - 1].len() - 1 }
    }

    /// The level of contexts of length k.
    pub(super) fn contexts(&self, k: usize) -> &'a [Context] {
        self.contexts[k - 1]
    }

    /// The children of context `index` of level k, in the next.
    #[inline]
    pub(super) fn children(&self, k: usize, index: usize) -> Range<usize> {
        let pair = &self.contexts[k - 1][index..][..2];
        pair[0][FIRST] as usize..pair[1][FIRST] as usize
    }

    /// The last token of n-gram `index` of level k.
    pub(super) fn token(&self, k: usize, index: usize) -> u32 {
        self.field::<TOKEN>(k, index)
    }

    /// ln p of n-gram `index` of level k.
    pub(super) fn logprob(&self, k: usize, index: usize) -> f32 {
        f32::from_bits(self.field::<LOGPROB>(k, index))
    }

    /// ln of the weight that n-gram `index` of level k leaves to shorter ones; nothing where it is no context.
    pub(super) fn backoff(&self, k: usize, index: usize) -> Option<f32> {
        (k < self.order).then(|| f32::from_bits(self.contexts[k - 1][index][BACKOFF]))
    }

    fn field<const FIELD: usize>(&self, k: usize, index: usize) -> u32 {
        if k == self.order { self.longest[index][FIELD] } else { self.contexts[k - 1][index][FIELD] }
    }
}

/// The index of `token` among n-grams sorted by their last token.
#[inline]
pub(super) fn find<const N: usize>(records: &[[u32; N]], token: u32) -> Option<usize> {
    /// As many lie in few cache lines.
    const SHORT: usize = 8;
    let (mut begin, mut len) = (0, records.len());
    while len > SHORT {
        let half = len / 2;
        begin = if records[begin + half][TOKEN] <= token { begin + half } else { begin };
        len -= half;
    }
    let at = records[begin..begin + len].iter().position(|record| record[TOKEN] >= token)?;
    (records[begin + at][TOKEN] == token).then_some(begin + at)
}
