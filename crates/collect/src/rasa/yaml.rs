//! The YAML of a Rasa project, as it is written: any key may stand in any file.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{Error, Place, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use crate::decode;

/// One file; other keys (rules, forms, ...) are left.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) intents: Vec<Named>,
    pub(super) entities: Vec<Named>,
    pub(super) slots: BTreeMap<String, Option<IgnoredAny>>,
    pub(super) actions: Vec<Named>,
    pub(super) responses: BTreeMap<String, Vec<Response>>,
    pub(super) nlu: Vec<Spanned<Nlu>>,
    pub(super) stories: Vec<Spanned<Story>>,
}

/// A name, bare or as the key of its settings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Bare(String),
    Set(BTreeMap<String, Option<IgnoredAny>>),
}

impl Named {
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Bare(name) => vec![name],
            Self::Set(map) => map.keys().map(String::as_str).collect(),
        }
    }
}

/// One text of a response; a response of pictures or buttons alone has none.
#[derive(Debug, Deserialize)]
pub(super) struct Response {
    pub(super) text: Option<Spanned<String>>,
}

/// Phrasings of an intent, or values of a lookup; synonyms and regular expressions are left.
#[derive(Debug, Deserialize)]
pub(super) struct Nlu {
    pub(super) intent: Option<String>,
    pub(super) lookup: Option<String>,
    pub(super) examples: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Story {
    pub(super) story: String,
    pub(super) steps: Vec<Spanned<Step>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub(super) intent: Option<String>,
    pub(super) action: Option<String>,
    pub(super) slot_was_set: Option<Vec<Named>>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<File> {
    let text = decode::read(path)?;
    if text.trim().is_empty() {
        return Err(Error::malformed(path, "Rasa training data or a domain", "an empty file"));
    }
    serde_saphyr::from_str(&text).map_err(|error| {
        let place = error.location().map_or(Place::Whole, |location| Place::Line(location.line() as usize));
        let message = error.without_snippet().to_string();
        let found = message.lines().next().unwrap_or_default().to_owned();
        Error::at(path, place, "Rasa's YAML", found)
    })
}

/// The lines of a block of `- item`, each with its number in the file.
pub(super) fn items(path: &Path, block: &Spanned<String>) -> Result<Vec<(usize, String)>> {
    // A block's place is its first line of text, below its `|`.
    let first = block.referenced.line() as usize;
    let mut items = Vec::new();
    for (number, line) in block.value.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let item = line.strip_prefix('-').map(str::trim).filter(|item| !item.is_empty());
        let item =
            item.ok_or_else(|| Error::at(path, Place::Line(first + number), "`- ` and a text", line))?;
        items.push((first + number, item.to_owned()));
    }
    Ok(items)
}
