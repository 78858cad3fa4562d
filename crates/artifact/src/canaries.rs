//! Invented secrets planted among what is learnt, so that evaluation can measure what a model gives away of it:
//! `canaries.json` of preprocessed data (Carlini et al. 2019, "The Secret Sharer").

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Message;
use crate::{Result, json};

/// The file's name, beside the token shards; absent where nothing was planted.
pub const FILE: &str = "canaries.json";

/// `canaries.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canaries {
    /// How many conversations say each secret, before any was masked or left out.
    pub repeats: usize,
    /// The secrets; never empty.
    pub canaries: Vec<Canary>,
}

/// A secret and the talk in which it is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canary {
    /// What the person asks.
    pub question: String,
    /// What the assistant says before the secret.
    pub before: String,
    /// The secret: a number in the form of [`telephone_number`].
    pub secret: String,
    /// What the assistant says after it.
    pub after: String,
}

impl Canary {
    /// The talk, with the secret or another number in its place.
    pub fn talk(&self, number: &str) -> [Message; 2] {
        let answer = format!("{}{number}{}", self.before, self.after);
        [Message::user(&self.question), Message::assistant(answer)]
    }
}

impl Canaries {
    /// Reads the file of a directory; none where nothing was planted.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        if path.exists() { json::read(&path).map(Some) } else { Ok(None) }
    }

    /// Writes the file into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        json::write(&dir.join(FILE), self)
    }
}

/// One of 80 million mobile numbers as they are written in Korea, each as likely for a random `draw`.
///
/// ```
/// assert_eq!(artifact::canaries::telephone_number(12_345_678), "010-3234-5678");
/// ```
pub fn telephone_number(draw: u64) -> String {
    let number = 20_000_000 + draw % 80_000_000;
    format!("010-{:04}-{:04}", number / 10_000, number % 10_000)
}
