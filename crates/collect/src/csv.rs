//! Rows of a question and its answer: each becomes a conversation of two turns.

use std::io::Read;
use std::path::Path;

use ::csv::{ErrorKind, Position, ReaderBuilder, StringRecord};
use artifact::conversation::Message;
use artifact::{Error, Place, Result};

use crate::allowance::Allowance;
use crate::arguments::Columns;
use crate::output::{Output, Talk};
use crate::tally::Tally;

/// The headers that are looked for when none are named.
const USUAL: [(&str, &str); 3] = [("Q", "A"), ("question", "answer"), ("user", "assistant")];

/// Put behind a table: a row of its own or, in a file cut short, swallowed by a quote that nothing closes.
const END: &str = "\u{0}end\u{0}";

/// Reads one table; gives the columns that it read.
pub(crate) fn read(
    path: &Path,
    reader: impl Read,
    stem: &str,
    columns: Option<&Columns>,
    tally: &mut Tally,
    output: &mut Output,
) -> Result<Columns> {
    let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    let allowance = Allowance::new();
    let end = format!("\n{END}\n");
    let mut reader = ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .flexible(true)
        .from_reader(allowance.limit(path, reader).chain(end.as_bytes()));
    let headers = reader.headers().map_err(|error| located(path, error))?.clone();
    let columns = choose(path, &headers, columns)?;
    let at = |name: &str| {
        headers.iter().position(|header| header.trim() == name).expect("chosen from the headers")
    };
    let (question, answer) = (at(&columns.question), at(&columns.answer));

    let mut record = StringRecord::new();
    let mut rows = 0;
    loop {
        allowance.renew();
        reader.read_record(&mut record).map_err(|error| located(path, error))?;
        let line = record.position().map_or(0, Position::line);
        let place = Place::Line(line as usize);
        match record.iter().next_back() {
            None | Some(END) => break,
            Some(last) if last.trim_end().ends_with(END) => {
                return Err(Error::at(path, place, "a quote that closes the value", "the end of the file")
                    .with_hint("the file may be cut short"));
            }
            Some(_) if record.len() != headers.len() => {
                let expected = format!("{} columns, as in the header", headers.len());
                let hint = "quote a value that holds a comma: \"...\"; a file cut short ends like this, too";
                return Err(Error::at(path, place, expected, record.len().to_string()).with_hint(hint));
            }
            Some(_) => rows += 1,
        }
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
    if rows == 0 {
        return Err(Error::malformed(path, "rows below the header", "none"));
    }
    Ok(columns)
}

fn choose(path: &Path, headers: &StringRecord, asked: Option<&Columns>) -> Result<Columns> {
    let has = |name: &str| headers.iter().any(|header| header.trim() == name);
    let found = headers.iter().map(|header| format!("`{}`", header.trim())).collect::<Vec<_>>().join(", ");
    let empty = headers.iter().eq([END]);
    let found = if empty { "an empty file".to_owned() } else { found };
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
    match error.into_kind() {
        ErrorKind::Utf8 { pos, .. } => {
            let place = pos.map_or(Place::Whole, |at| Place::Line(at.line() as usize));
            Error::at(path, place, "text in UTF-8", "other bytes").with_hint("save the file as UTF-8")
        }
        ErrorKind::Io(error) => error.into(),
        kind => Error::malformed(path, "rows of comma-separated values", format!("{kind:?}")),
    }
}
