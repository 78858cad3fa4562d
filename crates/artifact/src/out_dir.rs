use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{Error, Result};

/// The directory that a stage fills: `OUT.partial` until [`OutDir::publish`] renames it to `OUT`.
///
/// Whatever happens before that leaves no `OUT`, so a directory of that name is always whole.
#[derive(Debug)]
pub struct OutDir {
    partial: PathBuf,
    published: PathBuf,
}

impl OutDir {
    /// Starts an empty directory, discarding what an interrupted run left in `OUT.partial`.
    ///
    /// # Errors
    /// [`Error::Refused`] when `out` exists: a published directory is never modified.
    pub fn create(out: &Path) -> Result<Self> {
        let dir = Self::resume(out)?;
        fs::remove_dir_all(&dir.partial)?;
        fs::create_dir_all(&dir.partial)?;
        Ok(dir)
    }

    /// Starts a directory, keeping what an interrupted run left in `OUT.partial`.
    ///
    /// # Errors
    /// [`Error::Refused`] when `out` exists.
    pub fn resume(out: &Path) -> Result<Self> {
        if out.exists() {
            return Err(Error::refused(format!("{}: the output directory exists already", out.display()))
                .with_hint("name a new one with --out, or remove it"));
        }
        let mut partial = out.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        fs::create_dir_all(&partial)?;
        Ok(Self { partial, published: out.to_owned() })
    }

    /// Where to write until publication.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Makes the directory durable and gives it its name, in one step.
    pub fn publish(self) -> Result<()> {
        sync_tree(&self.partial)?;
        fs::rename(&self.partial, &self.published)?;
        if let Some(parent) = self.published.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        Ok(())
    }
}

/// Writes a file so that its name always stands for its old or its new content, whole.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = fs::File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(())
}

fn sync_tree(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// A directory's entries are durable once the directory itself is; systems that cannot open one do it themselves.
fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}
