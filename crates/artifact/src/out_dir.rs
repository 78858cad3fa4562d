use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{Error, Result};

/// The directory that a stage fills: `OUT.partial` until [`OutDir::publish`] renames it to `OUT`.
///
/// Whatever happens before that leaves no `OUT`, so a directory of that name is always whole. While it is being filled
/// it is locked, so that a second run of the same command refuses instead of mixing its files in.
#[derive(Debug)]
pub struct OutDir {
    partial: PathBuf,
    published: PathBuf,
    /// Held open for its lock, which the system releases however the process ends.
    _lock: Option<fs::File>,
}

impl OutDir {
    /// Starts an empty directory, discarding what an interrupted run left in `OUT.partial`.
    ///
    /// # Errors
    /// [`Error::Refused`] when `out` exists (a published directory is never modified), or is being written.
    pub fn create(out: &Path) -> Result<Self> {
        let dir = Self::resume(out)?;
        // Its content only: the directory itself carries the lock.
        for entry in fs::read_dir(&dir.partial)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(dir)
    }

    /// Starts a directory, keeping what an interrupted run left in `OUT.partial`.
    ///
    /// # Errors
    /// As [`OutDir::create`].
    pub fn resume(out: &Path) -> Result<Self> {
        // Without the slash that completion leaves at the end, which would put `.partial` inside `OUT`.
        let published = out.components().as_path().to_owned();
        if published.file_name().is_none() {
            return Err(Error::refused(format!("{}: not a name for an output directory", out.display()))
                .with_hint("name a new one with --out"));
        }
        refuse_existing(&published)?;
        let mut partial = published.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        fs::create_dir_all(&partial)?;
        let lock = lock(&partial)?;
        // The run that held the lock until now may just have published.
        refuse_existing(&published)?;
        Ok(Self { partial, published, _lock: lock })
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

/// A link that leads nowhere counts as existing: renaming would replace it.
fn refuse_existing(out: &Path) -> Result<()> {
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::refused(format!("{}: the output directory exists already", out.display()))
        .with_hint("name a new one with --out, or remove it"))
}

/// Locks a directory against other processes; where the system cannot, there is no lock.
fn lock(dir: &Path) -> Result<Option<fs::File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let file = fs::File::open(dir)?;
    match file.file().try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::refused(format!("{}: another run is writing this directory", dir.display()))
                .with_hint("wait for it to end, or name another with --out"))
        }
        // Some network file systems know no locks.
        Err(std::fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// Writes a file so that its name always stands for its old or its new content, whole.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    write_atomic_by(path, |temporary| Ok(fs::write(temporary, content)?))
}

/// As [`write_atomic`], for content too large for memory: `write` writes the file that it is given the path of.
pub fn write_atomic_by(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    write(&temporary)?;
    fs::File::open(&temporary)?.sync_all()?;
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
