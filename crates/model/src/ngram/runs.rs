//! Sorting more keys than memory holds: sorted runs on disk, which are merged (Knuth, vol. 3, section 5.4).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use artifact::Result;
use bytemuck::Pod;
use rayon::prelude::*;

/// Runs that are merged at once, each of which holds a file open.
const FAN_IN: usize = 128;
/// Bytes that are read from a run at once.
const READ: usize = 1 << 16;

/// Keys, as they come.
pub(super) struct Sorter<K> {
    keys: Vec<K>,
    /// Keys that memory holds, and where further ones go.
    limit: Option<(usize, PathBuf)>,
    /// Different keys and their counts, rising.
    runs: Vec<File>,
}

impl<K: Ord + Pod + Send> Sorter<K> {
    /// For about this many keys, all in memory.
    pub(super) fn in_memory(keys: usize) -> Self {
        Self { keys: Vec::with_capacity(keys), limit: None, runs: Vec::new() }
    }

    /// Keys take `bytes` of memory, further ones files in `dir`.
    pub(super) fn bounded(bytes: usize, dir: PathBuf) -> Self {
        let keys = (bytes / size_of::<K>()).max(1);
        Self { keys: Vec::with_capacity(keys), limit: Some((keys, dir)), runs: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, key: K) -> Result<()> {
        if let Some((limit, _)) = self.limit
            && self.keys.len() == limit
        {
            self.spill()?;
        }
        self.keys.push(key);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let (_, dir) = self.limit.as_ref().expect("only a bounded sorter is ever full");
        self.keys.par_sort_unstable();
        let mut run = Run::create(dir)?;
        for equal in self.keys.chunk_by(|a, b| a == b) {
            run.push(equal[0], equal.len() as u32)?;
        }
        self.keys.clear();
        self.runs.push(run.finish()?);
        if self.runs.len() == FAN_IN {
            let mut merged = Run::create(dir)?;
            merge(std::mem::take(&mut self.runs), |key: K, count| merged.push(key, count))?;
            self.runs.push(merged.finish()?);
        }
        Ok(())
    }

    /// Gives the different keys, rising, and how often each was pushed.
    pub(super) fn for_each(mut self, mut visit: impl FnMut(K, u32) -> Result<()>) -> Result<()> {
        if self.runs.is_empty() {
            self.keys.par_sort_unstable();
            return self
                .keys
                .chunk_by(|a, b| a == b)
                .try_for_each(|equal| visit(equal[0], equal.len() as u32));
        }
        self.spill()?;
        drop(self.keys);
        merge(self.runs, visit)
    }
}

/// A run that is being written.
struct Run(BufWriter<File>);

impl Run {
    fn create(dir: &PathBuf) -> Result<Self> {
        Ok(Self(BufWriter::with_capacity(READ, tempfile::tempfile_in(dir)?)))
    }

    fn push<K: Pod>(&mut self, key: K, count: u32) -> Result<()> {
        self.0.write_all(bytemuck::bytes_of(&key))?;
        Ok(self.0.write_all(&count.to_ne_bytes())?)
    }

    /// The file, at its begin.
    fn finish(self) -> Result<File> {
        let mut file = self.0.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}

/// Gives the different keys of all runs, rising, with the sums of their counts.
fn merge<K: Ord + Pod>(runs: Vec<File>, mut visit: impl FnMut(K, u32) -> Result<()>) -> Result<()> {
    let mut runs: Vec<BufReader<File>> =
        runs.into_iter().map(|run| BufReader::with_capacity(READ, run)).collect();
    // The next key of each run; of equal ones in any order, as only their sum matters.
    let mut heads = BinaryHeap::with_capacity(runs.len());
    for (index, run) in runs.iter_mut().enumerate() {
        heads.extend(next::<K>(run)?.map(|(key, count)| Reverse((key, index, count))));
    }
    let mut current: Option<(K, u32)> = None;
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((key, index, count)) = *head;
        match next::<K>(&mut runs[index])? {
            Some((key, count)) => *head = Reverse((key, index, count)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        match &mut current {
            Some((same, sum)) if *same == key => *sum += count,
            current => {
                if let Some((key, sum)) = current.replace((key, count)) {
                    visit(key, sum)?;
                }
            }
        }
    }
    current.map_or(Ok(()), |(key, sum)| visit(key, sum))
}

fn next<K: Pod>(run: &mut impl Read) -> Result<Option<(K, u32)>> {
    let mut key = K::zeroed();
    match run.read_exact(bytemuck::bytes_of_mut(&mut key)) {
        // Only whole entries were written.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        done => done?,
    }
    let mut count = [0; 4];
    run.read_exact(&mut count)?;
    Ok(Some((key, u32::from_ne_bytes(count))))
}
