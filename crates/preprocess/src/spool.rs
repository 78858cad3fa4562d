//! The conversations that passed the first filters, cleaned, on disk: later passes read them from there.

use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use artifact::conversation::Conversation;
use artifact::json::{self, Block};
use artifact::{Error, Result};
use fs_err as fs;

use crate::rounds::BLOCK;

/// Conversations as JSON lines, in the order in which they were read, and where each begins.
#[derive(Debug)]
pub(crate) struct Spool {
    talks: PathBuf,
    starts: PathBuf,
    writers: [BufWriter<fs::File>; 2],
    /// Where the next begins.
    end: u64,
    pub(crate) len: u32,
}

impl Spool {
    /// Starts both files in a directory.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let (talks, starts) = (dir.join("spool.jsonl"), dir.join("spool.starts"));
        let writers = [BufWriter::new(fs::File::create(&talks)?), BufWriter::new(fs::File::create(&starts)?)];
        Ok(Self { talks, starts, writers, end: 0, len: 0 })
    }

    /// Appends a conversation as its line; gives its place.
    pub(crate) fn push(&mut self, line: &[u8]) -> Result<u32> {
        let index = self.len;
        self.len = index.checked_add(1).ok_or_else(|| {
            Error::refused("more than 4294967295 conversations")
                .with_hint("divide them by --shard 1/2 and so on")
        })?;
        self.writers[1].write_all(&self.end.to_le_bytes())?;
        self.writers[0].write_all(line)?;
        self.end += line.len() as u64;
        Ok(index)
    }

    /// Ends writing.
    pub(crate) fn finish(&mut self) -> Result<()> {
        for writer in &mut self.writers {
            writer.flush()?;
        }
        Ok(())
    }

    /// Bytes of all conversations.
    pub(crate) fn size(&self) -> u64 {
        self.end
    }

    /// All conversations, in order, in blocks.
    pub(crate) fn blocks(&self) -> Result<impl Iterator<Item = Result<Block>>> {
        json::blocks(&self.talks, BLOCK)
    }

    /// Opens it to read conversations by their places.
    pub(crate) fn reader(&self) -> Result<Reader> {
        Ok(Reader {
            talks: fs::File::open(&self.talks)?,
            starts: fs::File::open(&self.starts)?,
            end: self.end,
        })
    }

    /// Removes both files.
    pub(crate) fn remove(self) -> Result<()> {
        // Some systems remove no file that is open.
        drop(self.writers);
        fs::remove_file(&self.talks)?;
        Ok(fs::remove_file(&self.starts)?)
    }
}

/// The conversations of a block of the spool, each with its place.
pub(crate) fn talks(block: &Block) -> impl Iterator<Item = Result<(u32, Conversation)>> + '_ {
    block.values().map(|value| value.map(|(line, talk)| (line as u32 - 1, talk)))
}

/// Reads conversations by their places.
#[derive(Debug)]
pub(crate) struct Reader {
    talks: fs::File,
    starts: fs::File,
    end: u64,
}

impl Reader {
    /// The conversation of a place.
    pub(crate) fn get(&mut self, index: u32) -> Result<Conversation> {
        self.starts.seek(SeekFrom::Start(8 * u64::from(index)))?;
        let mut bounds = Vec::with_capacity(16);
        (&mut self.starts as &mut dyn Read).take(16).read_to_end(&mut bounds)?;
        let bound = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let start = bound(&bounds[..8]);
        let end = if bounds.len() == 16 { bound(&bounds[8..]) } else { self.end };
        let mut line = vec![0; (end - start) as usize];
        self.talks.seek(SeekFrom::Start(start))?;
        self.talks.read_exact(&mut line)?;
        Ok(serde_json::from_slice(&line).expect("the spool holds what was written as JSON"))
    }
}
