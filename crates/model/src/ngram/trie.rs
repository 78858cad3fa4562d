use std::ops::Range;

/// The stored n-grams, as a trie that is read from the first token of an n-gram to its last.
///
/// Level k (from 1) holds the k-grams, sorted by their tokens; those with a common first k - 1 tokens lie side by
/// side, and are the children of that context. Every suffix of a stored n-gram is stored too. Level 1 holds
/// each of the V tokens at its own index.
#[derive(Debug, PartialEq)]
pub(super) struct Trie {
    /// Level k at index k - 1.
    pub(super) levels: Vec<Level>,
}

/// The n-grams of one length, M of them.
#[derive(Debug, PartialEq)]
pub(super) struct Level {
    /// The last token of each. `[M]`, at level 1 nothing
    pub(super) tokens: Tokens,
    /// ln p of that token after the tokens before it. `[M]`
    pub(super) logprob: Vec<f32>,
    /// ln of the weight that this n-gram, as a context, leaves to its suffix. `[M]`, at the last level nothing
    pub(super) backoff: Vec<f32>,
    /// Where the children of each begin in the next level. `[M + 1]`, at the last level nothing
    pub(super) first: Vec<u32>,
}

/// Tokens, at 16 bits where the vocabulary allows it.
#[derive(Debug, PartialEq)]
pub(super) enum Tokens {
    /// Of a vocabulary of at most 2^16.
    Narrow(Vec<u16>),
    /// Of any vocabulary.
    Wide(Vec<u32>),
}

impl Tokens {
    /// Stores tokens that are all below `vocab_size`.
    pub(super) fn new(tokens: Vec<u32>, vocab_size: usize) -> Self {
        if vocab_size <= 1 << 16 {
            Self::Narrow(tokens.into_iter().map(|token| token as u16).collect())
        } else {
            Self::Wide(tokens)
        }
    }

    pub(super) fn get(&self, index: usize) -> u32 {
        match self {
            Self::Narrow(tokens) => u32::from(tokens[index]),
            Self::Wide(tokens) => tokens[index],
        }
    }

    /// The index of `token` among those of a rising range.
    fn find(&self, range: Range<usize>, token: u32) -> Option<usize> {
        let found = match self {
            Self::Narrow(tokens) => tokens[range.clone()].binary_search(&u16::try_from(token).ok()?),
            Self::Wide(tokens) => tokens[range.clone()].binary_search(&token),
        };
        found.ok().map(|index| range.start + index)
    }
}

impl Level {
    /// The children of an n-gram of this level, in the next.
    pub(super) fn children(&self, index: usize) -> Range<usize> {
        if self.first.is_empty() {
            return 0..0;
        }
        self.first[index] as usize..self.first[index + 1] as usize
    }
}

impl Trie {
    /// The n-grams of length 1 alone, of a longest length `order`.
    pub(super) fn unigrams(logprob: Vec<f32>, order: usize, vocab_size: usize) -> Self {
        let level = |logprob: Vec<f32>, last: bool| Level {
            tokens: Tokens::new(Vec::new(), vocab_size),
            backoff: if last { Vec::new() } else { vec![0.0; logprob.len()] },
            first: if last { Vec::new() } else { vec![0; logprob.len() + 1] },
            logprob,
        };
        let mut levels = vec![level(logprob, order == 1)];
        levels.extend((2..=order).map(|k| level(Vec::new(), k == order)));
        Self { levels }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let of_level = |level: &Level| {
            let tokens = match &level.tokens {
                Tokens::Narrow(tokens) => size_of_val(tokens.as_slice()),
                Tokens::Wide(tokens) => size_of_val(tokens.as_slice()),
            };
            let (logprob, backoff, first) = (&level.logprob, &level.backoff, &level.first);
            tokens
                + size_of_val(logprob.as_slice())
                + size_of_val(backoff.as_slice())
                + size_of_val(first.as_slice())
        };
        self.levels.iter().map(of_level).sum()
    }

    /// The longest n-gram that may be stored.
    pub(super) fn order(&self) -> usize {
        self.levels.len()
    }

    /// Vocabulary, V.
    pub(super) fn vocab_size(&self) -> usize {
        self.levels[0].logprob.len()
    }

    /// The number of stored n-grams.
    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(|level| level.logprob.len()).sum()
    }

    /// The n-gram of level `k + 1` that extends n-gram `index` of level `k` by `token`.
    pub(super) fn child(&self, k: usize, index: usize, token: u32) -> Option<usize> {
        self.levels[k].tokens.find(self.levels[k - 1].children(index), token)
    }
}

/// The pruning of n-grams.
impl Trie {
    /// Keeps the n-grams that are marked, level by level. What extends an n-gram that is left out is left out too.
    pub(super) fn retain(&mut self, kept: &[Vec<bool>]) {
        for (k, marks) in kept.iter().enumerate().skip(1) {
            // The new index of each n-gram of this level.
            let mut index = Vec::with_capacity(marks.len() + 1);
            let mut count = 0_u32;
            for &mark in marks {
                index.push(count);
                count += u32::from(mark);
            }
            index.push(count);
            for first in &mut self.levels[k - 1].first {
                *first = index[*first as usize];
            }
            let level = &mut self.levels[k];
            match &mut level.tokens {
                Tokens::Narrow(tokens) => filter(tokens, marks),
                Tokens::Wide(tokens) => filter(tokens, marks),
            }
            filter(&mut level.logprob, marks);
            if !level.backoff.is_empty() {
                filter(&mut level.backoff, marks);
                // The end of the last is the begin of a further one that is always kept.
                let end = level.first.pop();
                filter(&mut level.first, marks);
                level.first.extend(end);
            }
        }
    }
}

/// Keeps the elements whose mark is set.
fn filter<T: Copy>(values: &mut Vec<T>, marks: &[bool]) {
    let mut to = 0;
    for (from, &mark) in marks.iter().enumerate() {
        if mark {
            values[to] = values[from];
            to += 1;
        }
    }
    values.truncate(to);
    values.shrink_to_fit();
}
