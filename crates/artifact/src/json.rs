//! JSON files and JSON lines, with errors that name file and line.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Place, Result, write_atomic};

/// The longest accepted line, in bytes: a conversation is far below, a broken file may be one line of gigabytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Reads a file that holds one JSON value.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path)?;
    serde_json::from_slice(&text).map_err(|error| {
        let (expected, found) = reason::<T>(&error);
        Error::at(path, Place::Line(error.line()), expected, found)
    })
}

/// Writes a JSON value, indented, atomically.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).expect("our own types have JSON forms");
    text.push(b'\n');
    write_atomic(path, &text)
}

/// Reads JSON lines one at a time; blank lines are skipped.
#[derive(Debug)]
pub struct Lines<T> {
    path: PathBuf,
    reader: BufReader<fs::File>,
    line: usize,
    buffer: Vec<u8>,
    of: std::marker::PhantomData<T>,
}

/// Opens a file of JSON lines.
pub fn lines<T: DeserializeOwned>(path: &Path) -> Result<Lines<T>> {
    Ok(Lines {
        path: path.to_owned(),
        reader: BufReader::new(fs::File::open(path)?),
        line: 0,
        buffer: Vec::new(),
        of: std::marker::PhantomData,
    })
}

impl<T> Lines<T> {
    /// The number of the line read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl<T: DeserializeOwned> Iterator for Lines<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.buffer.clear();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE + 1);
            match limited.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(error.into())),
            }
            if self.buffer.len() as u64 > LONGEST_LINE {
                let found = "a longer one";
                return Some(Err(Error::at(&self.path, Place::Line(self.line), "a line of at most 64 MiB", found)));
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(serde_json::from_slice(&self.buffer).map_err(|error| {
                let (expected, found) = reason::<T>(&error);
                Error::at(&self.path, Place::Line(self.line), expected, found)
            }));
        }
    }
}

/// Splits serde's message into what was expected and what was found.
fn reason<T>(error: &serde_json::Error) -> (String, String) {
    let name = std::any::type_name::<T>();
    let name = name.rsplit("::").next().unwrap_or(name);
    (format!("{name} as JSON"), format!("{error}"))
}

/// Writes JSON lines.
#[derive(Debug)]
pub struct LinesWriter {
    writer: BufWriter<fs::File>,
}

impl LinesWriter {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: BufWriter::new(fs::File::create(path)?) })
    }

    /// Opens the file to append to it, creating it where it is absent.
    pub fn append(path: &Path) -> Result<Self> {
        let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { writer: BufWriter::new(file) })
    }

    /// Writes one line.
    pub fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.writer, value).map_err(std::io::Error::from)?;
        self.writer.write_all(b"\n")?;
        Ok(())
    }

    /// Hands everything written to the system.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()?;
        Ok(())
    }
}
