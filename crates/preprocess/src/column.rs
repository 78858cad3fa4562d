//! A key of each conversation on disk, by which equal ones are brought together in memory of a given size.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use artifact::Result;
use fs_err as fs;
use rayon::prelude::*;

/// A key and the place of the conversation that has it.
pub(crate) type Entry = (u64, u32);

/// Bytes of an entry on disk.
const BYTES: usize = 12;

/// Entries, in the order in which they were pushed.
#[derive(Debug)]
pub(crate) struct Column {
    path: PathBuf,
    writer: BufWriter<fs::File>,
    entries: usize,
}

impl Column {
    /// Starts a file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(fs::File::create(path)?), entries: 0 })
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, key: u64, index: u32) -> Result<()> {
        self.writer.write_all(&key.to_le_bytes())?;
        self.writer.write_all(&index.to_le_bytes())?;
        self.entries += 1;
        Ok(())
    }

    /// Calls `each` with all entries, sorted, in parts that fit into so many bytes; those of a key are in one part.
    pub(crate) fn sorted(
        &mut self,
        memory: usize,
        mut each: impl FnMut(&[Entry]) -> Result<()>,
    ) -> Result<()> {
        self.writer.flush()?;
        let parts = (self.entries * size_of::<Entry>()).div_ceil(memory.max(1)).max(1) as u128;
        for part in 0..parts {
            let mut entries: Vec<Entry> = Vec::with_capacity(self.entries / parts as usize);
            let mut reader = BufReader::with_capacity(1 << 18, fs::File::open(&self.path)?);
            let mut bytes = [0; BYTES];
            for _ in 0..self.entries {
                reader.read_exact(&mut bytes)?;
                let (key, index) = bytes.split_at(8);
                let key = u64::from_le_bytes(key.try_into().expect("eight bytes"));
                // Keys are hashes, so that parts are about as long as each other.
                if (u128::from(key) * parts) >> 64 == part {
                    entries.push((key, u32::from_le_bytes(index.try_into().expect("four bytes"))));
                }
            }
            entries.par_sort_unstable();
            each(&entries)?;
        }
        Ok(())
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<()> {
        // Some systems remove no file that is open.
        drop(self.writer);
        Ok(fs::remove_file(&self.path)?)
    }
}

/// The runs of equal keys.
pub(crate) fn groups(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|(a, _), (b, _)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_memory_brings_the_same_together() {
        let dir = tempfile::tempdir().unwrap();
        let mut column = Column::create(&dir.path().join("column")).unwrap();
        let key = |index: u32| u64::from(index % 37).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for index in 0..1000 {
            column.push(key(index), index).unwrap();
        }
        for memory in [0, 100, 4000, 1 << 20] {
            let mut found: Vec<Vec<u32>> = Vec::new();
            column
                .sorted(memory, |entries| {
                    found.extend(groups(entries).map(|group| group.iter().map(|entry| entry.1).collect()));
                    Ok(())
                })
                .unwrap();
            found.sort_unstable();
            let expected: Vec<Vec<u32>> = (0..37).map(|first| (first..1000).step_by(37).collect()).collect();
            assert_eq!(found, expected);
        }
        column.remove().unwrap();
    }
}
