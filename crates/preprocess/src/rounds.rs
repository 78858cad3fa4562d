//! Work on blocks of lines from all threads, taken in order: memory holds one round, and the threads change nothing.

use artifact::Result;
use artifact::json::Block;
use rayon::prelude::*;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 1 << 20;
/// Blocks of a round, whatever the number of threads: what is done between rounds depends on the input alone.
const ROUND: usize = 16;

/// Calls `work` on every block, many at once, and `take` on what comes of them, in order.
pub(crate) fn in_rounds<R: Send>(
    mut blocks: impl Iterator<Item = Result<Block>>,
    work: impl Fn(&Block) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    loop {
        let round: Vec<Block> = blocks.by_ref().take(ROUND).collect::<Result<_>>()?;
        if round.is_empty() {
            return Ok(());
        }
        let done: Vec<Result<R>> = round.par_iter().map(&work).collect();
        for one in done {
            take(one?)?;
        }
    }
}
