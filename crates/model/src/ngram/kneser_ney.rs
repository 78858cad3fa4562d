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

use artifact::Result;

use super::column::{Column, Place, Words};
use super::count::Counted;
use super::kept::Kept;
use super::links::{links, suffixes};
use super::tasks::{TASK, children, in_order, write_in_order};
use super::trie::{Context, Level, Trie};

/// Discounts where the closed form has none, as for tiny or artificial corpora: those of `lmplz --discount_fallback`.
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];

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
struct Mass {
    /// Sum of adjusted counts.
    total: u64,
    /// Mass taken from the tokens seen: discounts, and the counts of what is pruned.
    freed: f64,
}

impl Mass {
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
/// times are left out, and their mass goes to shorter contexts; `prune` rises, and begins with 0. `window` is how many
/// counters memory holds at once.
pub(super) fn estimate(
    mut counts: Vec<Counted>,
    bos: u32,
    prune: &[u32],
    window: usize,
    place: Place<'_>,
) -> Result<Trie> {
    let order = counts.len();
    let links = links(&counts, place)?;
    let mut kept: Vec<Kept> = Vec::with_capacity(order);
    for (level, &limit) in counts.iter().zip(prune) {
        kept.push(Kept::above(level.counts.as_slice(), limit));
    }
    adjust(&mut counts, &links, bos, window, place)?;

    let mut levels = Vec::with_capacity(order);
    let mut probability = Column::new(place)?;
    probability.extend(&unigrams(counts[0].counts.as_slice()))?;
    let mut probability = probability.finish()?;
    for k in 1..order {
        let [level, next] = &counts[k - 1..=k] else { unreachable!("a window of two") };
        let parents =
            Parents { first: level.first.as_slice(), counts: next.counts.as_slice(), kept: &kept[k] };
        let link = suffixes(&counts, &links, k);
        let (extended, backoff) = parents.extend(link, probability.as_slice(), place)?;
        let records = Records {
            tokens: level.tokens.as_slice(),
            probability: probability.as_slice(),
            kept: &kept[k - 1],
        };
        levels.push(records.contexts(backoff.as_slice(), level.first.as_slice(), &kept[k], place)?);
        probability = extended;
        // What is read no more; the tokens of level 2 are the links of its n-grams.
        let level = &mut counts[k - 1];
        level.counts = Words::default();
        if k > 1 {
            level.first = Words::default();
        }
    }
    let records = Records {
        tokens: counts[order - 1].tokens.as_slice(),
        probability: probability.as_slice(),
        kept: &kept[order - 1],
    };
    levels.push(records.longest(place)?);
    Ok(Trie::new(levels))
}

/// Turns occurrences into adjusted counts.
fn adjust(levels: &mut [Counted], links: &[Words], bos: u32, window: usize, place: Place<'_>) -> Result<()> {
    // The n-grams that begin with `bos` lie side by side on each level, and nothing is ever seen before them.
    let mut begin = bos as usize..bos as usize + 1;
    for k in 1..levels.len() {
        let occurrences = levels[k - 1].counts.as_slice();
        let link = suffixes(levels, links, k);
        let mut adjusted = Column::new(place)?;
        // A pass over the longer n-grams for each part of the counters that memory holds.
        let mut counters = vec![0_u32; window.min(occurrences.len())];
        for start in (0..occurrences.len()).step_by(window) {
            let part = start..start.saturating_add(window).min(occurrences.len());
            let counters = &mut counters[..part.len()];
            counters.fill(0);
            for &suffix in link {
                if let Some(counter) = counters.get_mut((suffix as usize).wrapping_sub(start)) {
                    *counter += 1;
                }
            }
            let own = begin.start.clamp(part.start, part.end)..begin.end.clamp(part.start, part.end);
            counters[own.start - start..own.end - start].copy_from_slice(&occurrences[own]);
            if k == 1 && part.contains(&(bos as usize)) {
                counters[bos as usize - start] = 0;
            }
            adjusted.extend(counters)?;
        }
        levels[k - 1].counts = adjusted.finish()?;
        let first = levels[k - 1].first.as_slice();
        begin = first[begin.start] as usize..first[begin.end] as usize;
    }
    if let [only] = levels {
        let mut counts = only.counts.as_slice().to_vec();
        counts[bos as usize] = 0;
        only.counts = Words::Memory(counts);
    }
    Ok(())
}

/// p(w) of every token, as the bits of floats. `[V]`
fn unigrams(counts: &[u32]) -> Vec<u32> {
    let discounts = Discounts::estimate(counts.iter().copied());
    let mut mass = Mass::default();
    let mut seen = 0_usize;
    for &count in counts {
        mass.add(count, true, &discounts);
        seen += usize::from(count > 0);
    }
    let unseen = counts.len() - seen;
    let uniform = mass.backoff() / (seen + usize::from(unseen > 0)) as f64;
    let probability = |&count: &u32| {
        let p = if count == 0 {
            (uniform / unseen as f64) as f32
        } else {
            ((f64::from(count) - discounts.of(count)) / mass.total as f64 + uniform) as f32
        };
        p.to_bits()
    };
    counts.iter().map(probability).collect()
}

/// The contexts of one level, with what follows each.
struct Parents<'a> {
    /// Where the children of each begin. `[P + 1]`
    first: &'a [u32],
    /// Adjusted counts of the children. `[M]`
    counts: &'a [u32],
    /// Which children are not pruned.
    kept: &'a Kept,
}

impl Parents<'_> {
    /// The probability of each child `[M]` and the weight g of each parent `[P]`, from the probabilities of the
    /// shorter n-grams that `link` `[M]` names; all of them as the bits of floats.
    fn extend(&self, link: &[u32], shorter: &[u32], place: Place<'_>) -> Result<(Words, Words)> {
        let discounts = Discounts::estimate(self.counts.iter().copied());
        let [probability, backoff] = in_order(self.first, place, |task| {
            let mut probability = Vec::with_capacity(children(self.first, &task).len());
            let mut backoff = Vec::with_capacity(task.len());
            for parent in task {
                let own = self.first[parent] as usize..self.first[parent + 1] as usize;
                let mut mass = Mass::default();
                for child in own.clone() {
                    mass.add(self.counts[child], self.kept.contains(child), &discounts);
                }
                let left = mass.backoff();
                for child in own {
                    let count = self.counts[child];
                    let seen = (f64::from(count) - discounts.of(count)) / mass.total as f64;
                    let lower = f64::from(f32::from_bits(shorter[link[child] as usize]));
                    probability.push(((seen + left * lower) as f32).to_bits());
                }
                backoff.push((left as f32).to_bits());
            }
            [probability, backoff]
        })?;
        Ok((probability, backoff))
    }
}

/// One level, to be stored.
struct Records<'a> {
    /// The last token of each. `[M]`, at level 1 nothing
    tokens: &'a [u32],
    /// The bits of the probability of each. `[M]`
    probability: &'a [u32],
    /// Which are not pruned.
    kept: &'a Kept,
}

impl Records<'_> {
    /// n-grams that have weights `[M]` and children.
    fn contexts(
        &self,
        backoff: &[u32],
        first: &[u32],
        children_kept: &Kept,
        place: Place<'_>,
    ) -> Result<Level> {
        let context = |index: usize| -> Context {
            let children = children_kept.rank(first[index]);
            [logarithm(self.probability[index]), logarithm(backoff[index]), children]
        };
        self.level(context, &[0, 0, children_kept.rank(first[first.len() - 1])], place)
    }

    /// n-grams of the longest length.
    fn longest(&self, place: Place<'_>) -> Result<Level> {
        self.level(|index| [logarithm(self.probability[index])], &[], place)
    }

    fn level<const N: usize>(
        &self,
        values_of: impl Fn(usize) -> [u32; N] + Sync,
        end: &[u32],
        place: Place<'_>,
    ) -> Result<Level> {
        let count = self.probability.len();
        let tasks: Vec<Range<usize>> =
            (0..count).step_by(TASK).map(|begin| begin..(begin + TASK).min(count)).collect();
        let (mut tokens, mut values) = (Column::new(place)?, Column::new(place)?);
        let task = |task: Range<usize>| {
            let kept = |index: &usize| self.kept.contains(*index);
            let tokens = task.clone().filter(kept).filter_map(|index| self.tokens.get(index).copied());
            [tokens.collect(), task.filter(kept).flat_map(&values_of).collect()]
        };
        write_in_order(tasks, task, [&mut tokens, &mut values])?;
        values.extend(end)?;
        Ok(Level::new(tokens.finish()?, values.finish()?))
    }
}

/// Of a probability or weight, as the bits of floats.
fn logarithm(bits: u32) -> u32 {
    // Rounding may carry a sum above 1.
    f32::from_bits(bits).ln().min(0.0).to_bits()
}
