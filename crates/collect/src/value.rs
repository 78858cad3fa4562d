//! What the formats in JSON share: errors with their line, and identifiers.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use artifact::{Error, Place, Result};
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};

use crate::allowance::Allowance;

/// An identifier, as text or as a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Text(String),
    Number(i64),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Reads text that is one JSON value; `expected` says what of.
///
/// # Errors
/// With the line at which it is something else.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str, expected: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| malformed(path, expected, error))
}

/// Reads the values of a file that is an array of them, or has one after the other, and gives each to `keep`: the file
/// may be of any size.
///
/// # Errors
/// With the line at which it is something else, or at which a value is too large.
pub(crate) fn each<T: DeserializeOwned>(
    path: &Path,
    reader: impl Read,
    expected: &str,
    mut keep: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let allowance = Allowance::new();
    let mut reader = BufReader::with_capacity(1 << 16, allowance.limit(path, reader));
    let is_array = reader.fill_buf()?.trim_ascii_start().starts_with(b"[");
    let mut json = serde_json::Deserializer::from_reader(reader);
    let mut kept = Ok(());
    let mut keep = |value| {
        allowance.renew();
        kept = keep(value);
        kept.is_ok()
    };
    let read = if is_array {
        json.deserialize_seq(Elements { keep, of: PhantomData }).and_then(|()| json.end())
    } else {
        let mut outcomes = json.into_iter().map(|value| value.map(&mut keep));
        outcomes.find(|outcome| !matches!(outcome, Ok(true))).map_or(Ok(()), |outcome| outcome.map(|_| ()))
    };
    kept?;
    read.map_err(|error| malformed(path, expected, error))
}

/// The elements of an array, each given to `keep` until that has enough.
struct Elements<T, K> {
    keep: K,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned, K: FnMut(T) -> bool> Visitor<'de> for Elements<T, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> std::result::Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            if !(self.keep)(element) {
                return Err(A::Error::custom("no more is wanted"));
            }
        }
        Ok(())
    }
}

fn malformed(path: &Path, expected: &str, error: serde_json::Error) -> Error {
    if error.is_io() {
        return io::Error::from(error).into();
    }
    let message = error.to_string();
    let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Error::at(path, Place::Line(error.line().max(1)), format!("{expected} as JSON"), found)
        .with_hint("export it again, or name another --format")
}
