//! JSON lines in blocks, for readers that parse many lines at once.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::DeserializeOwned;

use super::{LONGEST_LINE, parse, too_long, without_mark};
use crate::Result;

/// Whole lines that follow each other in a file.
#[derive(Debug)]
pub struct Block {
    path: PathBuf,
    /// The number of its first line, from 1.
    first_line: usize,
    bytes: Vec<u8>,
}

impl Block {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Parses its lines, each with its number; blank lines are skipped.
    pub fn values<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<(usize, T)>> + '_ {
        let lines = self.bytes.split(|byte| *byte == b'\n').zip(self.first_line..);
        lines.filter_map(|(line, number)| {
            let line = if number == 1 { without_mark(line) } else { line }.trim_ascii_end();
            let blank = line.iter().all(u8::is_ascii_whitespace);
            (!blank).then(|| parse(&self.path, number, line).map(|value| (number, value)))
        })
    }
}

/// Reads a file block by block.
#[derive(Debug)]
pub struct Blocks {
    path: PathBuf,
    reader: BufReader<fs::File>,
    next_line: usize,
    bytes: usize,
}

/// Opens a file of JSON lines; a block has at least so many bytes, but for the last, and ends with a line.
pub fn blocks(path: &Path, bytes: usize) -> Result<Blocks> {
    let reader = BufReader::new(fs::File::open(path)?);
    Ok(Blocks { path: path.to_owned(), reader, next_line: 1, bytes })
}

impl Blocks {
    fn read(&mut self) -> Result<Option<Block>> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(self.bytes as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.next_line;
        let breaks = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() - 1;
        self.next_line += breaks(&bytes);
        if bytes.last() != Some(&b'\n') {
            let begun = bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
            let length = bytes.len();
            self.reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes)?;
            if (begun + bytes.len() - length) as u64 > LONGEST_LINE {
                return Err(too_long(&self.path, self.next_line));
            }
            self.next_line += breaks(&bytes[length..]);
        }
        Ok(Some(Block { path: self.path.clone(), first_line, bytes }))
    }
}

impl Iterator for Blocks {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_any_size_hold_the_same_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.jsonl");
        let text = "\u{feff}1\n\n22\r\n333\n  \n4444\n55555";
        fs::write(&path, text).unwrap();
        for bytes in 1..=text.len() + 1 {
            let mut read: Vec<(usize, u32)> = Vec::new();
            for block in blocks(&path, bytes).unwrap() {
                read.extend(block.unwrap().values().map(Result::unwrap));
            }
            assert_eq!(read, [(1, 1), (3, 22), (4, 333), (6, 4444), (7, 55555)]);
        }
    }

    #[test]
    fn an_error_names_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.jsonl");
        fs::write(&path, "1\n2\nx\n").unwrap();
        let blocks = blocks(&path, 2).unwrap().map(Result::unwrap);
        let read: Result<Vec<(usize, u32)>> =
            blocks.flat_map(|block| block.values().collect::<Vec<_>>()).collect();
        assert!(read.unwrap_err().to_string().contains("numbers.jsonl:3: "));
    }
}
