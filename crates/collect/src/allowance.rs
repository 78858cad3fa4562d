//! Reading an input of any size in bounded memory: what is held of it at a time has a limit.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use artifact::Error;

/// The largest record of an input that is read record by record, in bytes: a long conversation is far below, a broken
/// file may be one record of gigabytes.
const LARGEST_RECORD: u64 = 64 << 20;

/// Bytes that may still be read before one record has ended.
#[derive(Debug)]
pub(crate) struct Allowance(Cell<u64>);

impl Allowance {
    /// Allows one record.
    pub(crate) fn new() -> Self {
        Self(Cell::new(LARGEST_RECORD))
    }

    /// A record has ended: allows another.
    pub(crate) fn renew(&self) {
        self.0.set(LARGEST_RECORD);
    }

    /// The same bytes, of which no more than allowed can be read.
    pub(crate) fn limit<'a, R: Read>(&'a self, path: &'a Path, reader: R) -> Limited<'a, R> {
        Limited { left: &self.0, path, reader }
    }
}

/// What [`Allowance::limit`] gives.
#[derive(Debug)]
pub(crate) struct Limited<'a, R> {
    left: &'a Cell<u64>,
    path: &'a Path,
    reader: R,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64).ok_or_else(|| {
            let expected = format!("records of at most {} MiB", LARGEST_RECORD >> 20);
            io::Error::other(Error::malformed(self.path, expected, "a larger one"))
        })?;
        self.left.set(left);
        Ok(read)
    }
}
