//! Finding what `--source` names: which files, in which format, under which name.

use std::path::{Path, PathBuf};

use artifact::sources::Format;
use artifact::{Error, Place, Result};
use fs_err as fs;
use serde::Deserialize;

use crate::arguments::{Columns, Options};
use crate::{decode, detect, digest};

/// A source that exists and whose format is known.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) license: Option<String>,
    pub(crate) sha256: String,
    pub(crate) columns: Option<Columns>,
}

/// A description of a source: `datasets/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    /// Relative to the description's folder.
    path: Option<PathBuf>,
    url: Option<String>,
    format: Option<Format>,
    sha256: Option<String>,
    license: Option<String>,
    columns: Option<String>,
}

/// Finds the sources, giving each a name of its own.
pub(crate) fn locate(named: &[String], options: &Options) -> Result<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    for text in named {
        let mut source = one(text, options)?;
        let name = source.name.clone();
        let mut number = 2;
        while sources.iter().any(|other| other.name == source.name) {
            source.name = format!("{name}-{number}");
            number += 1;
        }
        sources.push(source);
    }
    Ok(sources)
}

fn one(text: &str, options: &Options) -> Result<Source> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(not_downloaded(text));
    }
    let path = Path::new(text);
    if !path.exists() {
        return Err(Error::refused(format!("{text}: no such file or folder")).with_hint("check --source"));
    }
    if path.extension().is_some_and(|extension| extension == "toml") {
        return description(path, options);
    }
    // `datasets/NAME` is described by `datasets/NAME.toml` where there is one.
    let beside = path.with_extension("toml");
    if path.is_dir() && beside.is_file() {
        return description(&beside, options);
    }
    let mut source = open(path, name_of(path), None, options)?;
    if source.format.is_chat() {
        // A chat's file has the name of somebody who speaks in it.
        source.format.name().clone_into(&mut source.name);
    }
    Ok(source)
}

fn not_downloaded(url: &str) -> Error {
    Error::refused(format!("{url}: collect does not download yet"))
        .with_hint("download it yourself and give the file's path to --source")
}

/// The name of the last folder, or of the file without its extension.
fn name_of(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map_or_else(|| "source".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn open(path: &Path, name: String, format: Option<Format>, options: &Options) -> Result<Source> {
    let format = match options.format.or(format) {
        Some(format) => format,
        None => detect::of_path(path)?,
    };
    if format == Format::Rasa && !path.is_dir() {
        return Err(Error::malformed(path, "a folder with domain and data, as Rasa has it", "a file")
            .with_hint("give the folder that holds them"));
    }
    let sha256 = digest::of_path(path)?;
    Ok(Source {
        name,
        path: path.to_owned(),
        format,
        license: None,
        sha256,
        columns: options.columns.clone(),
    })
}

fn description(file: &Path, options: &Options) -> Result<Source> {
    let text = decode::read(file)?;
    let description: Description = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        Error::at(file, Place::Line(line), "a description of a source", error.message().to_owned())
            .with_hint("its keys are name, path or url, format, sha256, license, columns")
    })?;
    let path = match (&description.path, &description.url) {
        (Some(path), _) => file.parent().unwrap_or(Path::new("")).join(path),
        (None, Some(url)) => return Err(not_downloaded(url)),
        (None, None) => return Err(Error::malformed(file, "`path` or `url`", "neither")),
    };
    if !path.exists() {
        let found = format!("no such file or folder as {}", path.display());
        return Err(Error::malformed(file, "`path` to name the data", found));
    }
    let mut source = open(&path, description.name, description.format, options)?;
    if let Some(expected) = description.sha256
        && !expected.eq_ignore_ascii_case(&source.sha256)
    {
        return Err(Error::malformed(
            &path,
            format!("the SHA-256 {expected} of {}", file.display()),
            &source.sha256,
        )
        .with_hint("the data has changed: get it again, or correct the description"));
    }
    source.license = description.license;
    if let (None, Some(columns)) = (&source.columns, description.columns) {
        let parsed = Columns::parse(&columns);
        source.columns =
            Some(parsed.ok_or_else(|| Error::malformed(file, "`columns` as two headers, \"Q,A\"", columns))?);
    }
    Ok(source)
}

/// The files of a source in this format: itself, or those in its folder.
pub(crate) fn files_of(source: &Source) -> Result<Vec<PathBuf>> {
    if !source.path.is_dir() {
        return Ok(vec![source.path.clone()]);
    }
    let files: Vec<PathBuf> = digest::files(&source.path)?
        .into_iter()
        .filter(|file| {
            let extension = file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            detect::by_extension(&extension) == Some(source.format)
        })
        .collect();
    if files.is_empty() {
        let expected = format!("files of the format {:?}", source.format).to_lowercase();
        return Err(Error::malformed(&source.path, expected, "none"));
    }
    Ok(files)
}
