//! Writing a split document by document, with one file of it in memory.

use std::path::{Path, PathBuf};

use super::{Document, Documents, write_whole};
use crate::conversation::Split;
use crate::{Error, Result};

/// Tokens in one file before the next is begun: 16 Mi, 48 MiB at 16 bits and a byte of loss.
const PER_FILE: usize = 16 << 20;

/// Writes `SPLIT-00000.safetensors`, `SPLIT-00001.safetensors`, ...; the same documents give the same bytes.
#[derive(Debug)]
pub struct ShardWriter {
    dir: PathBuf,
    split: Split,
    vocab_size: usize,
    files: usize,
    /// Those of the file that is begun.
    documents: Documents,
    per_file: usize,
}

impl ShardWriter {
    /// Writes into `dir`, which must exist, 16 bits a token where the vocabulary allows it.
    pub fn new(dir: &Path, split: Split, vocab_size: usize) -> Self {
        let documents = Documents::new();
        Self { dir: dir.to_owned(), split, vocab_size, files: 0, documents, per_file: PER_FILE }
    }

    #[cfg(test)]
    pub(super) fn with_tokens(self, per_file: usize) -> Self {
        Self { per_file, ..self }
    }

    /// Appends a document. A file has at least one, and no more than 16 Mi tokens where that is possible.
    ///
    /// # Errors
    /// [`Error::Refused`] when a token is outside the vocabulary.
    pub fn push(&mut self, document: Document<'_>) -> Result<()> {
        if let Some(token) = document.tokens.iter().find(|&&token| token as usize >= self.vocab_size) {
            return Err(Error::refused(format!(
                "token {token} is outside a vocabulary of {}",
                self.vocab_size
            )));
        }
        let full = self.documents.tokens.len() + document.tokens.len() > self.per_file;
        if full && !self.documents.is_empty() {
            self.write()?;
        }
        self.documents.push(document);
        Ok(())
    }

    /// Writes the last file; a split without documents has one without any.
    pub fn finish(mut self) -> Result<()> {
        if self.files == 0 || !self.documents.is_empty() { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let path = self.dir.join(format!("{}-{:05}.safetensors", self.split, self.files));
        write_whole(&path, &self.documents, self.vocab_size)?;
        self.files += 1;
        self.documents = Documents::new();
        Ok(())
    }
}
