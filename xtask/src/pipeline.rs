//! `pipelines/NAME.toml`: the stages of a pipeline, in the order of the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use artifact::{Error, Place, Result, verify};
use fs_err as fs;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::placeholder::{Word, is_name};
use crate::setting::{Setting, Value};

/// The folder of pipelines in the workspace.
pub(crate) const FOLDER: &str = "pipelines";

/// A checked pipeline.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Every stage stands after those that it reads.
    pub(crate) stages: Vec<Stage>,
}

/// One table `[stage.NAME]`.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) program: Program,
    /// The words after the program, without `--out`.
    pub(crate) words: Vec<Word>,
    pub(crate) env: BTreeMap<String, String>,
    /// Files and folders that the program reads without their standing among its words.
    pub(crate) inputs: Vec<String>,
    /// The stage of the contract whose files it writes.
    pub(crate) contract: Option<&'static str>,
    /// Options that only `--set` can give, and that it has not given.
    pub(crate) missing: Vec<String>,
}

/// What carries a stage out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Program {
    /// A crate of this workspace.
    Crate(&'static str),
    /// Any other program: a path, or a name that `PATH` resolves.
    Foreign(String),
}

impl Stage {
    /// The stages whose outputs it reads, each once, in the order in which they are named.
    pub(crate) fn reads(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for name in self.words.iter().flat_map(Word::stages) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Program {
    /// The program's name for people.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Crate(name) => name,
            Self::Foreign(program) => program,
        }
    }
}

impl Pipeline {
    /// Reads `pipelines/NAME.toml` and replaces the options that `settings` name.
    pub(crate) fn read(name: &str, settings: &[Setting]) -> Result<Self> {
        let file = Path::new(FOLDER).join(format!("{name}.toml"));
        if !is_name(name) || !file.is_file() {
            return Err(Error::refused(format!("there is no pipeline `{name}` ({})", file.display()))
                .with_hint(format!("the pipelines are: {}", names()?.join(", "))));
        }
        let text = String::from_utf8(fs::read(&file)?)
            .map_err(|_| Error::malformed(&file, "text in UTF-8", "other bytes"))?;
        let source = Source { file: &file, text: &text };
        let stages = source.stages(settings)?;
        Ok(Self { name: name.to_owned(), file, stages })
    }

    /// The position of a stage given on the command line.
    pub(crate) fn position(&self, stage: &str) -> Result<usize> {
        self.stages.iter().position(|known| known.name == stage).ok_or_else(|| {
            let names: Vec<_> = self.stages.iter().map(|stage| stage.name.as_str()).collect();
            Error::refused(format!("{}: there is no stage `{stage}`", self.file.display()))
                .with_hint(format!("its stages are: {}", names.join(", ")))
        })
    }
}

/// The names of all pipelines, sorted.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(FOLDER)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

const STAGE_KEYS: [&str; 6] = ["run", "args", "env", "inputs", "contract", "needs"];

type Item<'a> = Spanned<DeValue<'a>>;

/// The text of a pipeline, for errors that name the line.
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        1 + self.text.get(..span.start).unwrap_or(self.text).matches('\n').count()
    }

    fn error(&self, span: &Range<usize>, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::at(self.file, Place::Line(self.line(span)), expected, found)
    }

    fn stages(&self, settings: &[Setting]) -> Result<Vec<Stage>> {
        let root = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.error(&span, "TOML", error.message().replace('\n', " "))
        })?;
        let mut tables = Vec::new();
        for (key, value) in root.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("stage", DeValue::Table(stages)) => tables.extend(stages),
                _ => {
                    return Err(self.error(
                        &key.span(),
                        "tables `[stage.NAME]`",
                        format!("`{}`", key.get_ref()),
                    ));
                }
            }
        }
        // The parser sorts its keys; the file's order is the order of work.
        tables.sort_by_key(|(name, _)| name.span().start);
        if tables.is_empty() {
            let hint =
                "a stage looks like this: [stage.collect] run = \"collect\" args = { source = [\"chats\"] }";
            return Err(self.error(&(0..0), "a table `[stage.NAME]`", "none").with_hint(hint));
        }
        let all: Vec<&str> = tables.iter().map(|(name, _)| name.get_ref().as_ref()).collect();
        for setting in settings {
            if !all.contains(&setting.stage.as_str()) {
                let message =
                    format!("--set {setting}: {} has no stage `{}`", self.file.display(), setting.stage);
                return Err(Error::refused(message).with_hint(format!("its stages are: {}", all.join(", "))));
            }
        }
        let mut stages: Vec<Stage> = Vec::new();
        for (name, value) in &tables {
            if !is_name(name.get_ref()) {
                let found = format!("`{}`", name.get_ref());
                return Err(self.error(&name.span(), "a stage's name of letters, digits, - and _", found));
            }
            let DeValue::Table(table) = value.get_ref() else {
                return Err(self.error(
                    &value.span(),
                    format!("a table `[stage.{}]`", name.get_ref()),
                    kind(value),
                ));
            };
            let earlier: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
            let stage = self.stage(name, table, settings, &earlier, &all)?;
            stages.push(stage);
        }
        Ok(stages)
    }

    fn stage(
        &self,
        name: &Spanned<Cow<'_, str>>,
        table: &DeTable<'_>,
        settings: &[Setting],
        earlier: &[&str],
        all: &[&str],
    ) -> Result<Stage> {
        for key in table.keys() {
            if !STAGE_KEYS.contains(&key.get_ref().as_ref()) {
                let found = format!("`{}`", key.get_ref());
                return Err(self
                    .error(&key.span(), format!("one of {}", STAGE_KEYS.join(", ")), found)
                    .with_hint("options of the program go into `args = { ... }`"));
            }
        }
        let Some(run) = table.get("run") else {
            return Err(self.error(&name.span(), "a key `run`", "none").with_hint("run = \"collect\""));
        };
        let (program, mut words) = self.run(run)?;
        let mut options = table.get("args").map_or(Ok(Vec::new()), |args| self.options(args))?;
        for setting in settings.iter().filter(|setting| setting.stage == *name.get_ref()) {
            match options.iter_mut().find(|(option, _)| *option == setting.option) {
                Some((_, value)) => *value = setting.value.clone(),
                None => options.push((setting.option.clone(), setting.value.clone())),
            }
        }
        for (option, value) in &options {
            words.extend(value.words(option));
        }
        let words: Vec<Word> = words.into_iter().map(Word::parse).collect();
        for named in words.iter().flat_map(Word::stages) {
            if !earlier.contains(&named) {
                return Err(self.not_earlier(name, named, all));
            }
        }
        let needs = table.get("needs").map_or(Ok(Vec::new()), |needs| self.strings(needs))?;
        Ok(Stage {
            name: name.get_ref().to_string(),
            line: self.line(&name.span()),
            contract: self.contract(table.get("contract"), &program, name.get_ref())?,
            program,
            words,
            env: table.get("env").map_or(Ok(BTreeMap::new()), |env| self.env(env))?,
            inputs: table.get("inputs").map_or(Ok(Vec::new()), |inputs| self.strings(inputs))?,
            missing: needs
                .into_iter()
                .filter(|need| options.iter().all(|(option, _)| option != need))
                .collect(),
        })
    }

    /// A stage that names itself or a later one is how a cycle shows.
    fn not_earlier(&self, stage: &Spanned<Cow<'_, str>>, named: &str, all: &[&str]) -> Error {
        let (Range { start, .. }, stage) = (stage.span(), stage.get_ref());
        let placeholder = format!("{{{named}}}");
        // A placeholder that came by --set stands nowhere in the file.
        let start = self.text[start..].find(&placeholder).map_or(start, |at| start + at);
        let found = if named == stage {
            format!("`{placeholder}`, the stage itself")
        } else if all.contains(&named) {
            format!("`{placeholder}`, which stands later in the file")
        } else {
            format!("`{placeholder}`, and there is no stage of that name")
        };
        let hint = if all.contains(&named) {
            "put each stage below those that it reads; stages cannot read each other in a circle".to_owned()
        } else {
            format!("the stages are {}; write {{{placeholder}}} for the text {placeholder}", all.join(", "))
        };
        self.error(&(start..start), format!("an earlier stage in `{stage}`"), found).with_hint(hint)
    }

    /// `"collect"`, `["model", "new"]`, or `["python3", "mine.py"]`.
    fn run(&self, run: &Item<'_>) -> Result<(Program, Vec<String>)> {
        let crates = verify::STAGES.join(", ");
        match run.get_ref() {
            DeValue::String(name) => match stage_crate(name) {
                Some(name) => Ok((Program::Crate(name), Vec::new())),
                None => Err(self
                    .error(&run.span(), format!("a stage crate ({crates})"), format!("`{name}`"))
                    .with_hint(format!("a program of your own is a list: run = [\"{name}\"]"))),
            },
            DeValue::Array(_) => {
                let mut words = self.strings(run)?;
                if words.first().is_none_or(String::is_empty) {
                    return Err(self.error(&run.span(), "a program and its words", "an empty list"));
                }
                let program = words.remove(0);
                Ok((stage_crate(&program).map_or(Program::Foreign(program), Program::Crate), words))
            }
            _ => Err(self.error(
                &run.span(),
                format!("a stage crate ({crates}) or a list of words"),
                kind(run),
            )),
        }
    }

    fn options(&self, args: &Item<'_>) -> Result<Vec<(String, Value)>> {
        let DeValue::Table(table) = args.get_ref() else {
            return Err(self.error(&args.span(), "`args` as a table of options", kind(args)));
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| {
                let option = key.get_ref().to_string();
                if option == "out" {
                    let hint = "the directory of a stage is chosen by xtask, which adds --out itself";
                    return Err(self.error(&key.span(), "options other than `out`", "`out`").with_hint(hint));
                }
                Ok((option, self.value(value)?))
            })
            .collect()
    }

    fn value(&self, item: &Item<'_>) -> Result<Value> {
        match item.get_ref() {
            DeValue::Boolean(flag) => Ok(Value::Flag(*flag)),
            DeValue::Array(items) => {
                items.iter().map(|item| self.scalar(item)).collect::<Result<_>>().map(Value::Words)
            }
            _ => Ok(Value::Words(vec![self.scalar(item)?])),
        }
    }

    fn scalar(&self, item: &Item<'_>) -> Result<String> {
        match item.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Float(number) => Ok(number.to_string()),
            _ => Err(self.error(&item.span(), "a string, a number, true, or a list of strings", kind(item))),
        }
    }

    fn strings(&self, item: &Item<'_>) -> Result<Vec<String>> {
        let DeValue::Array(items) = item.get_ref() else {
            return Err(self.error(&item.span(), "a list of strings", kind(item)));
        };
        items.iter().map(|item| self.string(item)).collect()
    }

    fn string(&self, item: &Item<'_>) -> Result<String> {
        match item.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.error(&item.span(), "a string", kind(item))),
        }
    }

    fn env(&self, env: &Item<'_>) -> Result<BTreeMap<String, String>> {
        let DeValue::Table(table) = env.get_ref() else {
            return Err(self.error(&env.span(), "`env` as a table of variables", kind(env)));
        };
        table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), self.scalar(value)?))).collect()
    }

    fn contract(
        &self,
        key: Option<&Item<'_>>,
        program: &Program,
        stage: &str,
    ) -> Result<Option<&'static str>> {
        let Some(item) = key else {
            return Ok(match program {
                Program::Crate(name) => Some(name),
                Program::Foreign(_) => stage_crate(stage),
            });
        };
        let name = self.string(item)?;
        match stage_crate(&name) {
            Some(name) => Ok(Some(name)),
            None => Err(self.error(
                &item.span(),
                format!("one of {}", verify::STAGES.join(", ")),
                format!("`{name}`"),
            )),
        }
    }
}

fn stage_crate(name: &str) -> Option<&'static str> {
    verify::STAGES.into_iter().find(|stage| *stage == name)
}

fn kind(item: &Item<'_>) -> String {
    match item.get_ref() {
        DeValue::String(text) => format!("the string `{text}`"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => format!("the date {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
