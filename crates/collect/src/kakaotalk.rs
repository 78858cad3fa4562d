//! `KakaoTalk`: text from Android, iOS and Windows, CSV from macOS, in Korean and English.
//!
//! The text formats know no escape: a message goes on until a line that *is* a message or a date. What people paste
//! looks like one at times, so a line counts only if it is written as the file's first message is, and is not of an
//! earlier day than the date line above it.

mod macos;
mod mobile;
mod phrases;
mod windows;

use std::collections::HashSet;
use std::path::Path;

use artifact::{Error, Result};

use crate::chat::{Chat, Entry, Kind};
use crate::moment::{Day, Moment};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Android and iOS: a time, a comma, a name, ` : `, a text.
    Mobile(mobile::Stamp),
    /// `[name] [time] text` below lines of dates.
    Windows,
    /// A table.
    Macos,
}

/// A line of a text file, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    /// Begins a day.
    Date(Day),
    Message {
        time: Time,
        sender: &'a str,
        text: &'a str,
    },
    System {
        time: Time,
        text: &'a str,
    },
    /// Goes on with the message above.
    Other,
}

/// The time of a line; without a day, it is of the date line's above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time {
    day: Option<Day>,
    clock: (i64, i64, i64),
}

impl Time {
    fn on(self, day: Option<Day>) -> Option<Moment> {
        let (hour, minute, second) = self.clock;
        Some(self.day.or(day)?.at(hour, minute, second))
    }
}

/// What mobile and Windows exports call the person who made them.
const OWNERS: [&str; 2] = ["회원님", "you"];

/// Lines at the beginning among which the first message must stand.
const HEAD: usize = 400;

/// Whether text looks like one of the exports.
pub(crate) fn is(text: &str) -> bool {
    let titled = text.lines().take(3).any(|line| {
        line.ends_with("카카오톡 대화")
            || line.starts_with("KakaoTalk Chats with ")
            || line.starts_with("Talk_")
    });
    let saved = |line: &str| line.starts_with("저장한 날짜 : ") || line.starts_with("Date Saved : ");
    titled
        || macos::is(text)
        || (text.lines().take(4).any(saved) && family(text).is_some())
        || windows::is(text)
}

/// Reads one export.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    let Some(family) = family(text) else {
        return Err(Error::malformed(path, "an export of KakaoTalk with a message", "none")
            .with_hint("export the chat again, or name another --format"));
    };
    let entries = match family {
        Family::Macos => macos::entries(path, text)?,
        Family::Mobile(stamp) => assemble(text, |line| mobile::line(line, stamp), |_, _| false),
        Family::Windows => assemble(text, windows::line, phrases::is_system),
    };
    let owner = OWNERS.into_iter().find(|owner| entries.iter().any(|entry| entry.sender == *owner));
    Ok(Chat { id: String::new(), entries, owner })
}

fn family(text: &str) -> Option<Family> {
    if macos::is(text) {
        return Some(Family::Macos);
    }
    text.lines().take(HEAD).find_map(|line| {
        if matches!(windows::line(line), Line::Message { .. }) {
            return Some(Family::Windows);
        }
        mobile::Stamp::of(line).map(Family::Mobile)
    })
}

/// Joins lines to entries. `is_system` tells, by the names of those who speak, which lines without a time are the
/// program's.
fn assemble<'a>(
    text: &'a str,
    line: impl Fn(&'a str) -> Line<'a>,
    is_system: impl Fn(&str, &HashSet<&str>) -> bool,
) -> Vec<Entry> {
    let lines: Vec<(&str, Line<'_>)> = text
        .split('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .map(|text| (text, line(text)))
        .collect();
    let names: HashSet<&str> = lines
        .iter()
        .filter_map(|(_, line)| if let Line::Message { sender, .. } = line { Some(*sender) } else { None })
        .collect();

    let mut entries: Vec<Entry> = Vec::new();
    // Whether the entry that was begun last may go on, and the blank lines that may belong to it.
    let mut open = false;
    let mut blanks = 0;
    let mut day = None;
    for (at, &(written, line)) in lines.iter().enumerate() {
        match line {
            Line::Date(date)
                if Some(date) >= day
                    && begins_a_day(&lines[at + 1..], date, |line| is_system(line, &names)) =>
            {
                day = Some(date);
                (open, blanks) = (false, 0);
            }
            Line::Message { time, sender, text } if is_of(day, time) => {
                entries.push(Entry::words(time.on(day), sender, text));
                (open, blanks) = (true, 0);
            }
            Line::System { time, text } if is_of(day, time) => {
                entries.push(system(time.on(day), text));
                (open, blanks) = (false, 0);
            }
            _ if is_system(written, &names) => {
                let time = entries.last().and_then(|entry| entry.time);
                entries.push(system(time, written));
                (open, blanks) = (false, 0);
            }
            _ if !open => {}
            _ if written.is_empty() => blanks += 1,
            _ => {
                let entry = entries.last_mut().expect("an open entry was begun");
                entry.text.extend(std::iter::repeat_n('\n', blanks + 1));
                entry.text.push_str(written);
                blanks = 0;
            }
        }
    }
    for entry in entries.iter_mut().filter(|entry| matches!(entry.kind, Kind::Words | Kind::Empty)) {
        entry.kind = phrases::kind(&entry.text);
    }
    entries
}

/// A line of the program, which may stand for a deleted message.
fn system(time: Option<Moment>, text: &str) -> Entry {
    let kind = if phrases::is_deleted(text) { Kind::Deleted } else { Kind::System };
    Entry::system(time, text).of_kind(kind)
}

/// Whether a line with this time can be of the day or a later one: what is quoted is older.
fn is_of(day: Option<Day>, time: Time) -> bool {
    match (day, time.day) {
        (Some(day), Some(own)) => own >= day,
        (None, None) => false,
        _ => true,
    }
}

/// Whether a date line is one: the next line with words is of that day, or names none.
fn begins_a_day(rest: &[(&str, Line<'_>)], date: Day, is_system: impl Fn(&str) -> bool) -> bool {
    match rest.iter().find(|(written, _)| !written.trim().is_empty()) {
        Some((_, Line::Message { time, .. } | Line::System { time, .. })) => {
            time.day.is_none_or(|own| own == date)
        }
        // Windows writes what the program says without a time; days may follow each other where it was deleted.
        Some((_, Line::Date(next))) => *next >= date,
        Some((written, Line::Other)) => is_system(written),
        None => true,
    }
}
