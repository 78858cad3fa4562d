//! `WhatsApp`: `[DATE, TIME] NAME: TEXT` from iOS, `DATE, TIME - NAME: TEXT` from Android.
//!
//! Dates follow the phone's country, and nothing in the file says which: the order of day, month and year is the one
//! under which every date exists and time runs forward.

use std::path::Path;

use artifact::{Error, Result};

use crate::chat::{Chat, Entry, Kind};
use crate::moment::{Day, Moment};
use crate::scan::Scan;

/// What a file puts around the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Brackets,
    Dash,
}

/// The order of a date's three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    DayMonthYear,
    MonthDayYear,
    YearMonthDay,
}

/// The beginning of a message.
struct Stamp<'a> {
    numbers: [i64; 3],
    clock: (i64, i64, i64),
    frame: Frame,
    text: &'a str,
}

/// Direction marks, which iOS puts before lines of its own.
const MARKS: [char; 2] = ['\u{200e}', '\u{200f}'];

/// Lines that may stand before the first message.
const HEAD: usize = 20;

/// Whether text looks like such an export.
pub(crate) fn is(text: &str) -> bool {
    text.lines().take(HEAD).any(|line| stamp(line).is_some())
}

/// Reads `_chat.txt` or `WhatsApp Chat with ....txt`.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    let Some(frame) = text.lines().take(HEAD).find_map(stamp).map(|stamp| stamp.frame) else {
        return Err(Error::malformed(path, "a chat of WhatsApp with a message", "none")
            .with_hint("export the chat again, or name another --format"));
    };
    let lines: Vec<(&str, Option<Stamp<'_>>)> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .map(|line| (line, stamp(line).filter(|stamp| stamp.frame == frame)))
        .collect();
    let order = order(lines.iter().filter_map(|(_, stamp)| stamp.as_ref()));
    let mut entries: Vec<Entry> = Vec::new();
    for (line, stamp) in lines {
        // Without an order, no date exists: such a line goes on with what stands above it.
        let begun = stamp.and_then(|stamp| Some((moment(&stamp, order?)?, stamp)));
        match (begun, entries.last_mut()) {
            (Some((time, stamp)), _) => entries.push(entry(time, stamp.text)),
            (None, Some(entry)) => {
                entry.text.push('\n');
                entry.text.push_str(line);
            }
            (None, None) => {}
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.kind == Kind::Words) {
        classify(entry);
    }
    Ok(Chat { id: String::new(), entries, owner: None })
}

fn stamp(line: &str) -> Option<Stamp<'_>> {
    let mut scan = Scan(line.trim_start_matches(MARKS));
    let frame = if scan.text("[").is_some() { Frame::Brackets } else { Frame::Dash };
    let first = scan.number(1, 4)?;
    let sign = scan.either(&[
        |scan| scan.text("/").map(|()| "/"),
        |scan| scan.text("-").map(|()| "-"),
        |scan| scan.text(".").map(|()| "."),
    ])?;
    scan.blanks();
    let second = scan.number(1, 2)?;
    scan.text(sign)?;
    scan.blanks();
    let third = scan.number(1, 4)?;
    let _ = scan.text(".");
    let _ = scan.text(",");
    scan.blanks();
    let clock = scan.clock()?;
    let text = match frame {
        Frame::Brackets => scan.0.strip_prefix(']')?.trim_start_matches(' '),
        Frame::Dash => scan.0.strip_prefix(" - ")?,
    };
    Some(Stamp { numbers: [first, second, third], clock, frame, text })
}

fn moment(stamp: &Stamp<'_>, order: Order) -> Option<Moment> {
    let (hour, minute, second) = stamp.clock;
    Some(day(stamp.numbers, order)?.at(hour, minute, second))
}

fn day([a, b, c]: [i64; 3], order: Order) -> Option<Day> {
    let (year, month, day) = match order {
        Order::DayMonthYear => (c, b, a),
        Order::MonthDayYear => (c, a, b),
        Order::YearMonthDay => (a, b, c),
    };
    // A year of two digits is of this century: the program is younger.
    Day::new(if year < 100 { 2000 + year } else { year }, month, day)
}

/// The order under which every date exists; of several, the one under which time runs backward least often, and then
/// the one under which the chat is shortest, since it is days that follow each other.
fn order<'a>(stamps: impl Iterator<Item = &'a Stamp<'a>> + Clone) -> Option<Order> {
    let orders = [Order::DayMonthYear, Order::MonthDayYear, Order::YearMonthDay];
    let cost = |order: &Order| -> Option<(usize, i64)> {
        let mut backward = 0;
        let mut bounds: Option<(Moment, Moment)> = None;
        for stamp in stamps.clone() {
            let time = moment(stamp, *order)?;
            bounds = Some(match bounds {
                None => (time, time),
                Some((first, last)) => {
                    backward += usize::from(time.since(last) < 0);
                    (first, time)
                }
            });
        }
        let (first, last) = bounds?;
        Some((backward, last.since(first).abs()))
    };
    orders
        .into_iter()
        .filter_map(|order| Some((cost(&order)?, order)))
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, order)| order)
}

fn entry(time: Moment, text: &str) -> Entry {
    match text.split_once(": ").or_else(|| Some((text.strip_suffix(':')?, ""))) {
        Some((sender, text)) => {
            Entry::words(Some(time), sender.trim_matches(MARKS), text).of_kind(Kind::Words)
        }
        None => Entry::system(Some(time), text),
    }
}

/// What iOS and Android write in the stead of media.
const MEDIA: [&str; 20] = [
    "<Media omitted>",
    "<미디어 파일 제외됨>",
    "<미디어 제외됨>",
    "<미디어 파일을 제외한 내용>",
    "image omitted",
    "video omitted",
    "audio omitted",
    "sticker omitted",
    "GIF omitted",
    "document omitted",
    "Contact card omitted",
    "이미지 생략됨",
    "동영상 생략됨",
    "오디오 생략됨",
    "스티커 생략됨",
    "GIF 생략됨",
    "문서 생략됨",
    "Missed voice call",
    "Missed video call",
    "null",
];

/// How a line ends that names an attached file.
const ATTACHED: [&str; 3] = [" (file attached)", " (파일 첨부됨)", " (첨부 파일 있음)"];

const DELETED: [&str; 6] = [
    "This message was deleted",
    "You deleted this message",
    "This message was deleted by admin",
    "이 메시지는 삭제되었습니다",
    "삭제된 메시지입니다",
    "메시지를 삭제했습니다",
];

const EDITED: [&str; 3] =
    ["<This message was edited>", "<이 메시지가 수정되었습니다>", "<수정된 메시지입니다>"];

/// Tells what an entry is by its text, and takes from it what is not the sender's.
fn classify(entry: &mut Entry) {
    let by_program = entry.text.starts_with(MARKS);
    let mut text = entry.text.trim_matches(MARKS).trim();
    for edited in EDITED {
        text = text.strip_suffix(edited).unwrap_or(text).trim_end_matches(MARKS).trim_end();
    }
    // A file may have a caption below its name.
    let (first, caption) = text.split_once('\n').unwrap_or((text, ""));
    let first = first.trim_matches(MARKS).trim();
    let is_media = MEDIA.contains(&first)
        || ATTACHED.iter().any(|end| first.ends_with(end))
        || (first.starts_with("<attached: ") && first.ends_with('>'));
    let (kind, text) = if DELETED.contains(&text.trim_end_matches('.')) {
        (Kind::Deleted, text)
    } else if is_media && caption.trim().is_empty() {
        (Kind::Media, text)
    } else if is_media {
        (Kind::Words, caption)
    } else if by_program && first.ends_with(" omitted") {
        (Kind::Media, text)
    } else if by_program {
        (Kind::System, text)
    } else if text.is_empty() {
        (Kind::Empty, text)
    } else {
        (Kind::Words, text)
    };
    (entry.kind, entry.text) = (kind, text.to_owned());
}
