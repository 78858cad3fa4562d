//! `imessage-exporter`, text: a line with the time, one with the name, the body, a blank line.

use std::path::Path;

use artifact::{Error, Result};

use crate::chat::{Chat, Entry, Kind};
use crate::moment::Moment;
use crate::scan::Scan;

/// What the export calls the person who made it.
const OWNER: &str = "Me";

/// Whether text begins as these files do.
pub(crate) fn is(text: &str) -> bool {
    let mut lines = text.lines().skip_while(|line| line.trim().is_empty());
    let time = lines.next().and_then(time);
    time.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('('))
        && lines.next().is_some_and(|name| !name.trim().is_empty())
}

/// Reads one chat.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines = text.lines().peekable();
    // A time begins a message only below a blank line: people write of days.
    let mut below_blank = true;
    while let Some(line) = lines.next() {
        match time(line.trim_start()).filter(|_| below_blank) {
            // Who was added, how the chat is called: all on one line.
            Some((time, rest)) if !rest.is_empty() && !rest.starts_with('(') => {
                entries.push(Entry::system(Some(time), rest));
            }
            Some((time, _)) => {
                let sender = lines.next().unwrap_or_default().trim();
                entries.push(Entry::words(Some(time), sender, ""));
            }
            None => {
                if let Some(entry) = entries.last_mut().filter(|entry| entry.kind != Kind::System) {
                    entry.text.push_str(line.trim_end());
                    entry.text.push('\n');
                }
            }
        }
        below_blank = line.trim().is_empty();
    }
    if entries.is_empty() {
        return Err(Error::malformed(path, "a text file of imessage-exporter with a message", "none")
            .with_hint("export the chat again, or name another --format"));
    }
    entries.iter_mut().filter(|entry| entry.kind != Kind::System).for_each(classify);
    let owner = entries.iter().any(|entry| entry.sender == OWNER).then_some(OWNER);
    Ok(Chat { id: String::new(), entries, owner })
}

/// `Jan 04, 2019  5:52:39 PM` and what follows.
fn time(line: &str) -> Option<(Moment, &str)> {
    let mut scan = Scan(line);
    let day = scan.english_date()?;
    scan.blanks();
    let (hour, minute, second) = scan.clock()?;
    let rest = scan.0;
    (rest.is_empty() || rest.starts_with(' ')).then(|| (day.at(hour, minute, second), rest.trim()))
}

/// What the exporter adds below a body.
const ADDED: [&str; 2] = ["Tapbacks:", "Reactions:"];

fn classify(entry: &mut Entry) {
    let mut body: Vec<&str> = Vec::new();
    let mut attached = false;
    for line in entry.text.lines() {
        let trimmed = line.trim();
        if ADDED.contains(&trimmed) {
            break;
        }
        if trimmed == "This message responded to an earlier message." {
            continue;
        }
        if is_attachment(trimmed) {
            attached = true;
            continue;
        }
        body.push(line);
    }
    let text = body.join("\n").trim().to_owned();
    let unsent = text.contains(" unsent this message") || text.contains(" unsent a message");
    entry.kind = match () {
        () if unsent && !text.contains('\n') => Kind::Deleted,
        () if !text.is_empty() => Kind::Words,
        () if attached => Kind::Media,
        () => Kind::Empty,
    };
    entry.text = text;
}

/// A line that is nothing but the path of a file.
fn is_attachment(line: &str) -> bool {
    let path = line.starts_with('/') || line.starts_with("~/") || line.starts_with("attachments/");
    let name = line.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    path && (2..=7).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
