//! Files mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Deref;

/// The bytes of a file, which the system reads from disk where they are looked at, and may forget again.
#[derive(Debug)]
pub struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps a whole file, as long as it is now.
    ///
    /// # Obligation
    /// That no process writes into the file or cuts it short while the mapping lives. Files of published directories are
    /// never modified, and are replaced by renaming, which leaves a mapped file as it is; so are unnamed files that only
    /// their writer has open. Where somebody breaks this, the bytes change under the reader, and reading beyond a cut
    /// ends the process.
    ///
    /// # Errors
    /// When the system cannot map the file.
    pub fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only and owns its pages; that the file stays as it is, is the caller's obligation above.
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
