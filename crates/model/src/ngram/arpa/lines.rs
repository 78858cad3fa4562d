use std::io::{BufRead, BufReader};
use std::path::Path;

use artifact::{Error, Place, Result};
use fs_err as fs;

/// The lines of a file, one at a time.
pub(super) struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<fs::File>,
    /// Of the line read last, from 1.
    number: usize,
    text: String,
}

impl<'a> Lines<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        Ok(Self { path, reader: BufReader::new(fs::File::open(path)?), number: 0, text: String::new() })
    }

    pub(super) fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::at(self.path, Place::Line(self.number), expected, found)
    }

    /// Goes to the next line that is not blank; `expected` is what to ask for where the file ends.
    pub(super) fn advance(&mut self, expected: &str) -> Result<()> {
        loop {
            self.number += 1;
            let mut bytes = std::mem::take(&mut self.text).into_bytes();
            bytes.clear();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE);
            let length = limited.read_until(b'\n', &mut bytes)?;
            if length == 0 {
                return Err(self.malformed(expected, "the end of the file"));
            }
            if length as u64 == LONGEST_LINE {
                return Err(self.malformed(format!("a line below {LONGEST_LINE} bytes"), "a longer one"));
            }
            self.text = String::from_utf8(bytes).map_err(|_| self.malformed("UTF-8", "other bytes"))?;
            if !self.line().is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn line(&self) -> &str {
        self.text.trim()
    }

    /// Goes to the next line, which must be this one.
    pub(super) fn expect(&mut self, line: &str) -> Result<()> {
        self.advance(line)?;
        if self.line() == line {
            return Ok(());
        }
        Err(self
            .malformed(format!("{line} after as many n-grams as announced"), format!("`{}`", self.line())))
    }
}

/// Bytes: an n-gram of ids is far shorter.
const LONGEST_LINE: u64 = 1 << 16;
