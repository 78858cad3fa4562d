//! Rows of a question and its answer: each becomes a conversation of two turns.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use ::csv::{ErrorKind, Position, ReaderBuilder, StringRecord};
use artifact::conversation::Message;
use artifact::sources::Count;
use artifact::{Error, Place, Result};
use fs_err as fs;
use terminal::{Lang, Progress};

use crate::arguments::Columns;
use crate::decode;
use crate::output::{Output, Talk};
use crate::source::{self, Source};
use crate::tally::Tally;

/// The headers that are looked for when none are named.
const USUAL: [(&str, &str); 3] = [("Q", "A"), ("question", "answer"), ("user", "assistant")];

/// Reads every file of the source; gives the columns that it read, too.
pub(crate) fn read(source: &Source, output: &mut Output) -> Result<(Vec<Count>, Columns)> {
    let mut tally = Tally::new("rows");
    let mut columns = source.columns.clone();
    for path in source::files_of(source)? {
        columns = Some(read_file(&path, columns.as_ref(), &mut tally, output)?);
    }
    Ok((vec![tally.count()], columns.expect("a source has at least one file")))
}

fn read_file(
    path: &Path,
    columns: Option<&Columns>,
    tally: &mut Tally,
    output: &mut Output,
) -> Result<Columns> {
    let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    let mut reader = ReaderBuilder::new().delimiter(if tabs { b'\t' } else { b',' }).from_reader(open(path)?);
    let headers = reader.headers().map_err(|error| located(path, error))?.clone();
    let columns = choose(path, &headers, columns)?;
    let at = |name: &str| {
        headers.iter().position(|header| header.trim() == name).expect("chosen from the headers")
    };
    let (question, answer) = (at(&columns.question), at(&columns.answer));

    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let size = fs::metadata(path)?.len();
    let progress = Progress::new(format!("{} {stem}", Lang::pick("읽기", "reading")), size, "bytes");
    let mut record = StringRecord::new();
    let mut last = None;
    while reader.read_record(&mut record).map_err(|error| located(path, error))? {
        last = record.position().cloned();
        progress.set(reader.position().byte());
        let line = last.as_ref().map_or(0, Position::line);
        let (question, answer) = (record[question].trim(), record[answer].trim());
        if question.is_empty() {
            tally.reject("no question");
        } else if answer.is_empty() {
            tally.reject("no answer");
        } else {
            tally.keep();
            let messages = vec![Message::user(question), Message::assistant(answer)];
            output.write(Talk { id: format!("{stem}-{line:06}"), messages, ..Talk::default() })?;
        }
    }
    progress.finish();
    match last {
        None => Err(Error::malformed(path, "rows below the header", "none")),
        Some(position) => closed(path, &position).map(|()| columns),
    }
}

/// The file's bytes where it is UTF-8, which may be of any size; otherwise its text as UTF-8.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    if has_utf8(path)? {
        Ok(Box::new(fs::File::open(path)?))
    } else {
        Ok(Box::new(Cursor::new(decode::read(path)?)))
    }
}

/// Bytes by which the encoding is told.
const HEAD: u64 = 1 << 20;

fn has_utf8(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(decode::is_utf8(&head))
}

fn choose(path: &Path, headers: &StringRecord, asked: Option<&Columns>) -> Result<Columns> {
    let has = |name: &str| headers.iter().any(|header| header.trim() == name);
    let found = headers.iter().map(|header| format!("`{}`", header.trim())).collect::<Vec<_>>().join(", ");
    let found = if found.is_empty() { "an empty file".to_owned() } else { found };
    let hint = "name the headers of the question and the answer: --columns QUESTION,ANSWER";
    if let Some(columns) = asked {
        if has(&columns.question) && has(&columns.answer) {
            return Ok(columns.clone());
        }
        let expected = format!("the columns `{}` and `{}`", columns.question, columns.answer);
        return Err(Error::at(path, Place::Line(1), expected, found).with_hint(hint));
    }
    let usual = USUAL.iter().find(|(question, answer)| has(question) && has(answer));
    let (question, answer) = usual.ok_or_else(|| {
        let pairs: Vec<String> =
            USUAL.iter().map(|(question, answer)| format!("{question},{answer}")).collect();
        let expected = format!("a header with the columns {}", pairs.join(" or "));
        Error::at(path, Place::Line(1), expected, found).with_hint(hint)
    })?;
    Ok(Columns { question: (*question).to_owned(), answer: (*answer).to_owned() })
}

/// A reader's error with its line.
fn located(path: &Path, error: ::csv::Error) -> Error {
    let line = |position: &Option<Position>| {
        position.as_ref().map_or(Place::Whole, |at| Place::Line(at.line() as usize))
    };
    match error.kind() {
        ErrorKind::Utf8 { pos, .. } => {
            Error::at(path, line(pos), "text in UTF-8", "other bytes").with_hint("save the file as UTF-8")
        }
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let expected = format!("{expected_len} columns, as in the header");
            Error::at(path, line(pos), expected, len.to_string())
                .with_hint("quote a value that holds a comma: \"...\"; a file cut short ends like this, too")
        }
        _ => match error.into_kind() {
            ErrorKind::Io(error) => error.into(),
            kind => Error::malformed(path, "rows of comma-separated values", format!("{kind:?}")),
        },
    }
}

/// Checks that the last row does not end inside a quoted value, as in a file cut short: the reader takes that for its end.
fn closed(path: &Path, last: &Position) -> Result<()> {
    let row = rest(path, last.byte())?;
    let open = row.iter().fold(false, |open, byte| open ^ (*byte == b'"'));
    if !open {
        return Ok(());
    }
    let place = Place::Line(last.line() as usize);
    Err(Error::at(path, place, "a quote that closes the value", "the end of the file")
        .with_hint("the file may be cut short"))
}

/// What [`open`] gives from a byte on.
fn rest(path: &Path, start: u64) -> Result<Vec<u8>> {
    if !has_utf8(path)? {
        return Ok(decode::read(path)?.into_bytes().split_off(start as usize));
    }
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut row = Vec::new();
    file.read_to_end(&mut row)?;
    Ok(row)
}
