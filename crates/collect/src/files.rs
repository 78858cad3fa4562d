//! The files of a source: one, those of a folder, or those of a zip archive, under their names.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Read;
use std::path::{Path, PathBuf};

use artifact::{Error, Result};
use fs_err as fs;
use zip::ZipArchive;

use crate::{decode, digest};

/// Entries of an archive that are listed at most; a workspace of ten years has some ten thousand.
const MOST_ENTRIES: usize = 200_000;

/// How a zip archive begins.
pub(crate) const ZIP: &[u8] = b"PK\x03\x04";

/// Files that can be read by name.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    names: Vec<String>,
    place: Stored,
}

#[derive(Debug)]
enum Stored {
    Alone,
    Folder,
    Archive(ZipArchive<fs::File>),
}

impl Files {
    /// Lists the files of a source, in natural order (`-2` before `-10`); paths within it have `/`.
    ///
    /// # Errors
    /// When the archive is damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (mut names, place) = if path.is_dir() {
            let files = digest::files(path)?;
            let relative = files.iter().map(|file| file.strip_prefix(path).unwrap_or(file));
            (relative.map(|file| file.to_string_lossy().replace('\\', "/")).collect(), Stored::Folder)
        } else if begins(path)?.starts_with(ZIP) {
            let archive = ZipArchive::new(fs::File::open(path)?).map_err(|error| damaged(path, &error))?;
            if archive.len() > MOST_ENTRIES {
                let found = format!("{}", archive.len());
                return Err(Error::malformed(path, format!("at most {MOST_ENTRIES} files in it"), found));
            }
            let names: Vec<String> = archive
                .file_names()
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|error| damaged(path, &error))?
                .into_iter()
                .filter(|name| !name.ends_with('/') && !name.starts_with("__MACOSX/"))
                .map(Cow::into_owned)
                .collect();
            (names, Stored::Archive(archive))
        } else {
            (vec![path.file_name().unwrap_or_default().to_string_lossy().into_owned()], Stored::Alone)
        };
        names.sort_by(|a, b| natural(a, b));
        Ok(Self { path: path.to_owned(), names, place })
    }

    /// The names of the files.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The name to give in an error.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self.place {
            Stored::Alone => self.path.clone(),
            Stored::Folder | Stored::Archive(_) => self.path.join(name),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it has, or unpacks to, more than [`decode::LARGEST`] bytes.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        self.first(name, decode::LARGEST + 1).and_then(|bytes| {
            decode::refuse_large(&self.path(name), bytes.len() as u64, decode::LARGEST)?;
            Ok(bytes)
        })
    }

    /// The text of a file.
    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        decode::text(&self.path(name), self.bytes(name)?)
    }

    /// The first bytes of a file, at most `most`.
    pub(crate) fn first(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        match &mut self.place {
            Stored::Alone | Stored::Folder => {
                let file = fs::File::open(&path)?;
                let size = file.metadata()?.len();
                if size > decode::LARGEST && most > decode::LARGEST {
                    decode::refuse_large(&path, size, decode::LARGEST)?;
                }
                file.take(most).read_to_end(&mut bytes)?;
            }
            Stored::Archive(archive) => {
                // What the archive says of sizes is not believed: reading stops at the limit.
                let entry = archive.by_name(name).map_err(|error| damaged(&path, &error))?;
                entry.take(most).read_to_end(&mut bytes).map_err(|error| damaged(&path, &error))?;
            }
        }
        Ok(bytes)
    }
}

/// The first bytes of a file, which tell an archive.
fn begins(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(8).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn damaged(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::malformed(path, "a zip archive", error.to_string()).with_hint("export or download it again")
}

/// Compares names by their text and, where both have digits, by the number that these make.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        match (digits(x), digits(y)) {
            (0, _) | (_, 0) => {}
            (m, n) => {
                let (p, q) = (x[..m].trim_start_matches('0'), y[..n].trim_start_matches('0'));
                match (p.len(), p).cmp(&(q.len(), q)) {
                    Ordering::Equal => (x, y) = (&x[m..], &y[n..]),
                    other => return other,
                }
                continue;
            }
        }
        match (x.chars().next(), y.chars().next()) {
            (Some(p), Some(q)) if p == q => (x, y) = (&x[p.len_utf8()..], &y[q.len_utf8()..]),
            (p, q) => return p.cmp(&q).then_with(|| a.cmp(b)),
        }
    }
}
