//! What the formats in JSON share: errors with their line, and identifiers.

use std::fmt;
use std::path::Path;

use artifact::{Error, Place, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        Error::at(path, Place::Line(error.line().max(1)), format!("{expected} as JSON"), found)
            .with_hint("export it again, or name another --format")
    })
}

/// Reads the values of a file that is an array of them, or has one on each line.
///
/// # Errors
/// With the line at which it is something else.
pub(crate) fn each<T: DeserializeOwned>(path: &Path, text: &str, expected: &str) -> Result<Vec<T>> {
    if text.trim_start().starts_with('[') {
        return parse(path, text, expected);
    }
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<T>();
    loop {
        match stream.next() {
            None => return Ok(values),
            Some(Ok(value)) => values.push(value),
            Some(Err(error)) => {
                let message = error.to_string();
                let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
                return Err(Error::at(
                    path,
                    Place::Line(error.line().max(1)),
                    format!("{expected} as JSON"),
                    found,
                ));
            }
        }
    }
}
