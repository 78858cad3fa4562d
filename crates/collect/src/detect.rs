//! Telling how a source is written, by what stands in it.

use std::path::Path;

use artifact::sources::Format;
use artifact::{Error, Result};
use serde_json::Value;

use crate::files::Files;
use crate::{
    chatterbot, decode, discord, imessage, kakaotalk, line, messenger, parquet, slack, subrip, whatsapp,
};

/// Bytes of a file that are looked at.
const HEAD: u64 = 64 << 10;

/// Files of a folder or archive that are looked at; those of one source are alike.
const SAMPLE: usize = 2_000;

/// The format of a file, a folder or an archive.
///
/// # Errors
/// When there is none that is known, or more than one.
pub(crate) fn of_path(path: &Path) -> Result<Format> {
    if path.is_dir() && (path.join("domain").is_dir() || path.join("domain.yml").is_file()) {
        return Ok(Format::Rasa);
    }
    let mut files = Files::open(path)?;
    let names = files.names().to_vec();
    if slack::is(&names) {
        return Ok(Format::Slack);
    }
    let mut found: Vec<Format> = Vec::new();
    for name in names.iter().take(SAMPLE) {
        if let Some(format) = of_file(&mut files, name)?
            && !found.contains(&format)
        {
            found.push(format);
        }
    }
    let known = Format::ALL.map(Format::name).join(", ");
    match found[..] {
        [format] => Ok(format),
        [] => Err(Error::malformed(path, format!("one of the formats {known}"), "none of them")
            .with_hint("name the format with --format")),
        _ => {
            let found: Vec<&str> = found.into_iter().map(Format::name).collect();
            Err(Error::malformed(path, "files of one format", found.join(", "))
                .with_hint("name the one to read with --format"))
        }
    }
}

/// The format of one of the files; none where it is none that is known.
pub(crate) fn of_file(files: &mut Files, name: &str) -> Result<Option<Format>> {
    let bytes = files.first(name, HEAD)?;
    if bytes.starts_with(parquet::MAGIC) {
        return Ok(Some(Format::Parquet));
    }
    let extension = extension(name);
    if bytes.is_empty() || is_binary(&extension) {
        return Ok(by_extension(&extension));
    }
    let text = decode::head(&bytes);
    Ok(of_text(&text, name, &extension).or_else(|| by_extension(&extension)))
}

/// The beginning of a text, in the order in which one is hardly taken for another.
fn of_text(text: &str, name: &str, extension: &str) -> Option<Format> {
    if text.trim_start().starts_with(['{', '['])
        && text.trim_start()[1..].trim_start().starts_with(['"', '{'])
    {
        return of_json(text, name);
    }
    let tells: [(bool, Format); 6] = [
        (line::is(text), Format::Line),
        (kakaotalk::is(text), Format::Kakaotalk),
        (whatsapp::is(text), Format::Whatsapp),
        (subrip::is(text), Format::Subrip),
        (imessage::is(text), Format::Imessage),
        (discord::is_table(text), Format::Discord),
    ];
    let told = tells.into_iter().find(|(tells, _)| *tells).map(|(_, format)| format);
    told.or_else(|| {
        (matches!(extension, "yml" | "yaml") && chatterbot::is(text)).then_some(Format::Chatterbot)
    })
}

/// By the keys that stand in the beginning, of which a line or the whole may be one value.
fn of_json(text: &str, name: &str) -> Option<Format> {
    let first = text.trim_start().lines().next().unwrap_or_default();
    if let Ok(Value::Object(object)) = serde_json::from_str::<Value>(first)
        && !(object.contains_key("participants")
            || object.contains_key("guild")
            || object.contains_key("chats"))
    {
        let keys = [
            ("conversations", Format::Sharegpt),
            ("instruction", Format::Alpaca),
            ("mapping", Format::Chatgpt),
        ];
        let by_key = keys.into_iter().find(|(key, _)| object.contains_key(*key)).map(|(_, format)| format);
        let roles = object.get("messages").and_then(Value::as_array).and_then(|messages| messages.first());
        if let Some(format) = by_key.or_else(|| roles?.get("role").map(|_| Format::Jsonl)) {
            return Some(format);
        }
    }
    let has = |key: &str| text.contains(&format!("\"{key}\""));
    let tells: [(bool, Format); 7] = [
        (has("participants") && (has("sender_name") || messenger::is_named(name)), Format::Messenger),
        (has("guild") && has("channel"), Format::Discord),
        (has("mapping") && (has("current_node") || has("children")), Format::Chatgpt),
        (has("conversations") && (has("from") || has("role")), Format::Sharegpt),
        (has("instruction") && has("output"), Format::Alpaca),
        (has("date_unixtime") || has("from_id") || (has("chats") && has("list")), Format::Telegram),
        (has("messages") && has("role") && !text.trim_start().starts_with('['), Format::Jsonl),
    ];
    tells.into_iter().find(|(tells, _)| *tells).map(|(_, format)| format)
}

/// Tables and lines are told by their names: anything may stand in them.
pub(crate) fn by_name(name: &str) -> Option<Format> {
    by_extension(&extension(name))
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase()
}

fn by_extension(extension: &str) -> Option<Format> {
    match extension {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "csv" | "tsv" => Some(Format::Csv),
        "srt" => Some(Format::Subrip),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// Media that lie beside a chat.
fn is_binary(extension: &str) -> bool {
    matches!(
        extension,
        "jpg"
            | "jpeg"
            | "png"
            | "gif"
            | "webp"
            | "heic"
            | "mp4"
            | "mov"
            | "m4a"
            | "mp3"
            | "opus"
            | "ogg"
            | "pdf"
            | "zip"
    )
}
