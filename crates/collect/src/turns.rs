//! Chats to conversations: who becomes the assistant, what belongs together, what is left out.

use std::collections::BTreeMap;

use artifact::conversation::{Message, Role};
use artifact::{Error, Result};

use crate::chat::{Chat, Entry, Kind};
use crate::moment::Moment;
use crate::output::{Output, Talk};
use crate::tally::Tally;

/// How chats are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The person who becomes the assistant.
    pub(crate) me: Option<String>,
    /// Seconds of silence after which another conversation begins.
    pub(crate) gap: i64,
    pub(crate) speakers: Speakers,
    /// Minutes ahead of UTC, for times without an offset.
    pub(crate) offset: i32,
}

/// Whether a turn says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speakers {
    /// `NAME: TEXT`, for everyone but the assistant.
    Named,
    Unnamed,
}

/// What one person says before another does.
struct Turn<'a> {
    sender: &'a str,
    role: Role,
    time: Option<Moment>,
    text: String,
    /// Entries in it.
    entries: usize,
}

/// Names in the hint of an error.
const LISTED: usize = 8;

/// Writes the conversations of the chats and counts every entry.
///
/// A conversation begins with somebody else and ends with an answer of the assistant: what stands before or after
/// teaches nothing, and is counted.
pub(crate) fn write(chats: &[Chat], rules: &Rules, tally: &mut Tally, output: &mut Output) -> Result<()> {
    for (chat, place) in chats.iter().zip(1..) {
        let me = assistant(chat, chats, rules)?;
        let mut number = 0;
        for part in parts(chat, rules.gap, tally) {
            let turns = answered(turns(&part, me), tally);
            if turns.is_empty() {
                continue;
            }
            tally.keep_many(turns.iter().map(|turn| turn.entries).sum());
            number += 1;
            let messages = turns.into_iter().map(|turn| message(turn, rules)).collect();
            output.write(Talk { id: format!("{place:03}-{number:06}"), messages, ..Talk::default() })?;
        }
    }
    Ok(())
}

/// Everyone who speaks in the chats, in the order of names.
pub(crate) fn people(chats: &[Chat]) -> Vec<String> {
    let mut names: Vec<&str> =
        chats.iter().flat_map(|chat| &chat.entries).map(|entry| entry.sender.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The name of the assistant in this chat: the one asked for or, where nobody of that name speaks in any of the chats,
/// the word by which the export calls the person who made it.
fn assistant<'a>(chat: &'a Chat, all: &[Chat], rules: &'a Rules) -> Result<&'a str> {
    let speaks = |name: &str| all.iter().any(|chat| chat.entries.iter().any(|entry| entry.sender == name));
    match (&rules.me, chat.owner) {
        (Some(me), _) if speaks(me) => Ok(me),
        (_, Some(owner)) => Ok(owner),
        // In a folder of chats, one without its owner's words has nothing to learn.
        (Some(me), None) if all.iter().any(|chat| chat.owner.is_some()) => Ok(me),
        (Some(me), None) => {
            Err(Error::refused(format!("--me {me}: nobody of that name speaks in {}", chat.id))
                .with_hint(format!("who speaks there: {}", speakers(all))))
        }
        (None, None) => Err(Error::refused(format!("{}: who of the people in it becomes the bot?", chat.id))
            .with_hint(format!("name one of them with --me NAME: {}", speakers(all)))),
    }
}

/// Those who say most, with the number of their messages.
fn speakers(chats: &[Chat]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let words = chats.iter().flat_map(|chat| &chat.entries).filter(|entry| entry.kind == Kind::Words);
    for entry in words {
        *counts.entry(&entry.sender).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let listed: Vec<String> =
        counts.iter().take(LISTED).map(|(name, count)| format!("{name} ({count})")).collect();
    let more = if counts.len() > LISTED { ", ..." } else { "" };
    if listed.is_empty() { "nobody".to_owned() } else { listed.join(", ") + more }
}

/// The entries of words, divided where nobody speaks for longer than the gap; counts the others.
fn parts<'a>(chat: &'a Chat, gap: i64, tally: &mut Tally) -> Vec<Vec<&'a Entry>> {
    let mut parts: Vec<Vec<&Entry>> = Vec::new();
    let mut last: Option<Moment> = None;
    for entry in &chat.entries {
        if let Some(reason) = entry.kind.reason() {
            tally.reject(reason);
            continue;
        }
        let silent = matches!((entry.time, last), (Some(time), Some(last)) if time.since(last) > gap);
        last = entry.time.or(last);
        match parts.last_mut() {
            Some(part) if !silent => part.push(entry),
            _ => parts.push(vec![entry]),
        }
    }
    parts
}

fn turns<'a>(entries: &[&'a Entry], me: &str) -> Vec<Turn<'a>> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for entry in entries {
        let text = entry.text.trim();
        match turns.last_mut() {
            Some(turn) if turn.sender == entry.sender => {
                turn.text.push('\n');
                turn.text.push_str(text);
                turn.entries += 1;
            }
            _ => turns.push(Turn {
                sender: &entry.sender,
                role: if entry.sender == me { Role::Assistant } else { Role::User },
                time: entry.time,
                text: text.to_owned(),
                entries: 1,
            }),
        }
    }
    turns
}

/// From the first turn of somebody else to the last answer; counts what stands before and after.
fn answered<'a>(mut turns: Vec<Turn<'a>>, tally: &mut Tally) -> Vec<Turn<'a>> {
    let entries = |turns: &[Turn<'_>]| turns.iter().map(|turn| turn.entries).sum();
    let end = turns.iter().rposition(|turn| turn.role == Role::Assistant).map_or(0, |last| last + 1);
    tally.reject_many("not answered by the assistant", entries(&turns[end..]));
    turns.truncate(end);
    let start = turns.iter().position(|turn| turn.role == Role::User).unwrap_or(turns.len());
    tally.reject_many("said by the assistant to nobody", entries(&turns[..start]));
    turns.drain(..start);
    turns
}

fn message(turn: Turn<'_>, rules: &Rules) -> Message {
    let content = match rules.speakers {
        Speakers::Named if turn.role == Role::User && !turn.sender.is_empty() => {
            format!("{}: {}", turn.sender, turn.text)
        }
        Speakers::Named | Speakers::Unnamed => turn.text,
    };
    let time = turn.time.map(|time| time.rfc3339(rules.offset));
    Message { time, ..Message::new(turn.role, content) }
}
