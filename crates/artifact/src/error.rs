use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with an artifact, told for the person who must mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file does not hold what its format asks for.
    #[error("{}{place}: expected {expected}, found {found}{}", path.display(), advice(.hint.as_deref()))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: Place,
        /// What the format asks for there.
        expected: String,
        /// What is there.
        found: String,
        /// What to try.
        hint: Option<String>,
    },
    /// A request that no input could satisfy.
    #[error("{message}{}", advice(.hint.as_deref()))]
    Refused {
        /// What was refused, and why.
        message: String,
        /// What to try.
        hint: Option<String>,
    },
}

/// The result of reading or writing an artifact.
pub type Result<T> = std::result::Result<T, Error>;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A line, counted from 1.
    Line(usize),
    /// A byte offset, counted from 0.
    Offset(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Line(line) => write!(f, ":{line}"),
            Self::Offset(offset) => write!(f, " at byte {offset}"),
        }
    }
}

fn advice(hint: Option<&str>) -> String {
    hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default()
}

impl Error {
    /// An error about a whole file.
    pub fn malformed(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::at(path, Place::Whole, expected, found)
    }

    /// An error about a place in a file.
    pub fn at(path: &Path, place: Place, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            place,
            expected: expected.into(),
            found: found.into(),
            hint: None,
        }
    }

    /// A refused request.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<String>) -> Self {
        match &mut self {
            Self::Malformed { hint, .. } | Self::Refused { hint, .. } => *hint = Some(advice.into()),
            Self::Io(_) => {}
        }
        self
    }
}
