//! `ChatGPT`: `conversations.json`, a tree of messages for each conversation.
//!
//! An answer that was asked for again, or a question that was written anew, begins a branch. What was seen last is the
//! way from `current_node` to the root.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use artifact::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::output::Output;
use crate::roles::{self, Tallies};
use crate::value;

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(alias = "conversation_id")]
    id: Option<String>,
    current_node: Option<String>,
    mapping: HashMap<String, Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    message: Option<Message>,
    parent: Option<String>,
    #[serde(default)]
    children: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    author: Author,
    content: Content,
    recipient: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Author {
    role: String,
}

#[derive(Debug, Deserialize)]
struct Content {
    content_type: String,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    /// A picture or a sound.
    Other(IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    is_visually_hidden_from_conversation: bool,
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
    value::each(path, reader, "conversations of ChatGPT", |mut record: Record| {
        number += 1;
        let mut turns = Vec::new();
        for id in way(&record) {
            let Some(message) = record.mapping.get_mut(&id).and_then(|node| node.message.take()) else {
                continue;
            };
            match turn(message) {
                Some(turn) => merge(&mut turns, turn),
                None => tallies.turns.reject("system, tools, hidden or not text"),
            }
        }
        let id = record.id.unwrap_or_else(|| format!("{stem}-{number:06}"));
        roles::write(id, None, turns, tallies, output)
    })
}

/// The nodes from the root to the current one; without one, along the last child each time.
fn way(record: &Record) -> Vec<String> {
    // A damaged file may hold a circle.
    let mut seen = HashSet::new();
    let mut way = Vec::new();
    if let Some(current) = &record.current_node {
        let mut next = Some(current);
        while let Some((id, node)) = next.and_then(|id| record.mapping.get_key_value(id)) {
            if !seen.insert(id) {
                break;
            }
            way.push(id.clone());
            next = node.parent.as_ref();
        }
        way.reverse();
        return way;
    }
    let mut roots: Vec<&String> =
        record.mapping.iter().filter(|(_, node)| node.parent.is_none()).map(|(id, _)| id).collect();
    roots.sort();
    let mut next = roots.first().copied();
    while let Some((id, node)) = next.and_then(|id| record.mapping.get_key_value(id)) {
        if !seen.insert(id) {
            break;
        }
        way.push(id.clone());
        next = node.children.last();
    }
    way
}

/// A turn between the person and the assistant, in words.
fn turn(message: Message) -> Option<(String, String)> {
    let hidden = message.metadata.is_some_and(|metadata| metadata.is_visually_hidden_from_conversation);
    let to_all = message.recipient.is_none_or(|recipient| recipient == "all");
    let spoken = matches!(message.author.role.as_str(), "user" | "assistant");
    let is_text = matches!(message.content.content_type.as_str(), "text" | "multimodal_text");
    if hidden || !to_all || !spoken || !is_text {
        return None;
    }
    let texts = message.content.parts.into_iter().filter_map(|part| match part {
        Part::Text(text) => Some(text),
        Part::Other(_) => None,
    });
    let text = texts.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some((message.author.role, text))
}

/// An answer goes on after a tool was called.
fn merge(turns: &mut Vec<(String, String)>, (role, text): (String, String)) {
    match turns.last_mut() {
        Some((last, before)) if *last == role => {
            before.push('\n');
            before.push_str(&text);
        }
        _ => turns.push((role, text)),
    }
}
