//! Messenger and Instagram: `message_1.json`, `message_2.json`, ... of a chat, the newest message first.

use std::collections::BTreeMap;

use artifact::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat::{Chat, Entry, Kind};
use crate::files::Files;
use crate::moment::Moment;
use crate::value;

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    title: String,
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    sender_name: String,
    timestamp_ms: i64,
    content: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    is_unsent: bool,
    photos: Option<IgnoredAny>,
    videos: Option<IgnoredAny>,
    audio_files: Option<IgnoredAny>,
    gifs: Option<IgnoredAny>,
    files: Option<IgnoredAny>,
    sticker: Option<IgnoredAny>,
    share: Option<IgnoredAny>,
    call_duration: Option<IgnoredAny>,
}

/// Whether a file has the name of one of these.
pub(crate) fn is_named(name: &str) -> bool {
    let leaf = name.rsplit('/').next().unwrap_or(name);
    leaf.strip_prefix("message_")
        .and_then(|rest| rest.strip_suffix(".json"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads every chat: the files of a folder are one.
pub(crate) fn read(files: &mut Files) -> Result<Vec<Chat>> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let names = files.names().to_vec();
    let alone = names.len() == 1;
    for name in names.into_iter().filter(|name| alone || is_named(name)) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        folders.entry(folder).or_default().push(name);
    }
    let mut chats = Vec::new();
    for names in folders.into_values() {
        let mut id = String::new();
        let mut messages = Vec::new();
        for name in names {
            let text = files.text(&name)?;
            let file: File = value::parse(&files.path(&name), &text, "messages of Messenger or Instagram")?;
            id = repaired(file.title);
            messages.extend(file.messages);
        }
        // Of messages of one millisecond, too, the later stands first.
        messages.reverse();
        messages.sort_by_key(|message| message.timestamp_ms);
        chats.push(Chat { id, entries: messages.into_iter().map(entry).collect(), owner: None });
    }
    Ok(chats)
}

fn entry(message: Message) -> Entry {
    let time = Moment::utc(message.timestamp_ms.div_euclid(1000));
    let content = repaired(message.content.unwrap_or_default());
    let entry = Entry::words(time, repaired(message.sender_name), content);
    let shown = [
        message.photos,
        message.videos,
        message.audio_files,
        message.gifs,
        message.files,
        message.sticker,
        message.share,
    ];
    let shown = shown.iter().any(Option::is_some);
    let is_system = matches!(message.r#type.as_deref(), Some("Subscribe" | "Unsubscribe"))
        || entry.text == "Liked a message"
        || (entry.text.starts_with("Reacted ") && entry.text.trim_end().ends_with(" to your message"));
    let is_note = shown && entry.text.ends_with(" sent an attachment.");
    if message.is_unsent {
        entry.of_kind(Kind::Deleted)
    } else if is_system {
        entry.of_kind(Kind::System)
    } else if message.call_duration.is_some() || is_note || (entry.kind == Kind::Empty && shown) {
        entry.of_kind(Kind::Media)
    } else {
        entry
    }
}

/// The text whose every byte of UTF-8 was written as a character of its own; as it is where it cannot be such.
fn repaired(text: String) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_spoilt_is_repaired() {
        let check = |text: &str, expected: &str| assert_eq!(repaired(text.to_owned()), expected);
        check("\u{ea}\u{b0}\u{80}", "가");
        check("가", "가");
        check("\u{e9}t\u{e9}", "été");
        check("plain", "plain");
        check("\u{ea}\u{b0}\u{80} 가", "\u{ea}\u{b0}\u{80} 가");
    }
}
