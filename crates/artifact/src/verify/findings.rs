use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::DeserializeOwned;

use super::Problem;
use crate::{Error, Place, Result, json};

/// Problems reported of one file; what is wrong with a thousand lines is told by the first few.
const PER_FILE: usize = 10;
/// The largest file that is read whole, in bytes: 1 GiB of tokens, or of a tokenizer's vocabulary.
const LARGEST_WHOLE: u64 = 1 << 30;

/// A directory under examination, and what was found wrong with it.
pub(super) struct Findings<'a> {
    dir: &'a Path,
    problems: Vec<Problem>,
    counts: BTreeMap<PathBuf, usize>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir, problems: Vec::new(), counts: BTreeMap::new() }
    }

    pub(super) fn dir(&self) -> &'a Path {
        self.dir
    }

    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        for (file, count) in self.counts {
            if count > PER_FILE {
                let found = format!("{} problems more", count - PER_FILE);
                self.problems.push(Problem { file, place: Place::Whole, expected: "none".to_owned(), found });
            }
        }
        self.problems
    }

    /// Adds the problems of a directory inside this one.
    pub(super) fn append(&mut self, other: Findings<'_>) {
        self.problems.extend(other.problems);
        self.counts.extend(other.counts);
    }

    /// Problems so far.
    pub(super) fn count(&self) -> usize {
        self.counts.values().sum()
    }

    pub(super) fn add(
        &mut self,
        file: impl Into<PathBuf>,
        place: Place,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        let file = file.into();
        let count = self.counts.entry(file.clone()).or_default();
        *count += 1;
        if *count <= PER_FILE {
            self.problems.push(Problem { file, place, expected: expected.into(), found: found.into() });
        }
    }

    /// Adds what a reader said of `file`.
    pub(super) fn add_error(&mut self, file: &Path, error: Error) {
        match error {
            Error::Malformed { path, place, expected, found, .. } => self.add(path, place, expected, found),
            Error::Io(error) => self.add(file, Place::Whole, "a file that can be read", error.to_string()),
            Error::Refused { message, .. } => {
                self.add(file, Place::Whole, "a file that holds together", message);
            }
        }
    }

    /// Takes a reader's result; its error becomes a problem.
    pub(super) fn take<T>(&mut self, file: &Path, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add_error(file, error)).ok()
    }

    /// The path of a required file, when it is there and safe to open.
    pub(super) fn require(&mut self, name: &str) -> Option<PathBuf> {
        let path = self.dir.join(name);
        if fs::symlink_metadata(&path).is_err() {
            self.add(path, Place::Whole, "this file", "none");
            return None;
        }
        self.safe(&path).then_some(path)
    }

    /// The path of an optional file, when it is there and safe to open.
    pub(super) fn optional(&mut self, name: &str) -> Option<PathBuf> {
        let path = self.dir.join(name);
        (fs::symlink_metadata(&path).is_ok() && self.safe(&path)).then_some(path)
    }

    /// A required file that holds one JSON value.
    pub(super) fn require_json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let path = self.require(name).filter(|path| self.small(path))?;
        let value = json::read(&path);
        self.take(&path, value)
    }

    /// Whether a path leads to a regular file inside the directory; a pipe would block the reader, and a link out of
    /// the directory would show it somebody else's file.
    pub(super) fn safe(&mut self, path: &Path) -> bool {
        let inside = || -> std::io::Result<bool> {
            Ok(fs::canonicalize(path)?.starts_with(fs::canonicalize(self.dir)?)
                && fs::metadata(path)?.is_file())
        };
        match inside() {
            Ok(true) => true,
            Ok(false) => {
                self.add(path, Place::Whole, "a regular file inside the directory", "something else");
                false
            }
            Err(error) => {
                self.add_error(path, error.into());
                false
            }
        }
    }

    /// Whether a file may be read whole.
    pub(super) fn small(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() <= LARGEST_WHOLE => true,
            Ok(metadata) => {
                self.add(path, Place::Whole, "at most 1 GiB", format!("{} bytes", metadata.len()));
                false
            }
            Err(error) => {
                self.add_error(path, error.into());
                false
            }
        }
    }

    /// The files PREFIX00000SUFFIX, PREFIX00001SUFFIX, ... of which the first is required and none may be left out.
    pub(super) fn numbered(&mut self, prefix: &str, suffix: &str) -> Vec<PathBuf> {
        let first = self.dir.join(format!("{prefix}00000{suffix}"));
        let listed = crate::conversation::numbered(self.dir, prefix, suffix);
        let Some(files) = self.take(&first, listed) else { return Vec::new() };
        if files.is_empty() {
            self.add(first, Place::Whole, "this file", "none");
            return Vec::new();
        }
        for (index, file) in files.iter().enumerate() {
            let expected = self.dir.join(format!("{prefix}{index:05}{suffix}"));
            if *file != expected {
                self.add(expected, Place::Whole, "this file", format!("{} in its place", file.display()));
                return Vec::new();
            }
        }
        files.into_iter().filter(|file| self.safe(file)).collect()
    }
}
