//! Android and iOS: `TIME, NAME : TEXT`, and `TIME, TEXT` or `TIME: TEXT` of the program.

use super::{Line, Time};
use crate::moment::Day;
use crate::scan::Scan;

/// How a file writes the time of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// `2016년 2월 5일 오전 1:33`
    Korean,
    /// `2026. 2. 1. 오후 8:29`
    Dotted,
    /// `2019-03-30 오전 4:39`
    Dashed,
    /// `February 10, 2016, 2:33 AM`, `Feb 1, 2026 at 20:35`
    English,
    /// `오후 8:36`, below a line with the date.
    Clock,
}

impl Stamp {
    /// With the clock alone last: it looks like the end of nothing else.
    const ALL: [Self; 5] = [Self::Korean, Self::Dotted, Self::Dashed, Self::English, Self::Clock];

    /// The stamp of a line that is a message or one of the program's.
    pub(super) fn of(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|stamp| matches!(line(text, *stamp), Line::Message { .. } | Line::System { .. }))
    }

    fn time(self, scan: &mut Scan<'_>) -> Option<Time> {
        let day = match self {
            Self::Korean => scan.korean_date()?,
            Self::Dotted => scan.dotted_date()?,
            Self::Dashed => scan.year_first("-")?,
            Self::English => scan.english_date()?,
            Self::Clock => return Some(Time { day: None, clock: scan.clock()? }),
        };
        scan.text(", ").or_else(|| scan.text(" at ")).or_else(|| scan.text(" "))?;
        Some(Time { day: Some(day), clock: scan.clock()? })
    }
}

/// What a line is in a file of this stamp.
pub(super) fn line(text: &str, stamp: Stamp) -> Line<'_> {
    let mut scan = Scan(text);
    if let Some(time) = scan.attempt(|scan| stamp.time(scan)) {
        // Android repeats the time of the day's first message above it.
        if let (Some(day), true) = (time.day, scan.0.trim().is_empty()) {
            return Line::Date(day);
        }
        return said(scan, time).unwrap_or(Line::Other);
    }
    date(text).map_or(Line::Other, Line::Date)
}

/// What stands after the time.
fn said(mut scan: Scan<'_>, time: Time) -> Option<Line<'_>> {
    if scan.text(": ").is_some() {
        // A clock alone is followed by the name at once: `8:30: ` begins many a list.
        return time.day.map(|_| Line::System { time, text: scan.0 });
    }
    scan.text(", ")?;
    // At the first ` : `, since a name holds none and a text may hold several.
    if let Some((sender, text)) = scan.0.split_once(" : ") {
        return Some(Line::Message { time, sender, text });
    }
    if let Some(sender) = scan.0.strip_suffix(" :") {
        return Some(Line::Message { time, sender, text: "" });
    }
    // `: TEXT` with an empty name whose blank was trimmed.
    if let Some(text) = scan.0.strip_prefix(": ") {
        return Some(Line::Message { time, sender: "", text });
    }
    Some(Line::System { time, text: scan.0 })
}

/// `2021년 12월 29일 수요일`, `2026. 2. 1. 일요일`, `Sunday, February 1, 2026`: a line with nothing but a date.
fn date(text: &str) -> Option<Day> {
    let mut scan = Scan(text.trim());
    let before = scan.0.len();
    scan.weekday();
    if scan.0.len() < before {
        scan.text(", ")?;
    }
    let day = scan.either(&[Scan::korean_date, Scan::dotted_date, Scan::english_date])?;
    scan.weekday();
    scan.0.is_empty().then_some(day)
}
