//! JSON files and JSON lines, with errors that name file and line.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{Error, Place, Result, write_atomic};

mod blocks;

pub use blocks::{Block, Blocks, blocks};

/// The longest accepted line, in bytes: a conversation is far below, a broken file may be one line of gigabytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Reads a file that holds one JSON value.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse(path, 1, &fs::read(path)?)
}

/// Writes a JSON value, indented, atomically.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).expect("our own types have JSON forms");
    text.push(b'\n');
    write_atomic(path, &text)
}

/// Reads JSON lines one at a time; blank lines are skipped.
#[derive(Debug)]
pub struct Lines<T, R = BufReader<fs::File>> {
    path: PathBuf,
    reader: R,
    line: usize,
    buffer: Vec<u8>,
    of: std::marker::PhantomData<T>,
}

/// Opens a file of JSON lines.
pub fn lines<T: DeserializeOwned>(path: &Path) -> Result<Lines<T>> {
    Ok(lines_from(path, BufReader::new(fs::File::open(path)?)))
}

/// Reads JSON lines from elsewhere than a file, such as an archive; `path` is what errors name.
pub fn lines_from<T: DeserializeOwned, R: BufRead>(path: &Path, reader: R) -> Lines<T, R> {
    let path = path.to_owned();
    Lines { path, reader, line: 0, buffer: Vec::new(), of: std::marker::PhantomData }
}

impl<T, R> Lines<T, R> {
    /// The number of the line read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl<T: DeserializeOwned, R: BufRead> Iterator for Lines<T, R> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.buffer.clear();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE + 1);
            match limited.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(error.into())),
            }
            if self.buffer.len() as u64 > LONGEST_LINE {
                return Some(Err(too_long(&self.path, self.line)));
            }
            let line = if self.line == 1 { without_mark(&self.buffer) } else { &self.buffer };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // Parsed without its line break, so that a line that ends too early is told as such.
            return Some(parse(&self.path, self.line, line.trim_ascii_end()));
        }
    }
}

fn too_long(path: &Path, line: usize) -> Error {
    Error::at(path, Place::Line(line), "a line of at most 64 MiB", "a longer one")
        .with_hint("JSON lines hold one value a line; a JSON array must be split into its elements")
}

/// The UTF-8 byte order mark, which some editors write.
const MARK: &[u8] = b"\xEF\xBB\xBF";

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Parses `text`, which begins in line `first_line` of the file.
fn parse<T: DeserializeOwned>(path: &Path, first_line: usize, text: &[u8]) -> Result<T> {
    let text = without_mark(text);
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = &text[..error.valid_up_to()];
        let line = first_line + before.split(|&byte| byte == b'\n').skip(1).count();
        let hint = if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
            "the file looks like UTF-16; save it as UTF-8"
        } else {
            "save the file as UTF-8 (a Korean file may be CP949)"
        };
        let found = match text.get(error.valid_up_to()) {
            Some(byte) => format!("the byte 0x{byte:02X} where none of that value can stand"),
            None => "an unfinished character".to_owned(),
        };
        Error::at(path, Place::Line(line), "UTF-8 text", found).with_hint(hint)
    })?;
    serde_json::from_str(text).map_err(|error| {
        let line = first_line + error.line().saturating_sub(1);
        Error::at(path, Place::Line(line), format!("{} as JSON", noun::<T>()), found(&error))
    })
}

/// What serde's message tells, with the column; its line counts from the text that was parsed.
fn found(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let column = error.column();
    match error.classify() {
        Category::Eof => format!("an early end after column {column} ({message})"),
        Category::Syntax => format!("no JSON at column {column} ({message})"),
        Category::Data | Category::Io => format!("{message} at column {column}"),
    }
}

/// The name of a type as a person says it: "a chat message" for `crate::ChatMessage`.
fn noun<T>() -> String {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    let name = name.rsplit("::").next().unwrap_or(name);
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {words}")
}

/// Writes JSON lines.
#[derive(Debug)]
pub struct LinesWriter {
    writer: BufWriter<fs::File>,
}

impl LinesWriter {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: BufWriter::new(fs::File::create(path)?) })
    }

    /// Opens the file to append to it, creating it where it is absent.
    pub fn append(path: &Path) -> Result<Self> {
        let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { writer: BufWriter::new(file) })
    }

    /// Writes one line.
    pub fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.writer, value).map_err(std::io::Error::from)?;
        self.writer.write_all(b"\n")?;
        Ok(())
    }

    /// Hands everything written to the system. What is never flushed may be lost without an error.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Conversation;

    const WHOLE: &str = r#"{"id":"1","source":"s","messages":[{"role":"user","content":"안녕"}]}"#;

    /// The conversations of a file with these bytes, or the first error.
    fn conversations(bytes: &[u8]) -> std::result::Result<usize, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("talks.jsonl");
        fs::write(&path, bytes).unwrap();
        let mut count = 0;
        for conversation in lines::<Conversation>(&path).unwrap() {
            conversation.map_err(|error| error.to_string().split_off(dir.path().as_os_str().len() + 1))?;
            count += 1;
        }
        Ok(count)
    }

    #[track_caller]
    fn check_error(bytes: &[u8], expected: &str) {
        assert_eq!(conversations(bytes).unwrap_err(), expected);
    }

    #[test]
    fn skips_blank_lines_and_a_byte_order_mark() {
        assert_eq!(conversations(format!("\u{feff}{WHOLE}\r\n\n  \n{WHOLE}").as_bytes()), Ok(2));
        assert_eq!(conversations(b""), Ok(0));
        assert_eq!(conversations("\u{feff}\n".as_bytes()), Ok(0));
    }

    #[test]
    fn tells_where_a_line_ends_too_early() {
        let cut = &WHOLE[..20];
        check_error(
            format!("{WHOLE}\n{cut}").as_bytes(),
            "talks.jsonl:2: expected a conversation as JSON, found an early end after column 20 \
             (EOF while parsing a string)",
        );
    }

    #[test]
    fn tells_what_is_no_json() {
        check_error(
            b"hello",
            "talks.jsonl:1: expected a conversation as JSON, found no JSON at column 1 (expected value)",
        );
    }

    #[test]
    fn tells_what_is_missing_or_unknown() {
        check_error(
            b"{\"id\":\"1\",\"source\":\"s\"}",
            "talks.jsonl:1: expected a conversation as JSON, found missing field `messages` at column 23",
        );
        let robot = WHOLE.replace("user", "robot");
        check_error(
            format!("\n{robot}\n").as_bytes(),
            "talks.jsonl:2: expected a conversation as JSON, found unknown variant `robot`, expected one of \
             `system`, `user`, `assistant` at column 50",
        );
    }

    #[test]
    fn tells_what_is_no_utf8() {
        // "안녕" in CP949.
        check_error(
            b"{\"id\":\"\xBE\xC8\xB3\xE7\"}\n",
            "talks.jsonl:1: expected UTF-8 text, found the byte 0xBE where none of that value can stand \
             (hint: save the file as UTF-8 (a Korean file may be CP949))",
        );
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(conversations(&utf16).unwrap_err().contains("looks like UTF-16"));
    }

    #[test]
    fn refuses_an_endless_line() {
        let line = vec![b' '; LONGEST_LINE as usize + 10];
        assert!(
            conversations(&line).unwrap_err().starts_with("talks.jsonl:1: expected a line of at most 64 MiB")
        );
    }

    #[test]
    fn names_the_line_of_a_file_with_one_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        fs::write(&path, "{\n  \"tokenizer_class\": 5\n}\n").unwrap();
        let error = read::<crate::tokenizer::TokenizerConfig>(&path).unwrap_err().to_string();
        assert!(error.contains("config.json:2: expected a tokenizer config as JSON"), "{error}");
        fs::write(&path, b"{\n\xFF").unwrap();
        let error = read::<crate::tokenizer::TokenizerConfig>(&path).unwrap_err().to_string();
        assert!(error.contains("config.json:2: expected UTF-8 text"), "{error}");
    }

    #[test]
    fn reads_what_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("talks.jsonl");
        let conversation: Conversation = serde_json::from_str(WHOLE).unwrap();
        let mut writer = LinesWriter::create(&path).unwrap();
        writer.write(&conversation).unwrap();
        writer.flush().unwrap();
        let mut writer = LinesWriter::append(&path).unwrap();
        writer.write(&conversation).unwrap();
        writer.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{WHOLE}\n{WHOLE}\n"));
        let read: Vec<_> = lines::<Conversation>(&path).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(read, [conversation.clone(), conversation]);
    }
}
