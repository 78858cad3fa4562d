//! Parquet, as data sets on Hugging Face have it: a column with lists of messages, or columns of prompt and response.

mod pages;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::{Type, TypePtr};
use artifact::{Error, Result};
use fs_err as fs;

use crate::arguments::Columns;
use crate::output::Output;
use crate::roles::{self, Tallies};
use pages::Watched;

/// How a file begins and ends.
pub(crate) const MAGIC: &[u8] = b"PAR1";

/// Columns of messages, of which the first that is there is read.
const LISTS: [&str; 3] = ["messages", "conversations", "conversation"];

/// Columns of a question and its answer, likewise.
const PAIRS: [(&str, &str); 8] = [
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("Q", "A"),
    ("user", "assistant"),
    ("input", "output"),
];

/// The names of a message's role and of its words.
const ROLES: [&str; 2] = ["role", "from"];
const WORDS: [&str; 3] = ["content", "value", "text"];

/// Which columns hold the talk.
enum Layout {
    List(String),
    Pair(Columns),
}

/// Reads one file.
pub(crate) fn read(
    path: &Path,
    file: fs::File,
    stem: &str,
    columns: Option<&Columns>,
    tallies: &mut Tallies,
    output: &mut Output,
) -> Result<()> {
    let damaged = |error: ParquetError| Error::malformed(path, "a Parquet file", error.to_string());
    let file = Watched::new(file.into_file());
    let reader = caught(path, || SerializedFileReader::new(file.clone()))?.map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields: Vec<TypePtr> = schema.get_fields().to_vec();
    let layout = layout(path, &fields, columns)?;
    let wanted: Vec<TypePtr> = fields.into_iter().filter(|field| layout.has(field.name())).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(wanted).build().map_err(damaged)?;
    caught(path, || pages::check(file, &reader, |column| layout.has(column)))?.map_err(damaged)?;
    let mut rows = caught(path, || reader.get_row_iter(Some(projection)))?.map_err(damaged)?;
    let mut number = 0;
    while let Some(row) = caught(path, || rows.next())? {
        number += 1;
        let turns = layout.turns(row.map_err(damaged)?);
        roles::write(format!("{stem}-{number:06}"), None, turns, tallies, output)?;
    }
    Ok(())
}

thread_local! {
    /// Whether a panic is one of the library's, and will be told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a part of the library, which panics on some damaged files.
fn caught<T>(path: &Path, run: impl FnOnce() -> T) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let otherwise = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                otherwise(panic);
            }
        }));
    });
    CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(false);
    result.map_err(|_| Error::malformed(path, "a Parquet file", "a damaged one"))
}

fn layout(path: &Path, fields: &[TypePtr], columns: Option<&Columns>) -> Result<Layout> {
    let has = |name: &str| fields.iter().any(|field| field.name() == name);
    if let Some(columns) = columns.filter(|columns| has(&columns.question) && has(&columns.answer)) {
        return Ok(Layout::Pair(columns.clone()));
    }
    let list = LISTS.into_iter().find(|name| has(name));
    if let (Some(name), None) = (list, columns) {
        return Ok(Layout::List(name.to_owned()));
    }
    let pair = PAIRS.into_iter().find(|(question, answer)| has(question) && has(answer));
    if let (Some((question, answer)), None) = (pair, columns) {
        return Ok(Layout::Pair(Columns { question: question.to_owned(), answer: answer.to_owned() }));
    }
    let expected = match columns {
        Some(columns) => format!("the columns `{}` and `{}`", columns.question, columns.answer),
        None => "a column `messages`, or columns as `prompt` and `response`".to_owned(),
    };
    let found: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name())).collect();
    Err(Error::malformed(path, expected, found.join(", "))
        .with_hint("name the columns of the question and the answer: --columns QUESTION,ANSWER"))
}

impl Layout {
    fn has(&self, column: &str) -> bool {
        match self {
            Self::List(name) => name == column,
            Self::Pair(columns) => columns.question == column || columns.answer == column,
        }
    }

    /// A row's turns, with the names of their roles.
    fn turns(&self, row: Row) -> Vec<(String, String)> {
        let mut columns = row.into_columns();
        match self {
            Self::List(_) => match columns.pop() {
                Some((_, Field::ListInternal(list))) => list.elements().iter().filter_map(turn).collect(),
                _ => Vec::new(),
            },
            Self::Pair(names) => {
                let words = |name: &str| {
                    let found = columns.iter().find(|(column, _)| column == name);
                    found.and_then(|(_, field)| text(field)).unwrap_or_default()
                };
                vec![
                    ("user".to_owned(), words(&names.question)),
                    ("assistant".to_owned(), words(&names.answer)),
                ]
            }
        }
    }
}

fn turn(element: &Field) -> Option<(String, String)> {
    let Field::Group(message) = element else { return None };
    let value = |names: &[&str]| {
        let mut columns = message.get_column_iter();
        columns.find(|(name, _)| names.contains(&name.as_str())).and_then(|(_, field)| text(field))
    };
    Some((value(&ROLES)?, value(&WORDS).unwrap_or_default()))
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok(),
        _ => None,
    }
}
