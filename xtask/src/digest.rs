//! Digests (BLAKE3) of files and folders, remembered between runs.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

/// Read at once, in bytes.
const BLOCK: usize = 4 << 20;
/// A file changed so recently could change again within one tick of its clock, so its digest is not remembered.
const SETTLED: Duration = Duration::from_secs(2);
/// Above so many, digests of files that this run did not ask for are forgotten.
const REMEMBERED: usize = 50_000;
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// What tells that a file is still the one that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_nanoseconds: i64,
    /// Of the inode; `touch -r` and `cp -p` restore the time above, not this one.
    changed_nanoseconds: i64,
    inode: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    digest: String,
    #[serde(skip)]
    used: bool,
}

/// Digests files, reading only those that have changed since they were last read.
#[derive(Debug)]
pub(crate) struct Digests {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    /// A folder that is no part of any other one's digest.
    without: Option<PathBuf>,
}

impl Digests {
    /// Remembers in `file`; walks leave out the folder `without`.
    pub(crate) fn open(file: &Path, without: &Path) -> Self {
        // A lost or damaged memory costs time only.
        let entries =
            fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file: file.to_owned(), entries, without: fs::canonicalize(without).ok() }
    }

    /// Writes down what has been learnt.
    pub(crate) fn save(&mut self) -> artifact::Result<()> {
        if self.entries.len() > REMEMBERED {
            self.entries.retain(|_, entry| entry.used);
        }
        let text = serde_json::to_vec(&self.entries).map_err(io::Error::from)?;
        artifact::write_atomic(&self.file, &text)
    }

    /// The digest of a file's bytes, or of the names and bytes of all files below a folder.
    pub(crate) fn digest(&mut self, path: &Path) -> io::Result<String> {
        if fs::metadata(path)?.is_file() {
            return self.of_file(path);
        }
        let mut files = Vec::new();
        self.walk(path, &mut Vec::new(), &mut Vec::new(), &mut files)?;
        files.sort();
        let mut hasher = blake3::Hasher::new();
        for (name, path) in files {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(&name);
            hasher.update(self.of_file(&path)?.as_bytes());
        }
        Ok(hasher.finalize().to_hex()[..DIGITS].to_owned())
    }

    /// Lists the regular files below `dir`, through links, with their names from there (`/` between).
    fn walk(
        &self,
        dir: &Path,
        name: &mut Vec<u8>,
        above: &mut Vec<PathBuf>,
        files: &mut Vec<(Vec<u8>, PathBuf)>,
    ) -> io::Result<()> {
        let real = fs::canonicalize(dir)?;
        // A link to a folder above it would never end.
        if above.contains(&real) || (!above.is_empty() && self.without.as_ref() == Some(&real)) {
            return Ok(());
        }
        above.push(real);
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let length = name.len();
            if length > 0 {
                name.push(b'/');
            }
            name.extend(entry.file_name().as_encoded_bytes());
            // A link to nothing has no content.
            if let Ok(metadata) = fs::metadata(entry.path()) {
                if metadata.is_dir() {
                    self.walk(&entry.path(), name, above, files)?;
                } else if metadata.is_file() {
                    files.push((name.clone(), entry.path()));
                }
            }
            name.truncate(length);
        }
        above.pop();
        Ok(())
    }

    fn of_file(&mut self, path: &Path) -> io::Result<String> {
        let path = std::path::absolute(path)?;
        let metadata = fs::metadata(&path)?;
        let stamp = stamp(&metadata);
        if let Some(entry) = self.entries.get_mut(&path).filter(|entry| Some(&entry.stamp) == stamp.as_ref())
        {
            entry.used = true;
            return Ok(entry.digest.clone());
        }
        let digest = read(&path)?;
        let settled = metadata.modified()?.elapsed().is_ok_and(|age| age > SETTLED);
        match stamp.filter(|_| settled) {
            Some(stamp) => {
                self.entries.insert(path, Entry { stamp, digest: digest.clone(), used: true });
            }
            None => {
                self.entries.remove(&path);
            }
        }
        Ok(digest)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = Vec::with_capacity(BLOCK);
    while file.by_ref().take(BLOCK as u64).read_to_end(&mut block)? > 0 {
        hasher.update_rayon(&block);
        block.clear();
    }
    Ok(hasher.finalize().to_hex()[..DIGITS].to_owned())
}

#[cfg(unix)]
fn stamp(metadata: &std::fs::Metadata) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let nanoseconds = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
    Some(Stamp {
        size: metadata.len(),
        modified_nanoseconds: nanoseconds(metadata.mtime(), metadata.mtime_nsec())?,
        changed_nanoseconds: nanoseconds(metadata.ctime(), metadata.ctime_nsec())?,
        inode: metadata.ino(),
    })
}

/// Elsewhere a file has no number that changes with it, so nothing is remembered.
#[cfg(not(unix))]
fn stamp(_: &std::fs::Metadata) -> Option<Stamp> {
    None
}
