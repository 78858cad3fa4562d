//! macOS: a table `Date,User,Message`.

use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord};
use artifact::{Error, Place, Result};

use super::{phrases, system};
use crate::chat::{Entry, Kind};
use crate::moment::Moment;

const HEADER: &str = "Date,User,Message";

/// Whether text is such a table.
pub(super) fn is(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end() == HEADER)
}

/// The rows, in order.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<Entry>> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let line = reader.position().line() as usize;
        let more = reader
            .read_record(&mut record)
            .map_err(|error| Error::at(path, Place::Line(line), "a row of a table", error.to_string()))?;
        if !more {
            return Ok(entries);
        }
        let line = record.position().map_or(line, |position| position.line() as usize);
        let (Some(date), Some(user), Some(text), 3) =
            (record.get(0), record.get(1), record.get(2), record.len())
        else {
            let found = format!("{} columns", record.len());
            return Err(Error::at(path, Place::Line(line), format!("the columns {HEADER}"), found));
        };
        let time =
            if date.is_empty() { entries.last().and_then(|entry| entry.time) } else { Moment::iso(date) };
        if time.is_none() && !date.is_empty() {
            return Err(Error::at(
                path,
                Place::Line(line),
                "a time as 2021-12-29 20:36:00",
                format!("`{date}`"),
            ));
        }
        // A deleted message has neither time nor name. What the program says stands under the name of who caused it.
        let by_program = user.is_empty() && (date.is_empty() || phrases::is_event(text));
        entries.push(if by_program || phrases::is_event_of(text, user) {
            system(time, text)
        } else {
            let entry = Entry::words(time, user, text);
            let kind = if entry.kind == Kind::Empty { Kind::Empty } else { phrases::kind_uncut(text) };
            entry.of_kind(kind)
        });
    }
}
