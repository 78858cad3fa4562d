//! Formats that say of each turn which role speaks it, in words of their own.

use artifact::conversation::{Message, Role};
use serde::Deserialize;

use crate::output::{Output, Talk};
use crate::tally::Tally;

/// Who speaks a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    Role(Role),
    /// A program that the assistant calls, or the call.
    Tool,
}

impl Speaker {
    /// By the words of the formats that are read.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "system" | "developer" => Self::Role(Role::System),
            "user" | "human" | "prompter" => Self::Role(Role::User),
            "assistant" | "gpt" | "chatgpt" | "bot" | "model" => Self::Role(Role::Assistant),
            "tool" | "function" | "function_call" | "tool_call" | "observation" | "tool_response" => {
                Self::Tool
            }
            _ => return None,
        })
    }
}

/// The words of a turn: a text, or parts of which some are.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    #[default]
    None,
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a turn; a picture or a sound has no text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    Bare(String),
    Typed { text: Option<String> },
}

impl Content {
    /// The texts, one below the other.
    pub(crate) fn plain(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text,
            Self::Parts(parts) => {
                let texts = parts.into_iter().filter_map(|part| match part {
                    Part::Bare(text) => Some(text),
                    Part::Typed { text } => text,
                });
                texts.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// What became of the conversations of a source, and of their turns.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) conversations: Tally,
    pub(crate) turns: Tally,
}

impl Tallies {
    pub(crate) fn new() -> Self {
        Self { conversations: Tally::new("conversations"), turns: Tally::new("turns") }
    }
}

/// Writes a conversation unless something is wrong with it, which is counted.
pub(crate) fn write(
    id: String,
    topic: Option<String>,
    turns: impl IntoIterator<Item = (String, String)>,
    tallies: &mut Tallies,
    output: &mut Output,
) -> artifact::Result<()> {
    let mut messages: Vec<Message> = Vec::new();
    let (mut tools, mut read) = (0, 0);
    let mut wrong = None;
    for (name, content) in turns {
        read += 1;
        match Speaker::named(&name) {
            None => wrong = wrong.or(Some("a role that is none of user, assistant, system, tool")),
            Some(Speaker::Tool) => tools += 1,
            Some(Speaker::Role(Role::System)) if content.trim().is_empty() => tools += 1,
            Some(Speaker::Role(_)) if content.trim().is_empty() => wrong = wrong.or(Some("an empty turn")),
            Some(Speaker::Role(role)) => messages.push(Message::new(role, content)),
        }
    }
    if wrong.is_none() && messages.iter().all(|message| message.role != Role::Assistant) {
        wrong = Some("no turn of the assistant");
    }
    if let Some(reason) = wrong {
        tallies.conversations.reject(reason);
        tallies.turns.reject_many("of a rejected conversation", read);
        return Ok(());
    }
    tallies.conversations.keep();
    tallies.turns.keep_many(messages.len());
    tallies.turns.reject_many("calls of tools, their results, empty instructions", tools);
    output.write(Talk { id, topic, messages, ..Talk::default() })
}
