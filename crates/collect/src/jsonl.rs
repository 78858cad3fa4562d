//! Conversations as JSON lines: our own, and any lines with `{"messages": [{"role", "content"}, ...]}`.

use std::io::{BufReader, Read};
use std::path::Path;

use artifact::conversation::{Message, Slot, Split};
use artifact::{Result, json};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::output::Talk;
use crate::roles::{Content, Speaker};
use crate::tally::Tally;
use crate::value::Id;

/// A line; other keys are left.
#[derive(Debug, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) id: Option<Id>,
    topic: Option<String>,
    split: Option<Split>,
    messages: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Content,
    weight: Option<f64>,
    time: Option<String>,
    intent: Option<String>,
    action: Option<String>,
    #[serde(default)]
    slots: Vec<Slot>,
    #[serde(default)]
    recall: Vec<String>,
    tool_calls: Option<IgnoredAny>,
    function_call: Option<IgnoredAny>,
}

/// Whether a file has the name of those that `collect` writes conversations into; what lies beside them is none.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("conversations-")
}

/// Reads one file, giving each conversation to `keep` and counting the others.
pub(crate) fn read(
    path: &Path,
    reader: impl Read,
    stem: &str,
    tally: &mut Tally,
    mut keep: impl FnMut(Talk) -> Result<()>,
) -> Result<()> {
    let mut lines = json::lines_from::<Conversation, _>(path, BufReader::new(reader));
    while let Some(line) = lines.next() {
        let conversation = line.map_err(|error| {
            error.with_hint("each line is {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, ...]}")
        })?;
        let number = lines.line();
        let id = conversation.id.map_or_else(|| format!("{stem}-{number:06}"), |id| id.to_string());
        let turns = conversation.messages.into_iter().filter_map(|turn| turn.message().transpose());
        match turns.collect::<std::result::Result<Vec<_>, _>>() {
            Ok(messages) if !messages.iter().any(Message::is_target) => {
                tally.reject("no turn of the assistant");
            }
            Ok(messages) => {
                tally.keep();
                keep(Talk { id, topic: conversation.topic, split: conversation.split, messages })?;
            }
            Err(reason) => tally.reject(reason),
        }
    }
    Ok(())
}

impl Turn {
    /// The turn, unless it calls a tool or is a tool's; why the conversation must go, where it is neither that nor a
    /// turn.
    fn message(self) -> std::result::Result<Option<Message>, &'static str> {
        let role = match Speaker::named(&self.role) {
            Some(Speaker::Role(role)) => role,
            Some(Speaker::Tool) => return Ok(None),
            None => return Err("a role other than system, user, assistant and tool"),
        };
        let calls = self.tool_calls.is_some() || self.function_call.is_some();
        let content = self.content.plain();
        if content.trim().is_empty() {
            return if calls { Ok(None) } else { Err("an empty turn") };
        }
        let weight = self.weight.map(|weight| u8::from(weight != 0.0));
        let (time, intent, action, slots, recall) =
            (self.time, self.intent, self.action, self.slots, self.recall);
        Ok(Some(Message { role, content, time, intent, action, slots, weight, recall }))
    }
}
