//! `DiscordChatExporter`: a channel as JSON or CSV.

use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord};
use artifact::{Error, Place, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat::{Chat, Entry, Kind};
use crate::moment::{Day, Moment};
use crate::scan::Scan;
use crate::value;

#[derive(Debug, Deserialize)]
struct File {
    channel: Channel,
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    r#type: String,
    timestamp: Option<String>,
    #[serde(default)]
    content: String,
    author: Author,
    #[serde(default)]
    attachments: Vec<IgnoredAny>,
    #[serde(default)]
    embeds: Vec<IgnoredAny>,
    #[serde(default)]
    stickers: Vec<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Author {
    name: String,
    nickname: Option<String>,
    #[serde(default)]
    is_bot: bool,
}

const HEADER: &str = "AuthorID,Author,Date,Content,Attachments,Reactions";

/// Whether text is the table.
pub(crate) fn is_table(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end().replace('"', "") == HEADER)
}

/// Reads one channel.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    if is_table(text) {
        return Ok(Chat { id: String::new(), entries: rows(path, text)?, owner: None });
    }
    let file: File = value::parse(path, text, "a channel exported by DiscordChatExporter")?;
    let entries = file.messages.into_iter().map(entry).collect();
    Ok(Chat { id: file.channel.name.unwrap_or_default(), entries, owner: None })
}

fn entry(message: Message) -> Entry {
    let time = message.timestamp.as_deref().and_then(Moment::iso);
    if !matches!(message.r#type.as_str(), "Default" | "Reply") {
        return Entry::system(time, message.content);
    }
    let Author { name, nickname, is_bot } = message.author;
    let sender = nickname.filter(|name| !name.is_empty()).unwrap_or(name);
    let entry = Entry::words(time, sender, message.content);
    let shown = !(message.attachments.is_empty() && message.embeds.is_empty() && message.stickers.is_empty());
    match entry.kind {
        _ if is_bot => entry.of_kind(Kind::Bot),
        Kind::Empty if shown => entry.of_kind(Kind::Media),
        _ => entry,
    }
}

fn rows(path: &Path, text: &str) -> Result<Vec<Entry>> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut entries = Vec::new();
    loop {
        let place = Place::Line(reader.position().line() as usize);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(entries),
            Err(error) => return Err(Error::at(path, place, "a row of a table", error.to_string())),
        }
        if record.len() != HEADER.split(',').count() {
            let found = format!("{} columns", record.len());
            return Err(Error::at(path, place, format!("the columns {HEADER}"), found));
        }
        // Without a tag of four digits, as names were once written.
        let author =
            record[1].rsplit_once('#').filter(|(_, tag)| tag.bytes().all(|byte| byte.is_ascii_digit()));
        let author = author.map_or(&record[1], |(name, _)| name);
        let entry = Entry::words(date(&record[2]), author, &record[3]);
        let shown = entry.kind == Kind::Empty && !record[4].is_empty();
        entries.push(if shown { entry.of_kind(Kind::Media) } else { entry });
    }
}

/// `2019-01-04T17:52:39.7620000+00:00` or, from older versions, `04-Jan-19 05:52 PM`.
fn date(text: &str) -> Option<Moment> {
    Moment::iso(text).or_else(|| {
        let mut parts = text.splitn(3, '-');
        let (day, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (year, clock) = rest.split_once(' ')?;
        let first = Scan(&format!("{month} 1, 2000")).english_date()?;
        let month = first.month();
        let (hour, minute, second) = Scan(clock).clock()?;
        let year: i64 = year.parse().ok().filter(|year| (0..100).contains(year))?;
        Some(Day::new(2000 + year, month, day.parse().ok()?)?.at(hour, minute, second))
    })
}
