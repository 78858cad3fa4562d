//! Conversations as JSON lines: `conversations-00000.jsonl`, `valid.jsonl`, `test.jsonl`.

use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{self, Block, LinesWriter};
use crate::{Error, Result};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand before a talk.
    System,
    /// The person.
    User,
    /// The bot.
    Assistant,
}

impl Role {
    /// The role's name in files, templates and APIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which part of the data a conversation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Fits the weights.
    Train,
    /// Chooses between checkpoints and settings.
    Valid,
    /// Is looked at once, for the report.
    Test,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// The split's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One talk, in the order in which it was spoken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conversation {
    /// Unique within its directory.
    pub id: String,
    /// Where it comes from: the name of a source in `sources.json`.
    pub source: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// SPDX identifier of its licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The split it must go to; chosen by content where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// The turns; never empty.
    pub messages: Vec<Message>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// When it was said (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Of a user's turn: what the person wants, by its name in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Of an assistant's turn: which of the source's actions it carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of an assistant's turn: the slots filled so far, by which response templates are completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Of an assistant's turn: 0 where it is context only and must not be learnt; otherwise absent, or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// Of an assistant's turn: values of earlier turns (not of the turn it answers) that it must repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recall: Vec<String>,
}

/// A named value that the user has mentioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// The slot's name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl Message {
    /// A turn with nothing but its words.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            time: None,
            intent: None,
            action: None,
            slots: Vec::new(),
            weight: None,
            recall: Vec::new(),
        }
    }

    /// Whether it is a turn to learn.
    pub fn is_target(&self) -> bool {
        self.role == Role::Assistant && self.weight != Some(0)
    }

    /// A turn of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// A turn of the bot.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }
}

/// Conversations in one file before the next is begun.
const PER_FILE: usize = 50_000;

/// Writes `conversations-00000.jsonl`, `conversations-00001.jsonl`, ... into a directory.
#[derive(Debug)]
pub struct ConversationWriter {
    dir: PathBuf,
    written: usize,
    file: Option<LinesWriter>,
}

impl ConversationWriter {
    /// Writes into `dir`, which must exist.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), written: 0, file: None }
    }

    /// Appends one conversation.
    pub fn write(&mut self, conversation: &Conversation) -> Result<()> {
        if self.written.is_multiple_of(PER_FILE) {
            self.close()?;
            let name = format!("conversations-{:05}.jsonl", self.written / PER_FILE);
            self.file = Some(LinesWriter::create(&self.dir.join(name))?);
        }
        self.written += 1;
        self.file.as_mut().expect("opened above for the first conversation").write(conversation)
    }

    /// Ends the last file and tells how many conversations were written.
    pub fn finish(mut self) -> Result<usize> {
        self.close()?;
        Ok(self.written)
    }

    fn close(&mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), |mut file| file.flush())
    }
}

/// The `conversations-*.jsonl` of a directory, in order.
///
/// # Errors
/// [`Error::Malformed`] when there is none.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let files = numbered(dir, "conversations-", ".jsonl")?;
    if files.is_empty() {
        return Err(Error::malformed(dir, "files conversations-00000.jsonl ...", "none")
            .with_hint("give a directory that collect has written"));
    }
    Ok(files)
}

/// Reads a directory of conversations, file after file, checking each.
pub fn read_dir(dir: &Path) -> Result<impl Iterator<Item = Result<Conversation>>> {
    Ok(files(dir)?.into_iter().flat_map(|path| match read_file(&path) {
        Ok(conversations) => Box::new(conversations) as Box<dyn Iterator<Item = _>>,
        Err(error) => Box::new(std::iter::once(Err(error))),
    }))
}

/// Reads one file of conversations, checking each.
pub fn read_file(path: &Path) -> Result<impl Iterator<Item = Result<Conversation>> + use<>> {
    let mut lines = json::lines::<Conversation>(path)?;
    let path = path.to_owned();
    Ok(std::iter::from_fn(move || {
        let conversation = lines.next()?;
        Some(conversation.and_then(|conversation| checked(&path, lines.line(), conversation)))
    }))
}

/// Reads a directory of conversations in blocks of whole lines, file after file, so that many can be parsed at once.
pub fn read_blocks(dir: &Path, bytes: usize) -> Result<impl Iterator<Item = Result<Block>>> {
    Ok(files(dir)?.into_iter().flat_map(move |path| match json::blocks(&path, bytes) {
        Ok(blocks) => Box::new(blocks) as Box<dyn Iterator<Item = _>>,
        Err(error) => Box::new(std::iter::once(Err(error))),
    }))
}

/// Parses the conversations of a block, checking each.
pub fn of_block(block: &Block) -> impl Iterator<Item = Result<Conversation>> + '_ {
    block.values().map(|value| value.and_then(|(line, value)| checked(block.path(), line, value)))
}

fn checked(path: &Path, line: usize, conversation: Conversation) -> Result<Conversation> {
    if conversation.messages.is_empty() {
        return Err(Error::at(path, crate::Place::Line(line), "at least one message", "an empty list"));
    }
    Ok(conversation)
}

/// The files `PREFIXnnnnnSUFFIX` of a directory, in order.
pub(crate) fn numbered(dir: &Path, prefix: &str, suffix: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
            files.push(path);
        }
    }
    // By number: past 99999 the names grow longer.
    files.sort_by(|a, b| (a.as_os_str().len(), a).cmp(&(b.as_os_str().len(), b)));
    Ok(files)
}
