//! What `collect` read, kept and rejected: `sources.json`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Split;
use crate::{Result, json};

/// The file's name in a directory of conversations.
pub const FILE: &str = "sources.json";

/// `sources.json`: where the conversations of a directory come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sources {
    /// Conversations written.
    pub conversations: u64,
    /// Seed of the choices made.
    pub seed: u64,
    /// The sources, in the order in which they were given.
    pub sources: Vec<Source>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Its name, which each of its conversations carries; unique in the file.
    pub name: String,
    /// How it is written.
    pub format: Format,
    /// SPDX identifier of its licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// SHA-256 of what was read, in hexadecimal; of a folder, over the paths, lengths and bytes of its files.
    pub sha256: String,
    /// Conversations written.
    pub conversations: u64,
    /// The same by the split that they must go to; those without one are counted in none.
    pub splits: Vec<SplitCount>,
    /// What was read, kept and rejected, by unit ("rows", "stories").
    pub counts: Vec<Count>,
    /// The options under which it was read.
    pub options: Vec<SourceOption>,
}

/// The formats that `collect` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A Rasa project: intents, stories, responses, lookups; beside them, whole dialogues.
    Rasa,
    /// Conversations as JSON lines.
    Jsonl,
    /// Rows of a question and its answer.
    Csv,
    /// `KakaoTalk`'s export of a chat, from Android, iOS, Windows or macOS.
    Kakaotalk,
    /// `WhatsApp`'s export of a chat, text or zip.
    Whatsapp,
    /// Telegram Desktop's `result.json`.
    Telegram,
    /// A channel exported by `DiscordChatExporter`, JSON or CSV.
    Discord,
    /// A Slack workspace, zip or folder.
    Slack,
    /// Messenger's or Instagram's `message_1.json` ....
    Messenger,
    /// LINE's export of a chat.
    Line,
    /// A text file of `imessage-exporter`.
    Imessage,
    /// `ChatGPT`'s `conversations.json`.
    Chatgpt,
    /// Conversations of `from` and `value`.
    Sharegpt,
    /// Records of `instruction`, `input` and `output`.
    Alpaca,
    /// Parquet with a column of messages, or columns of prompt and response.
    Parquet,
    /// `ChatterBot`'s YAML: lists of what is said in turns.
    Chatterbot,
    /// `SubRip` subtitles.
    Subrip,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 17] = [
        Self::Rasa,
        Self::Jsonl,
        Self::Csv,
        Self::Kakaotalk,
        Self::Whatsapp,
        Self::Telegram,
        Self::Discord,
        Self::Slack,
        Self::Messenger,
        Self::Line,
        Self::Imessage,
        Self::Chatgpt,
        Self::Sharegpt,
        Self::Alpaca,
        Self::Parquet,
        Self::Chatterbot,
        Self::Subrip,
    ];

    /// The format's name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rasa => "rasa",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Kakaotalk => "kakaotalk",
            Self::Whatsapp => "whatsapp",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Slack => "slack",
            Self::Messenger => "messenger",
            Self::Line => "line",
            Self::Imessage => "imessage",
            Self::Chatgpt => "chatgpt",
            Self::Sharegpt => "sharegpt",
            Self::Alpaca => "alpaca",
            Self::Parquet => "parquet",
            Self::Chatterbot => "chatterbot",
            Self::Subrip => "subrip",
        }
    }

    /// Whether it holds what people said to each other, under their names: such talk is private until they say
    /// otherwise.
    pub fn is_chat(self) -> bool {
        matches!(
            self,
            Self::Kakaotalk
                | Self::Whatsapp
                | Self::Telegram
                | Self::Discord
                | Self::Slack
                | Self::Messenger
                | Self::Line
                | Self::Imessage
                | Self::Chatgpt
        )
    }
}

/// The conversations of one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitCount {
    /// The split.
    pub split: Split,
    /// How many.
    pub conversations: u64,
}

/// What became of one kind of thing in a source: `read` = `kept` + the sum of `rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// What is counted, in the plural.
    pub unit: String,
    /// Found in the source.
    pub read: u64,
    /// Used.
    pub kept: u64,
    /// Left out, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// Why things were left out, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The reason, in English.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// An option and its value, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceOption {
    /// Its name on the command line, without dashes.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Sources {
    /// Reads `sources.json` of a directory.
    pub fn read(dir: &Path) -> Result<Self> {
        json::read(&dir.join(FILE))
    }

    /// Writes `sources.json` into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        json::write(&dir.join(FILE), self)
    }
}
