//! `NAME=DIR`: a model and what the report calls it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifact::config::ModelConfig;
use artifact::{Error, Result};

/// The longest name, in characters: it heads a column.
const LONGEST_NAME: usize = 40;

/// A model directory with its name in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedModel {
    /// The name.
    pub(crate) name: String,
    /// The directory.
    pub(crate) dir: PathBuf,
}

/// Checks every `NAME=DIR`: well formed, no name twice, each a directory.
pub(crate) fn parse_all(arguments: &[String]) -> Result<Vec<NamedModel>> {
    let mut names = BTreeSet::new();
    let mut models = Vec::new();
    for argument in arguments {
        let model = parse(argument)?;
        if !names.insert(model.name.clone()) {
            return Err(Error::refused(format!("--model: the name `{}` is given twice", model.name))
                .with_hint("give each model a name of its own"));
        }
        models.push(model);
    }
    Ok(models)
}

fn parse(argument: &str) -> Result<NamedModel> {
    let refused = |why: &str| {
        Err(Error::refused(format!("--model {argument}: {why}"))
            .with_hint("write it as NAME=DIR, for example transformer=artifacts/quickstart/train"))
    };
    let Some((name, dir)) = argument.split_once('=') else {
        return refused("expected NAME=DIR, found no `=`");
    };
    let name = name.trim();
    if name.is_empty() || dir.is_empty() {
        return refused("expected a name and a directory around the `=`");
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return refused(&format!("expected a name of at most {LONGEST_NAME} characters on one line"));
    }
    let dir = PathBuf::from(dir);
    if !dir.is_dir() {
        return Err(Error::malformed(&dir, format!("the directory of model `{name}`"), "none")
            .with_hint("give a directory that train, or model new, has written"));
    }
    Ok(NamedModel { name: name.to_owned(), dir })
}

/// The architecture's name in `config.json`.
pub(crate) fn model_type(dir: &Path) -> Result<String> {
    let config = serde_json::to_value(ModelConfig::read(dir)?).expect("our own types have JSON forms");
    Ok(config["model_type"].as_str().unwrap_or_default().to_owned())
}
