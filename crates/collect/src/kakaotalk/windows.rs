//! Windows: `[NAME] [TIME] TEXT` below `--------------- DATE ---------------`.

use super::{Line, Time};
use crate::moment::Day;
use crate::scan::Scan;

/// The least dashes around a date.
const RULE: &str = "-----";

/// Whether text begins as these exports do: a rule with a date, then a message.
pub(super) fn is(text: &str) -> bool {
    let mut lines = text.lines().take(super::HEAD).map(line);
    lines.any(|line| matches!(line, Line::Date(_))) && lines.any(|line| matches!(line, Line::Message { .. }))
}

/// What a line is.
pub(super) fn line(text: &str) -> Line<'_> {
    if text.starts_with('[') {
        return message(text).unwrap_or(Line::Other);
    }
    date(text).map_or(Line::Other, Line::Date)
}

/// The first `] [` that a time follows ends the name, which may hold brackets of its own.
fn message(line: &str) -> Option<Line<'_>> {
    let inner = line.strip_prefix('[')?;
    inner.match_indices("] [").find_map(|(end, between)| {
        let mut scan = Scan(&inner[end + between.len()..]);
        let clock = scan.clock()?;
        scan.text("]")?;
        let text = scan.0.strip_prefix(' ').or(scan.0.is_empty().then_some(""))?;
        Some(Line::Message { time: Time { day: None, clock }, sender: &inner[..end], text })
    })
}

/// `2020년 6월 28일 일요일` or `Sunday, June 28, 2020` between dashes.
fn date(line: &str) -> Option<Day> {
    if !line.starts_with(RULE) || !line.trim_end().ends_with(RULE) {
        return None;
    }
    let mut scan = Scan(line.trim_end().trim_matches('-').trim());
    let before = scan.0.len();
    scan.weekday();
    if scan.0.len() < before {
        scan.text(", ")?;
    }
    let day = scan.either(&[Scan::korean_date, Scan::english_date])?;
    scan.weekday();
    scan.0.is_empty().then_some(day)
}
