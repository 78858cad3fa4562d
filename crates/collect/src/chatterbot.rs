//! `ChatterBot`'s corpus: YAML with `conversations: [[first, reply, ...], ...]`.

use std::path::Path;

use artifact::{Error, Place, Result};
use serde::Deserialize;

use crate::output::Output;
use crate::roles::{self, Tallies};

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    categories: Vec<String>,
    /// Numbers and truths as they are written: somebody said them.
    conversations: Vec<Vec<Option<String>>>,
}

/// Whether text looks like such a file.
pub(crate) fn is(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "conversations:")
}

/// Reads one file; its first category is the topic.
pub(crate) fn read(
    path: &Path,
    text: &str,
    stem: &str,
    tallies: &mut Tallies,
    output: &mut Output,
) -> Result<()> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or(Place::Whole, |location| Place::Line(location.line() as usize));
        let message = error.without_snippet().to_string();
        let found = message.lines().next().unwrap_or_default().to_owned();
        Error::at(path, place, "ChatterBot's YAML", found)
    })?;
    let topic = file.categories.into_iter().next();
    for (number, said) in file.conversations.into_iter().enumerate() {
        let roles = ["user", "assistant"].into_iter().cycle();
        let turns = roles.zip(said).map(|(role, said)| (role.to_owned(), said.unwrap_or_default()));
        roles::write(format!("{stem}-{:06}", number + 1), topic.clone(), turns, tallies, output)?;
    }
    Ok(())
}
