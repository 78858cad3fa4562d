//! Telegram Desktop: `result.json` of one chat, or of an account with all its chats.

use std::collections::HashMap;
use std::path::Path;

use artifact::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat::{Chat, Entry, Kind};
use crate::moment::Moment;
use crate::value;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum File {
    Account { chats: Chats },
    Chat(One),
}

#[derive(Debug, Deserialize)]
struct Chats {
    list: Vec<One>,
}

#[derive(Debug, Deserialize)]
struct One {
    name: Option<String>,
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    r#type: String,
    date: Option<String>,
    date_unixtime: Option<String>,
    from: Option<String>,
    from_id: Option<value::Id>,
    #[serde(default)]
    text: Text,
    media_type: Option<IgnoredAny>,
    photo: Option<IgnoredAny>,
    file: Option<IgnoredAny>,
    location_information: Option<IgnoredAny>,
    contact_information: Option<IgnoredAny>,
    poll: Option<IgnoredAny>,
}

/// A text, or its parts with and without a style.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Plain(String),
    Styled { text: String },
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl Text {
    fn plain(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Parts(parts) => parts
                .into_iter()
                .map(|part| match part {
                    Part::Plain(text) | Part::Styled { text } => text,
                })
                .collect(),
        }
    }
}

/// Reads the chats of one file.
pub(crate) fn read(path: &Path, text: &str) -> Result<Vec<Chat>> {
    let chats = match value::parse(path, text, "an export of Telegram Desktop")? {
        File::Account { chats } => chats.list,
        File::Chat(chat) => vec![chat],
    };
    Ok(chats.into_iter().map(chat).collect())
}

fn chat(chat: One) -> Chat {
    // A deleted account has no name; elsewhere in the chat it may have had one.
    let names: HashMap<String, String> = chat
        .messages
        .iter()
        .filter_map(|message| Some((message.from_id.as_ref()?.to_string(), message.from.clone()?)))
        .collect();
    let entries = chat.messages.into_iter().map(|message| entry(message, &names)).collect();
    Chat { id: chat.name.unwrap_or_default(), entries, owner: None }
}

fn entry(message: Message, names: &HashMap<String, String>) -> Entry {
    let time = message.date.as_deref().and_then(Moment::iso);
    let utc = message.date_unixtime.as_deref().and_then(|seconds| Moment::utc(seconds.parse().ok()?));
    let time = match (time, utc) {
        (Some(local), Some(utc)) => Some(local.beside(utc)),
        (local, utc) => local.or(utc),
    };
    let text = message.text.plain();
    if message.r#type != "message" {
        return Entry::system(time, text);
    }
    let sender = message.from.or_else(|| {
        let id = message.from_id?.to_string();
        Some(names.get(&id).cloned().unwrap_or(id))
    });
    let entry = Entry::words(time, sender.unwrap_or_default(), text);
    let other = [
        message.media_type,
        message.photo,
        message.file,
        message.location_information,
        message.contact_information,
        message.poll,
    ];
    if entry.kind == Kind::Empty && other.iter().any(Option::is_some) {
        entry.of_kind(Kind::Media)
    } else {
        entry
    }
}
