//! Values of a stage's options, as a pipeline or `--set STAGE.OPTION=VALUE` gives them.

use std::fmt;
use std::str::FromStr;

/// The value of an option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A bare flag, present or not.
    Flag(bool),
    /// The option once for each word.
    Words(Vec<String>),
}

impl Value {
    /// The words of the command line.
    pub(crate) fn words(&self, option: &str) -> Vec<String> {
        let option = format!("--{option}");
        match self {
            Self::Flag(true) => vec![option],
            Self::Flag(false) => Vec::new(),
            Self::Words(words) => words.iter().flat_map(|word| [option.clone(), word.clone()]).collect(),
        }
    }
}

/// `STAGE.OPTION=VALUE`: an option that replaces, or adds to, those of the pipeline's file.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) stage: String,
    pub(crate) option: String,
    pub(crate) value: Value,
    written: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let parts = written.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
        let Some(((stage, option), value)) = parts else {
            return Err("expected STAGE.OPTION=VALUE, such as collect.source=chats.csv".to_owned());
        };
        if option == "out" {
            return Err("the directory of a stage is chosen by xtask".to_owned());
        }
        let value = match value {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            list if list.starts_with('[') => Value::Words(strings(list)?),
            word => Value::Words(vec![word.to_owned()]),
        };
        Ok(Self { stage: stage.to_owned(), option: option.to_owned(), value, written: written.to_owned() })
    }
}

/// Reads `["a", "b"]` as TOML does.
fn strings(list: &str) -> Result<Vec<String>, String> {
    let table: toml::Table =
        toml::from_str(&format!("list = {list}")).map_err(|error| error.message().to_owned())?;
    let items = table.get("list").and_then(toml::Value::as_array).ok_or("expected one list")?;
    items
        .iter()
        .map(|item| match item {
            toml::Value::String(text) => Ok(text.clone()),
            toml::Value::Integer(_) | toml::Value::Float(_) => Ok(item.to_string()),
            _ => Err("expected a list of strings".to_owned()),
        })
        .collect()
}
