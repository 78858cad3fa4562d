//! Work on one level, in parallel, whose results are written in order.

use std::ops::Range;

use artifact::Result;
use rayon::prelude::*;

use super::column::{Column, Place, Words};

/// About how many n-grams are computed in one task; the result does not depend on it.
pub(super) const TASK: usize = 1 << 15;

/// Runs tasks over the parents of one level in parallel, and writes what they give, in order.
pub(super) fn in_order<const N: usize>(
    first: &[u32],
    place: Place<'_>,
    task: impl Fn(Range<usize>) -> [Vec<u32>; N] + Sync,
) -> Result<[Words; N]> {
    let mut columns = Vec::with_capacity(N);
    for _ in 0..N {
        columns.push(Column::new(place)?);
    }
    let mut columns: [Column; N] = columns.try_into().expect("as many as asked for");
    write_in_order(tasks(first), task, columns.each_mut())?;
    let words = columns.into_iter().map(Column::finish).collect::<Result<Vec<_>>>()?;
    Ok(words.try_into().expect("one for each column"))
}

/// Runs tasks in parallel, and writes what they give, in order.
pub(super) fn write_in_order<const N: usize>(
    tasks: Vec<Range<usize>>,
    task: impl Fn(Range<usize>) -> [Vec<u32>; N] + Sync,
    mut columns: [&mut Column; N],
) -> Result<()> {
    // As many results as keep all threads busy, and no more.
    for batch in tasks.chunks(4 * rayon::current_num_threads()) {
        let results: Vec<[Vec<u32>; N]> = batch.par_iter().map(|range| task(range.clone())).collect();
        for result in results {
            for (column, values) in columns.iter_mut().zip(result) {
                column.extend(&values)?;
            }
        }
    }
    Ok(())
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
pub(super) fn children(first: &[u32], parents: &Range<usize>) -> Range<usize> {
    first[parents.start] as usize..first[parents.end] as usize
}
