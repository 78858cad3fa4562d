//! Alpaca: `instruction`, `input`, `output`, at times `system` and `history`, in an array or a line each.

use std::io::Read;
use std::path::Path;

use artifact::Result;
use serde::Deserialize;

use crate::output::Output;
use crate::roles::{self, Tallies};
use crate::value;

#[derive(Debug, Deserialize)]
struct Record {
    instruction: String,
    #[serde(default)]
    input: Option<String>,
    #[serde(default)]
    output: String,
    system: Option<String>,
    /// Earlier questions with their answers.
    #[serde(default)]
    history: Option<Vec<[String; 2]>>,
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
    value::each(path, reader, "records of `instruction` and `output`", |record: Record| {
        number += 1;
        let turn = |role: &str, text: String| (role.to_owned(), text);
        let mut turns = Vec::new();
        turns.extend(record.system.filter(|text| !text.trim().is_empty()).map(|text| turn("system", text)));
        for [question, answer] in record.history.into_iter().flatten() {
            turns.push(turn("user", question));
            turns.push(turn("assistant", answer));
        }
        let question = match record.input.filter(|input| !input.trim().is_empty()) {
            Some(input) => format!("{}\n{input}", record.instruction),
            None => record.instruction,
        };
        turns.push(turn("user", question));
        turns.push(turn("assistant", record.output));
        roles::write(format!("{stem}-{number:06}"), None, turns, tallies, output)
    })
}
