//! `ShareGPT`: `{"conversations": [{"from", "value"}, ...]}`, in an array or a line each.

use std::io::Read;
use std::path::Path;

use artifact::Result;
use serde::Deserialize;

use crate::output::Output;
use crate::roles::{self, Tallies};
use crate::value::{self, Id};

#[derive(Debug, Deserialize)]
struct Record {
    id: Option<Id>,
    system: Option<String>,
    #[serde(alias = "conversation")]
    conversations: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    #[serde(alias = "role")]
    from: String,
    #[serde(alias = "content")]
    value: Option<String>,
}

/// Reads one file.
pub(crate) fn read(
    path: &Path,
    reader: impl Read,
    stem: &str,
    tallies: &mut Tallies,
    output: &mut Output,
) -> Result<()> {
    let mut number = 0;
    value::each(path, reader, "conversations of `from` and `value`", |record: Record| {
        number += 1;
        let id = record.id.map_or_else(|| format!("{stem}-{number:06}"), |id| id.to_string());
        let system =
            record.system.filter(|text| !text.trim().is_empty()).map(|text| ("system".to_owned(), text));
        let turns = record.conversations.into_iter().map(|turn| (turn.from, turn.value.unwrap_or_default()));
        roles::write(id, None, system.into_iter().chain(turns), tallies, output)
    })
}
