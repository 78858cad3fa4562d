//! Who speaks in the chats of a directory of conversations: `participants.json`. Names that must not be learnt are
//! looked up here; the file goes no further than preprocessing.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Result, json};

/// The file's name, beside `sources.json`; absent where no source is a chat.
pub const FILE: &str = "participants.json";

/// `participants.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Participants {
    /// The sources that are chats, in the order of `sources.json`.
    pub sources: Vec<SourceParticipants>,
}

/// Who speaks in one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceParticipants {
    /// The source's name.
    pub source: String,
    /// The names, as the chat program writes them, each once.
    pub names: Vec<String>,
}

impl Participants {
    /// Reads the file of a directory; where there is none, nobody is named.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        if path.exists() { json::read(&path) } else { Ok(Self::default()) }
    }

    /// Writes the file into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        json::write(&dir.join(FILE), self)
    }

    /// The names of one source.
    pub fn of(&self, source: &str) -> &[String] {
        self.sources.iter().find(|entry| entry.source == source).map_or(&[], |entry| &entry.names)
    }
}
