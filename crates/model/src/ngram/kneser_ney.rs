//! Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 3), in the form of `KenLM`'s `lmplz` (Heafield,
//! Pouzyrevsky, Clark and Koehn 2013).
//!
//! For a context c and a token w, with c' the context without its first token:
//!
//! ```text
//! p(w | c) = max(0, a(c w) - D(a(c w))) / sum over x of a(c x)  +  g(c) p(w | c')
//! g(c)     = (D1 N1(c .) + D2 N2(c .) + D3+ N3+(c .)) / sum over x of a(c x)
//! ```
//!
//! a, the adjusted count, is the number of occurrences for n-grams of the longest length and for those that begin
//! with the token that begins a document; for all others it is the number of different tokens seen before them.
//! N1, N2 and N3+ count the tokens after c with an adjusted count of 1, of 2, and of 3 or more.
//!
//! The empty context leaves its g to the uniform distribution over the S tokens seen and the unknown one, 1 / (S + 1)
//! each, where `KenLM` has `<unk>`. The share of the unknown one is divided evenly among the V - S tokens that were
//! never seen, so that the V probabilities sum to 1. The token that begins a document is never predicted: it is one
//! of those.

use std::ops::Range;

use rayon::prelude::*;

use super::count::Counted;
use super::trie::{Level, Tokens, Trie};

/// Discounts where the closed form has none, as for tiny or artificial corpora: those of `lmplz --discount_fallback`.
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];

/// About how many n-grams are computed in one task; the result does not depend on it.
const TASK: usize = 1 << 15;

/// D1, D2 and D3+ of one n-gram length.
#[derive(Debug, Clone, Copy)]
struct Discounts([f64; 3]);

impl Discounts {
    /// Dj = j - (j + 1) Y n(j+1) / nj, with Y = n1 / (n1 + 2 n2), where nj n-grams have the (adjusted) count j.
    fn estimate(counts: impl Iterator<Item = u32>) -> Self {
        let mut n = [0_u64; 5];
        for count in counts {
            if let Some(n) = n.get_mut(count as usize) {
                *n += 1;
            }
        }
        let n = n.map(|n| n as f64);
        if n[1] == 0.0 || n[2] == 0.0 || n[3] == 0.0 {
            return Self(FALLBACK);
        }
        let y = n[1] / (n[1] + 2.0 * n[2]);
        let discounts = [1, 2, 3].map(|j| j as f64 - (j + 1) as f64 * y * n[j + 1] / n[j]);
        // A discount of 0 could leave a context nothing for the tokens that never followed it.
        let sound =
            discounts.iter().zip(1..).all(|(&discount, j)| discount > 0.0 && discount <= f64::from(j));
        Self(if sound { discounts } else { FALLBACK })
    }

    fn of(&self, count: u32) -> f64 {
        match count {
            0 => 0.0,
            _ => self.0[count.min(3) as usize - 1],
        }
    }
}

/// The sums over the tokens that follow one context.
#[derive(Debug, Default)]
struct Context {
    /// Sum of adjusted counts.
    total: u64,
    /// Mass taken from the tokens seen: discounts, and the counts of what is pruned.
    freed: f64,
}

impl Context {
    fn add(&mut self, count: u32, kept: bool, discounts: &Discounts) {
        self.total += u64::from(count);
        self.freed += if kept { discounts.of(count) } else { f64::from(count) };
    }

    /// g(c); a context that nothing follows leaves everything to its suffix.
    fn backoff(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.freed / self.total as f64 }
    }
}

/// Estimates a model from the counts of all n-gram lengths. n-grams of length k that occur at most `prune[k - 1]`
/// times are left out, and their mass goes to shorter contexts; `prune` rises, and begins with 0.
pub(super) fn estimate(mut counts: Vec<Counted>, bos: u32, prune: &[u32]) -> Trie {
    let order = counts.len();
    let vocab_size = counts[0].counts.len();
    let links = links(&counts);
    let kept: Vec<Vec<bool>> = if prune.iter().any(|&threshold| threshold > 0) {
        counts
            .iter()
            .zip(prune)
            .map(|(level, &limit)| level.counts.iter().map(|&count| count > limit).collect())
            .collect()
    } else {
        vec![Vec::new(); order]
    };
    adjust(&mut counts, &links, bos);

    let mut levels = Vec::with_capacity(order);
    let mut probability = unigrams(&counts[0].counts);
    let mut counts = counts.into_iter();
    let mut level = counts.next().expect("an order of at least 1");
    for ((next, link), kept) in counts.zip(links).zip(&kept[1..]) {
        let parents = Parents { first: &level.first, counts: &next.counts, kept };
        let (extended, backoff) = parents.extend(&link, &probability);
        levels.push(Level {
            tokens: Tokens::new(level.tokens, vocab_size),
            logprob: logarithms(probability),
            backoff: logarithms(backoff),
            first: level.first,
        });
        probability = extended;
        level = next;
    }
    levels.push(Level {
        tokens: Tokens::new(level.tokens, vocab_size),
        logprob: logarithms(probability),
        backoff: Vec::new(),
        first: Vec::new(),
    });
    let mut trie = Trie { levels };
    if !kept[0].is_empty() {
        trie.retain(&kept);
    }
    trie
}

/// For each n-gram of length 2 and more, the index of its suffix in the level above: `[order - 1][M]`.
fn links(levels: &[Counted]) -> Vec<Vec<u32>> {
    let mut links: Vec<Vec<u32>> = Vec::with_capacity(levels.len().saturating_sub(1));
    for k in 1..levels.len() {
        let (contexts, tokens) = (&levels[k - 1], &levels[k].tokens);
        let Some(context_links) = links.last() else {
            // The suffix of a bigram is its second token.
            links.push(tokens.clone());
            continue;
        };
        let mut link = vec![0_u32; tokens.len()];
        let tasks = tasks(&contexts.first);
        let parts = split(&mut link, tasks.iter().map(|task| children(&contexts.first, task).len()));
        tasks.into_par_iter().zip(parts).for_each(|(task, part)| {
            let mut part = part.iter_mut();
            for context in task {
                // What follows a context follows its suffix too, so both lists rise together.
                let suffix = context_links[context] as usize;
                let mut range =
                    levels[k - 2].first[suffix] as usize..levels[k - 2].first[suffix + 1] as usize;
                let own = contexts.first[context] as usize..contexts.first[context + 1] as usize;
                for (&token, link) in tokens[own].iter().zip(part.by_ref()) {
                    range.start += distance(&contexts.tokens[range.clone()], token);
                    *link = range.start as u32;
                }
            }
        });
        links.push(link);
    }
    links
}

/// How many of a rising list are below `token`, found in time logarithmic in that number.
fn distance(list: &[u32], token: u32) -> usize {
    let mut bound = 1;
    while bound <= list.len() && list[bound - 1] < token {
        bound *= 2;
    }
    let from = bound / 2;
    from + list[from..bound.min(list.len())].partition_point(|&other| other < token)
}

/// Turns occurrences into adjusted counts.
fn adjust(levels: &mut [Counted], links: &[Vec<u32>], bos: u32) {
    // The n-grams that begin with `bos` lie side by side on each level, and nothing is ever seen before them.
    let mut begin = bos as usize..bos as usize + 1;
    for (k, link) in links.iter().enumerate() {
        let level = &mut levels[k];
        let kept = level.counts[begin.clone()].to_vec();
        level.counts.fill(0);
        for &suffix in link {
            level.counts[suffix as usize] += 1;
        }
        level.counts[begin.clone()].copy_from_slice(&kept);
        begin = level.first[begin.start] as usize..level.first[begin.end] as usize;
    }
    levels[0].counts[bos as usize] = 0;
}

/// p(w) of every token.
fn unigrams(counts: &[u32]) -> Vec<f32> {
    let discounts = Discounts::estimate(counts.iter().copied());
    let mut context = Context::default();
    let mut seen = 0_usize;
    for &count in counts {
        context.add(count, true, &discounts);
        seen += usize::from(count > 0);
    }
    let unseen = counts.len() - seen;
    let uniform = context.backoff() / (seen + usize::from(unseen > 0)) as f64;
    let probability = |&count: &u32| {
        if count == 0 {
            (uniform / unseen as f64) as f32
        } else {
            ((f64::from(count) - discounts.of(count)) / context.total as f64 + uniform) as f32
        }
    };
    counts.iter().map(probability).collect()
}

/// The contexts of one level, with what follows each.
struct Parents<'a> {
    /// Where the children of each begin. `[P + 1]`
    first: &'a [u32],
    /// Adjusted counts of the children. `[M]`
    counts: &'a [u32],
    /// Which children are not pruned, `[M]`; nothing where all are kept.
    kept: &'a [bool],
}

impl Parents<'_> {
    /// The probability of each child `[M]` and the weight g of each parent `[P]`, from the probabilities of the
    /// shorter n-grams that `link` `[M]` names.
    fn extend(&self, link: &[u32], shorter: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let discounts = Discounts::estimate(self.counts.iter().copied());
        let mut probability = vec![0.0_f32; self.counts.len()];
        let mut backoff = vec![1.0_f32; self.first.len() - 1];
        let tasks = tasks(self.first);
        let probabilities =
            split(&mut probability, tasks.iter().map(|task| children(self.first, task).len()));
        let backoffs = split(&mut backoff, tasks.iter().map(Range::len));
        tasks.into_par_iter().zip(probabilities).zip(backoffs).for_each(|((task, probability), backoff)| {
            let begin = self.first[task.start] as usize;
            for (parent, backoff) in task.zip(backoff) {
                let own = self.first[parent] as usize..self.first[parent + 1] as usize;
                let mut context = Context::default();
                for child in own.clone() {
                    let kept = self.kept.is_empty() || self.kept[child];
                    context.add(self.counts[child], kept, &discounts);
                }
                let left = context.backoff();
                for child in own {
                    let count = self.counts[child];
                    let seen = (f64::from(count) - discounts.of(count)) / context.total as f64;
                    let lower = f64::from(shorter[link[child] as usize]);
                    probability[child - begin] = (seen + left * lower) as f32;
                }
                *backoff = left as f32;
            }
        });
        (probability, backoff)
    }
}

/// Cuts the parents of one level into runs with about equally many children.
fn tasks(first: &[u32]) -> Vec<Range<usize>> {
    let parents = first.len() - 1;
    let mut tasks = Vec::new();
    let mut begin = 0;
    for parent in 0..parents {
        if (first[parent + 1] - first[begin]) as usize >= TASK || parent + 1 == parents {
            tasks.push(begin..parent + 1);
            begin = parent + 1;
        }
    }
    tasks
}

/// The children of a run of parents.
fn children(first: &[u32], parents: &Range<usize>) -> Range<usize> {
    first[parents.start] as usize..first[parents.end] as usize
}

/// Cuts a slice into pieces of these lengths.
fn split<T>(mut slice: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lengths
        .map(|length| {
            let (piece, rest) = std::mem::take(&mut slice).split_at_mut(length);
            slice = rest;
            piece
        })
        .collect()
}

fn logarithms(mut values: Vec<f32>) -> Vec<f32> {
    // Rounding may carry a sum above 1.
    values.par_iter_mut().for_each(|value| *value = value.ln().min(0.0));
    values
}
