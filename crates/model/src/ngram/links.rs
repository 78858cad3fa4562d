//! The suffix of every n-gram.

use artifact::Result;

use super::column::{Place, Words};
use super::count::Counted;
use super::tasks::{children, in_order};

/// For each n-gram of length 3 and more, the index of its suffix in the level above: `[order - 2][M]`.
pub(super) fn links(levels: &[Counted], place: Place<'_>) -> Result<Vec<Words>> {
    let mut links: Vec<Words> = Vec::with_capacity(levels.len().saturating_sub(2));
    for k in 2..levels.len() {
        let context_links = suffixes(levels, &links, k - 1);
        let shorter = levels[k - 2].first.as_slice();
        let (first, suffixes) = (levels[k - 1].first.as_slice(), levels[k - 1].tokens.as_slice());
        let tokens = levels[k].tokens.as_slice();
        let [link] = in_order(first, place, |task| {
            let mut links = Vec::with_capacity(children(first, &task).len());
            for context in task {
                // What follows a context follows its suffix too, so both lists rise together.
                let suffix = context_links[context] as usize;
                let mut range = shorter[suffix] as usize..shorter[suffix + 1] as usize;
                for &token in &tokens[first[context] as usize..first[context + 1] as usize] {
                    range.start += distance(&suffixes[range.clone()], token);
                    links.push(range.start as u32);
                }
            }
            [links]
        })?;
        links.push(link);
    }
    Ok(links)
}

/// The index of the suffix of each n-gram of level `k + 1` in level k. `[M]`
pub(super) fn suffixes<'a>(levels: &'a [Counted], links: &'a [Words], k: usize) -> &'a [u32] {
    // The suffix of a bigram is its second token.
    if k == 1 { levels[1].tokens.as_slice() } else { links[k - 2].as_slice() }
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
