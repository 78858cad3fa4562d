//! The bytes of a file that have come so far: `FILE.part`, and in `FILE.version` what the server calls them.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use artifact::{Error, Result, write_atomic};
use fs_err as fs;

use super::Remote;
use crate::digest;

/// A file that is being fetched.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: fs::File,
    length: u64,
    version_path: PathBuf,
    version: Option<String>,
}

impl Part {
    /// Opens what an interrupted run has left of `to`, or begins anew.
    pub(super) fn open(to: &Path) -> Result<Self> {
        let beside = |end: &str| {
            let mut path = to.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        let (path, version_path) = (beside(".part"), beside(".version"));
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        let version = fs::read_to_string(&version_path).ok();
        let mut part = Self { path, length: 0, file, version_path, version };
        if part.version.is_some() {
            part.length = part.file.seek(SeekFrom::End(0))?;
        } else {
            // Without a version, nobody knows whether the rest would go with it.
            part.restart(None)?;
        }
        Ok(part)
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What the server calls the state of the file that the bytes are of.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Forgets all bytes; those to come are of this version.
    pub(super) fn restart(&mut self, version: Option<String>) -> Result<()> {
        if self.version_path.exists() {
            fs::remove_file(&self.version_path)?;
        }
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.length = 0;
        if let Some(version) = &version {
            write_atomic(&self.version_path, version.as_bytes())?;
        }
        self.version = version;
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When its digest is not the one that was asked for.
    pub(super) fn publish(mut self, remote: Remote<'_>, to: &Path) -> Result<()> {
        self.file.sync_all()?;
        if let Some(expected) = remote.sha256 {
            let found = digest::of_path(&self.path)?;
            if !found.eq_ignore_ascii_case(expected) {
                self.restart(None)?;
                let message =
                    format!("{}: expected a file of the SHA-256 {expected}, found {found}", remote.url);
                return Err(Error::refused(message)
                    .with_hint("the file was changed: look at it, and correct the digest that asks for it"));
            }
        }
        fs::rename(&self.path, to)?;
        if self.version.is_some() {
            fs::remove_file(&self.version_path)?;
        }
        Ok(())
    }
}
