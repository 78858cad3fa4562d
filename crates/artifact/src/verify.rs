//! Checks a directory against the contract, whoever wrote it.
//!
//! The directory is taken for hostile: a file is opened only when it is a regular file that lies inside the
//! directory, and read whole only when it is small enough.

mod bundle;
mod collect;
mod evaluate;
mod findings;
mod model;
mod preprocess;

use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{Error, Place, Result};
use findings::Findings;

/// The stages whose directories can be checked.
pub const STAGES: [&str; 6] = ["collect", "preprocess", "model", "train", "evaluate", "deploy"];

/// One way in which a directory breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What the contract asks for there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, expected, found } = self;
        write!(f, "{}{place}: expected {expected}, found {found}", file.display())
    }
}

/// Checks what `stage` has written into `dir`; an empty list means that the directory keeps the contract.
///
/// # Errors
/// [`Error::Refused`] when there is no such stage, [`Error::Io`] when `dir` is no directory that can be read.
pub fn verify(stage: &str, dir: &Path) -> Result<Vec<Problem>> {
    let check: fn(&mut Findings<'_>) = match stage {
        "collect" => collect::check,
        "preprocess" => preprocess::check,
        "model" => model::check,
        "train" => model::check_trained,
        "evaluate" => evaluate::check,
        "deploy" => bundle::check,
        _ => {
            return Err(Error::refused(format!("there is no stage `{stage}`"))
                .with_hint(format!("one of {}", STAGES.join(", "))));
        }
    };
    fs::read_dir(dir)?;
    let mut findings = Findings::new(dir);
    check(&mut findings);
    Ok(findings.into_problems())
}
