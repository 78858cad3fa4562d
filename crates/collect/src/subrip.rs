//! `SubRip` subtitles: cues with a number, a time and a text. They name no speakers; taken to alternate, each cue answers
//! the one before.

use std::path::Path;

use artifact::{Error, Place, Result};

use crate::chat::{Chat, Entry};
use crate::moment::Day;
use crate::scan::Scan;

/// The two who take turns; the second one answers.
const SPEAKERS: [&str; 2] = ["first", "second"];

/// Whether text begins with a cue.
pub(crate) fn is(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.next().is_some_and(|line| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()))
        && lines.next().is_some_and(|line| times(line).is_some())
}

/// Reads the cues as turns of two speakers.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    let day = Day::new(1970, 1, 1).expect("a day of the calendar");
    let mut entries: Vec<Entry> = Vec::new();
    let mut say = |time, text: &str| {
        let sender = SPEAKERS[entries.len() % 2];
        entries.push(Entry::words(Some(time), sender, text));
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].is_empty() {
            at += 1;
            continue;
        }
        // The number is of no use, and at times it is missing.
        let numbered = usize::from(times(lines[at]).is_none());
        let Some(seconds) = lines.get(at + numbered).and_then(|line| times(line)) else {
            let place = Place::Line(at + numbered + 1);
            let found = lines.get(at + numbered).map_or("the end of the file", |line| *line);
            return Err(Error::at(path, place, "the times of a cue, 00:00:01,000 --> 00:00:02,500", found));
        };
        at += numbered + 1;
        let end =
            lines[at..].iter().position(|line| line.is_empty()).map_or(lines.len(), |length| at + length);
        let time = day.at(0, 0, seconds);
        // Two who speak within one cue are told apart by dashes.
        let mut spoken: Vec<String> = Vec::new();
        for line in &lines[at..end] {
            let line = unstyled(line);
            let line = line.trim();
            match line.strip_prefix(['-', '–']) {
                Some(new) => spoken.push(new.trim().to_owned()),
                None if line.is_empty() => {}
                None => match spoken.last_mut() {
                    Some(last) => {
                        last.push(' ');
                        last.push_str(line);
                    }
                    None => spoken.push(line.to_owned()),
                },
            }
        }
        spoken.iter().filter(|text| !text.is_empty()).for_each(|text| say(time, text));
        at = end;
    }
    Ok(Chat { id: String::new(), entries, owner: Some(SPEAKERS[1]) })
}

/// The second at which a cue begins, of `00:00:01,000 --> 00:00:02,500`.
fn times(line: &str) -> Option<i64> {
    let (start, end) = line.split_once(" --> ")?;
    time(end)?;
    time(start)
}

fn time(text: &str) -> Option<i64> {
    let mut scan = Scan(text.trim());
    let hours = scan.number(1, 3)?;
    scan.text(":")?;
    let minutes = scan.number(2, 2)?;
    scan.text(":")?;
    let seconds = scan.number(2, 2)?;
    scan.text(",").or_else(|| scan.text("."))?;
    scan.number(1, 3)?;
    Some((hours * 60 + minutes) * 60 + seconds)
}

/// The text without `<i>`, `</font>` and `{\an8}`.
fn unstyled(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(['<', '{']) {
        let close = if rest[start..].starts_with('<') { '>' } else { '}' };
        let Some(end) = rest[start..].find(close) else { break };
        let inner = &rest[start + 1..start + end];
        let is_style = if close == '>' {
            inner.starts_with(['/', 'i', 'b', 'u', 'f', 's']) && !inner.contains('<')
        } else {
            inner.starts_with('\\')
        };
        plain.push_str(&rest[..start]);
        if !is_style {
            plain.push_str(&rest[start..=start + end]);
        }
        rest = &rest[start + end + 1..];
    }
    plain.push_str(rest);
    plain
}
