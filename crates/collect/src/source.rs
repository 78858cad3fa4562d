//! Finding what `--source` names: which files, in which format, under which name.

use std::path::{Path, PathBuf};

use artifact::sources::Format;
use artifact::{Error, Place, Result};
use fs_err as fs;
use serde::Deserialize;

use crate::arguments::{Columns, Options};
use crate::download::Remote;
use crate::{decode, detect, digest, hub};

/// A source that exists and whose format is known.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) license: Option<String>,
    /// The commit of a data set of the hub.
    pub(crate) revision: Option<String>,
    pub(crate) columns: Option<Columns>,
}

/// A description of a source: `datasets/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    /// Relative to the description's folder.
    path: Option<PathBuf>,
    /// Where the data is, unless a path is given: `https:`, `http:` or `hf:`.
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
    if let Some(name) = text.strip_prefix(hub::PREFIX) {
        return of_hub(name, None, options);
    }
    let downloaded = is_url(text).then(|| downloaded(text, None, options)).transpose()?;
    let path = downloaded.as_deref().unwrap_or(Path::new(text));
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

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn downloaded(url: &str, sha256: Option<&str>, options: &Options) -> Result<PathBuf> {
    let to = options.downloads.place(url);
    options.downloads.fetch(Remote { url, token: None, sha256 }, &to)?;
    Ok(to)
}

/// A data set of the hub, in the format of a description or the one that it looks like.
fn of_hub(name: &str, format: Option<Format>, options: &Options) -> Result<Source> {
    let dataset = hub::fetch(name, &options.downloads)?;
    let mut source = open(&dataset.path, dataset.name, format, options)?;
    source.license = dataset.license;
    source.revision = Some(dataset.revision);
    Ok(source)
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
    Ok(Source {
        name,
        path: path.to_owned(),
        format,
        license: None,
        revision: None,
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
    let url = description.url.as_deref();
    let mut source = match (&description.path, url, url.and_then(|url| url.strip_prefix(hub::PREFIX))) {
        (Some(path), _, _) => {
            let path = file.parent().unwrap_or(Path::new("")).join(path);
            if !path.exists() {
                let found = format!("no such file or folder as {}", path.display());
                return Err(Error::malformed(file, "`path` to name the data", found));
            }
            open(&path, description.name, description.format, options)?
        }
        (None, _, Some(name)) => {
            Source { name: description.name, ..of_hub(name, description.format, options)? }
        }
        (None, Some(url), None) if is_url(url) => {
            let path = downloaded(url, description.sha256.as_deref(), options)?;
            open(&path, description.name, description.format, options)?
        }
        (None, Some(url), None) => {
            return Err(Error::malformed(file, "`url` to begin with https://, http:// or hf:", url));
        }
        (None, None, None) => return Err(Error::malformed(file, "`path` or `url`", "neither")),
    };
    if let Some(expected) = description.sha256 {
        let found = digest::of_path(&source.path)?;
        if !expected.eq_ignore_ascii_case(&found) {
            let expected = format!("the SHA-256 {expected} of {}", file.display());
            return Err(Error::malformed(&source.path, expected, found)
                .with_hint("the data has changed: get it again, or correct the description"));
        }
    }
    source.license = description.license.or(source.license);
    if let (None, Some(columns)) = (&source.columns, description.columns) {
        let parsed = Columns::parse(&columns);
        source.columns =
            Some(parsed.ok_or_else(|| Error::malformed(file, "`columns` as two headers, \"Q,A\"", columns))?);
    }
    Ok(source)
}
