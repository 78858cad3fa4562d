//! The stored n-grams.

use std::ops::Range;

use kernels::prefetch;
use rayon::prelude::*;

use super::MAX_ORDER;
use super::column::Words;

/// What is known of an n-gram that may be a context: ln p of its last token after the tokens before it; ln of the weight
/// that it leaves, as a context, to the n-gram without its first token; and where its children begin in the next level.
/// The first two are the bits of floats.
pub(super) type Context = [u32; 3];

pub(super) const LOGPROB: usize = 0;
pub(super) const BACKOFF: usize = 1;
pub(super) const FIRST: usize = 2;

/// The stored n-grams, as a trie that is read from the first token of an n-gram to its last.
///
/// Level k (from 1) holds the k-grams, sorted by their tokens; those with a common first k - 1 tokens lie side by
/// side, and are the children of that context. Every suffix of a stored n-gram is stored too. Level 1 holds each of the
/// V tokens at its own index.
#[derive(Debug)]
pub(super) struct Trie {
    /// Level k at k - 1.
    levels: Vec<Level>,
}

/// The n-grams of one length, M of them.
#[derive(Debug)]
pub(super) struct Level {
    /// The last token of each. `[M]`, at level 1 nothing
    tokens: Words,
    /// [`Context`]s `[M + 1]`, where the last is only the end of the children before it; at the last level the bits of
    /// ln p of each `[M]`.
    values: Words,
    /// The token of every [`SPAN`]th n-gram, from the first. Searching these, which lie close together, leaves one span to
    /// search.
    marks: Vec<u32>,
}

/// n-grams between two marks: their tokens fill two cache lines.
const SPAN: usize = 32;

/// The levels as they are read, level k at k - 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    tokens: [&'a [u32]; MAX_ORDER],
    marks: [&'a [u32]; MAX_ORDER],
    contexts: [&'a [Context]; MAX_ORDER - 1],
    /// Of the last level, the bits of ln p.
    longest: &'a [u32],
    pub(super) order: usize,
}

impl Level {
    pub(super) fn new(tokens: Words, values: Words) -> Self {
        let marks = tokens.as_slice().par_iter().step_by(SPAN).copied().collect();
        Self { tokens, values, marks }
    }

    pub(super) fn tokens(&self) -> &[u32] {
        self.tokens.as_slice()
    }

    pub(super) fn values(&self) -> &[u32] {
        self.values.as_slice()
    }

    /// Of a level of contexts.
    pub(super) fn contexts(&self) -> &[Context] {
        self.values.as_slice().as_chunks().0
    }
}

impl Trie {
    /// Of levels that keep the order above.
    pub(super) fn new(levels: Vec<Level>) -> Self {
        Self { levels }
    }

    /// Bytes of what is stored, in memory or mapped.
    pub(super) fn bytes(&self) -> usize {
        let of_level = |level: &Level| {
            size_of_val(level.tokens()) + size_of_val(level.values()) + size_of_val(level.marks.as_slice())
        };
        self.levels.iter().map(of_level).sum()
    }

    /// The n-grams of length 1 alone, of a longest length `order`.
    pub(super) fn unigrams(logprob: f32, order: usize, vocab_size: usize) -> Self {
        let logprob = logprob.to_bits();
        let level = |values| Level::new(Words::default(), Words::Memory(values));
        if order == 1 {
            return Self::new(vec![level(vec![logprob; vocab_size])]);
        }
        let mut unigrams = [logprob, 0, 0].repeat(vocab_size);
        unigrams.extend(Context::default());
        let mut levels = vec![level(unigrams)];
        levels.resize_with(order - 1, || level(Context::default().to_vec()));
        levels.push(level(Vec::new()));
        Self::new(levels)
    }

    /// The longest n-gram that may be stored.
    pub(super) fn order(&self) -> usize {
        self.levels.len()
    }

    /// Level k at k - 1.
    pub(super) fn levels(&self) -> &[Level] {
        &self.levels
    }

    pub(super) fn view(&self) -> View<'_> {
        let (longest, contexts) = self.levels.split_last().expect("an order of at least 1");
        let mut view = View {
            tokens: [&[]; MAX_ORDER],
            marks: [&[]; MAX_ORDER],
            contexts: [&[]; MAX_ORDER - 1],
            longest: longest.values(),
            order: self.order(),
        };
        for (k, level) in self.levels.iter().enumerate() {
            view.tokens[k] = level.tokens();
            view.marks[k] = &level.marks;
        }
        for (view, level) in view.contexts.iter_mut().zip(contexts) {
            *view = level.contexts();
        }
        view
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
        let same = |(a, b): (&Level, &Level)| a.tokens() == b.tokens() && a.values() == b.values();
        self.order() == other.order() && self.levels.iter().zip(&other.levels).all(same)
    }
}

impl View<'_> {
    /// The number of n-grams of level k.
    pub(super) fn len(&self, k: usize) -> usize {
        if k == self.order { self.longest.len() } else { self.contexts[k - 1].len() - 1 }
    }

    /// The last token of n-gram `index` of level k.
    pub(super) fn token(&self, k: usize, index: usize) -> u32 {
        if k == 1 { index as u32 } else { self.tokens[k - 1][index] }
    }

    /// ln p of n-gram `index` of level k.
    #[inline]
    pub(super) fn logprob(&self, k: usize, index: usize) -> f32 {
        let longest = k == self.order;
        f32::from_bits(if longest { self.longest[index] } else { self.contexts[k - 1][index][LOGPROB] })
    }

    /// ln of the weight that context `index` of level k leaves to shorter ones.
    #[inline]
    pub(super) fn backoff(&self, k: usize, index: usize) -> f32 {
        f32::from_bits(self.contexts[k - 1][index][BACKOFF])
    }

    /// The children of context `index` of level k, in the next.
    #[inline]
    pub(super) fn children(&self, k: usize, index: usize) -> Range<usize> {
        let pair = &self.contexts[k - 1][index..][..2];
        pair[0][FIRST] as usize..pair[1][FIRST] as usize
    }

    /// The child of context `index` of level k with this token.
    #[inline]
    pub(super) fn child(&self, k: usize, index: usize, token: u32) -> Option<usize> {
        self.find(k + 1, self.span(k, index, token), token)
    }

    /// Where in the next level that child can only be: at most [`SPAN`] n-grams, whose tokens are asked for ahead.
    #[inline]
    pub(super) fn span(&self, k: usize, index: usize, token: u32) -> Range<usize> {
        let Range { mut start, mut end } = self.children(k, index);
        if end - start > SPAN {
            let first = start / SPAN + 1;
            let marks = &self.marks[k][first..end.div_ceil(SPAN)];
            let span = first - 1 + marks.partition_point(|&mark| mark <= token);
            (start, end) = (start.max(span * SPAN), end.min((span + 1) * SPAN));
        }
        prefetch(&self.tokens[k][start..end]);
        start..end
    }

    /// The n-gram of a span of level k that ends with this token; its values are asked for ahead.
    #[inline]
    pub(super) fn find(&self, k: usize, span: Range<usize>, token: u32) -> Option<usize> {
        let start = span.start;
        let tokens = &self.tokens[k - 1][span];
        let at = tokens.partition_point(|&other| other < token);
        if tokens.get(at) != Some(&token) {
            return None;
        }
        let index = start + at;
        if k == self.order {
            prefetch(&self.longest[index..=index]);
        } else {
            prefetch(&self.contexts[k - 1][index..=index]);
        }
        Some(index)
    }
}
