//! LINE: `TIME<TAB>NAME<TAB>TEXT` below lines of dates; a text of several lines stands in quotes.

use std::path::Path;

use artifact::{Error, Result};

use crate::chat::{Chat, Entry, Kind};
use crate::moment::Day;
use crate::scan::Scan;

/// What stands in brackets for media: in English, Korean, Japanese.
const MEDIA: [&str; 28] = [
    "Photo",
    "Photos",
    "Video",
    "Sticker",
    "File",
    "Voice message",
    "Audio",
    "Location",
    "Contact",
    "Album",
    "Note",
    "Gift",
    "사진",
    "동영상",
    "스티커",
    "파일",
    "음성 메시지",
    "위치",
    "위치 정보",
    "연락처",
    "앨범",
    "노트",
    "写真",
    "動画",
    "スタンプ",
    "ファイル",
    "ボイスメッセージ",
    "アルバム",
];

const DELETED: [&str; 4] = [
    "unsent a message.",
    "메시지를 취소했습니다.",
    "메시지 보내기를 취소했습니다.",
    "メッセージの送信を取り消しました",
];

/// Whether text looks like such an export.
pub(crate) fn is(text: &str) -> bool {
    text.starts_with("[LINE]")
}

/// Reads one export.
pub(crate) fn read(path: &Path, text: &str) -> Result<Chat> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut day = None;
    // Whether the text of the last entry has begun with a quote that is still open.
    let mut quoted = false;
    let mut open = false;
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if quoted {
            let entry = entries.last_mut().expect("a quote stands in an entry");
            entry.text.push('\n');
            entry.text.push_str(line);
            quoted = !closes(line);
            continue;
        }
        if let Some(date) = date(line) {
            (day, open) = (Some(date), false);
            continue;
        }
        let begun = day.and_then(|day: Day| {
            let mut scan = Scan(line);
            let (hour, minute, second) = scan.clock()?;
            scan.text("\t")?;
            Some((day.at(hour, minute, second), scan.0))
        });
        match (begun, entries.last_mut()) {
            (Some((time, rest)), _) => {
                let entry = match rest.split_once('\t') {
                    Some((sender, text)) if !sender.is_empty() => Entry::words(Some(time), sender, text),
                    Some((_, text)) => Entry::system(Some(time), text),
                    None => Entry::system(Some(time), rest),
                };
                quoted = entry.kind == Kind::Words && opens(&entry.text);
                entries.push(entry);
                open = true;
            }
            // Some versions leave the quotes out.
            (None, Some(entry)) if open => {
                entry.text.push('\n');
                entry.text.push_str(line);
            }
            _ => {}
        }
    }
    if entries.is_empty() {
        return Err(Error::malformed(path, "an export of LINE with a message", "none")
            .with_hint("export the chat again, or name another --format"));
    }
    entries.iter_mut().for_each(classify);
    Ok(Chat { id: String::new(), entries, owner: None })
}

/// Whether a text begins with a quote that its line does not end. Within quotes, a quote is doubled: where a single one
/// stands, the first was no more than the first character.
fn opens(text: &str) -> bool {
    text.strip_prefix('"').is_some_and(|rest| !rest.replace("\"\"", "").contains('"'))
}

/// Whether a line ends a quoted text: with a quote that is not one half of a doubled one.
fn closes(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'"').count() % 2 == 1
}

/// `2020/12/31(Thu)`, `2020.12.31 목요일`, `2020-12-31 목요일`: a line with nothing but a date.
fn date(line: &str) -> Option<Day> {
    let mut scan = Scan(line.trim());
    let day = ["/", ".", "-"].iter().find_map(|sign| scan.year_first(sign)).or_else(|| scan.korean_date())?;
    scan.weekday();
    scan.0.is_empty().then_some(day)
}

fn classify(entry: &mut Entry) {
    let text = entry.text.trim();
    if DELETED.iter().any(|end| text.ends_with(end)) && entry.kind == Kind::System {
        entry.kind = Kind::Deleted;
        return;
    }
    if entry.kind != Kind::Words {
        return;
    }
    let inner =
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| inner.contains('\n'));
    if let Some(inner) = inner {
        entry.text = inner.replace("\"\"", "\"");
        return;
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    // A file's name follows its word; `[사진] 보내줘` is somebody's sentence.
    let is_media = bracketed.is_some_and(|(word, rest)| {
        MEDIA.contains(&word)
            && (rest.is_empty() || matches!(word, "File" | "파일" | "ファイル" | "Album" | "Note"))
    });
    if is_media || text.starts_with('☎') {
        entry.kind = Kind::Media;
    }
    entry.text = text.to_owned();
}
