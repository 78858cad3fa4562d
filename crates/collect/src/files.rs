//! The files of a source: one, those of a folder, or those of a zip archive, under their names.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use artifact::{Error, Result};
use fs_err as fs;
use terminal::{Lang, Progress};
use zip::ZipArchive;

use crate::{decode, digest};

/// Entries of an archive that are listed at most; a workspace of ten years has some ten thousand.
const MOST_ENTRIES: usize = 200_000;

/// What may be held of all files of a source together, and what an archive may unpack to, in bytes.
const MOST_TOGETHER: u64 = 1 << 30;

/// Bytes by which the encoding of a file is told that is read piece by piece.
const HEAD: u64 = 1 << 20;

/// How a zip archive begins.
pub(crate) const ZIP: &[u8] = b"PK\x03\x04";

/// Files that can be read by name.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    names: Vec<String>,
    place: Stored,
    /// Bytes that were held or unpacked so far.
    taken: u64,
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
        Ok(Self { path: path.to_owned(), names, place, taken: 0 })
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
    /// When it has, or unpacks to, more than [`decode::LARGEST`] bytes, or all files so far to more than 1 GiB.
    fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let bytes = self.first(name, decode::LARGEST + 1)?;
        decode::refuse_large(&self.path(name), bytes.len() as u64, decode::LARGEST)?;
        self.take(bytes.len() as u64)?;
        Ok(bytes)
    }

    fn take(&mut self, bytes: u64) -> Result<()> {
        self.taken += bytes;
        decode::refuse_large(&self.path, self.taken, MOST_TOGETHER)
    }

    /// The text of a file.
    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        decode::text(&self.path(name), self.bytes(name)?)
    }

    /// A file to be read piece by piece. What lies in an archive is unpacked to where nobody else sees it.
    ///
    /// # Errors
    /// When the archive is damaged, or unpacks to more than 1 GiB.
    pub(crate) fn file(&mut self, name: &str) -> Result<fs::File> {
        let path = self.path(name);
        let Stored::Archive(archive) = &mut self.place else { return Ok(fs::File::open(&path)?) };
        let entry = archive.by_name(name).map_err(|error| damaged(&path, &error))?;
        decode::refuse_large(&path, entry.size(), MOST_TOGETHER)?;
        let mut file = fs::File::from_parts(tempfile::tempfile()?, &path);
        let unpacked = io::copy(&mut entry.take(MOST_TOGETHER + 1), &mut file);
        self.take(unpacked.map_err(|error| damaged(&path, &error))?)?;
        file.rewind()?;
        Ok(file)
    }

    /// The text of a file in UTF-8, without a byte order mark, to be read piece by piece; what is in another encoding
    /// is held whole.
    pub(crate) fn reader(&mut self, name: &str) -> Result<Box<dyn Read>> {
        let mut file = self.file(name)?;
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head)?;
        if !decode::is_utf8(&head) {
            return Ok(Box::new(Cursor::new(self.text(name)?)));
        }
        let start = if head.starts_with(decode::MARK) { decode::MARK.len() } else { 0 };
        file.seek(SeekFrom::Start(start as u64))?;
        let label = format!("{} {name}", Lang::pick("읽기", "reading"));
        let progress = Progress::new(label, file.metadata()?.len(), "bytes");
        Ok(Box::new(Shown { file, progress }))
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
                // What the archive says of sizes may be too little: reading stops at the limit, too.
                let entry = archive.by_name(name).map_err(|error| damaged(&path, &error))?;
                if most > decode::LARGEST {
                    decode::refuse_large(&path, entry.size(), decode::LARGEST)?;
                }
                entry.take(most).read_to_end(&mut bytes).map_err(|error| damaged(&path, &error))?;
            }
        }
        Ok(bytes)
    }
}

/// A file whose bytes are counted for those who wait.
struct Shown {
    file: fs::File,
    progress: Progress,
}

impl Read for Shown {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.progress.inc(read as u64);
        Ok(read)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.progress.finish();
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
