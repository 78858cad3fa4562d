//! A Rasa project in memory, its names checked against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact::response::ResponseTemplate;
use artifact::{Error, Place, Result, particle};
use serde_saphyr::Spanned;

use super::example::{Example, Part};
use super::yaml::{self, File, Named};
use crate::digest;

/// A place in a file of the project.
#[derive(Debug, Clone)]
pub(super) struct Site {
    path: Arc<Path>,
    line: usize,
}

impl Site {
    fn of<T>(path: &Arc<Path>, value: &Spanned<T>) -> Self {
        Self { path: path.clone(), line: value.referenced.line() as usize }
    }

    pub(super) fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::at(&self.path, Place::Line(self.line), expected, found)
    }
}

/// What a person may want, and how it is said.
#[derive(Debug, Default)]
pub(super) struct Intent {
    pub(super) name: String,
    pub(super) examples: Vec<Example>,
}

/// Values of an entity, as one file lists them.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) entity: String,
    pub(super) topic: String,
    pub(super) values: Vec<String>,
}

/// A course of a talk.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) topic: String,
    pub(super) steps: Vec<Step>,
}

/// A step of a story; both names are known.
#[derive(Debug)]
pub(super) enum Step {
    Intent(String),
    Action(String),
}

/// The whole project.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) intents: BTreeMap<String, Intent>,
    pub(super) lookups: Vec<Lookup>,
    pub(super) slots: BTreeSet<String>,
    /// The responses of each action, in the order of the domain.
    pub(super) responses: BTreeMap<String, Vec<ResponseTemplate>>,
    pub(super) stories: Vec<Story>,
}

impl Project {
    /// Reads `domain.yml`, `domain/` and `data/`; the topic of what a file holds is the file's name.
    pub(super) fn read(root: &Path, bot_name: &str) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths(root)? {
            files.push((Arc::<Path>::from(path.as_path()), yaml::read(&path)?));
        }
        let mut project = Self::default();
        let mut entities = BTreeSet::new();
        let mut custom_actions = BTreeSet::new();
        for (_, file) in &mut files {
            entities.extend(names(&file.entities));
            custom_actions.extend(names(&file.actions));
            project.slots.extend(std::mem::take(&mut file.slots).into_keys());
        }
        for (path, file) in &mut files {
            project.take_intents(path, file, &entities, bot_name)?;
            project.take_responses(path, file, bot_name)?;
        }
        for (path, file) in &files {
            project.take_stories(path, file, &custom_actions)?;
        }
        if project.stories.is_empty() {
            return Err(Error::malformed(root, "at least one story in data/", "none"));
        }
        Ok(project)
    }

    fn take_intents(
        &mut self,
        path: &Arc<Path>,
        file: &File,
        entities: &BTreeSet<String>,
        bot_name: &str,
    ) -> Result<()> {
        for entry in &file.nlu {
            let Some(block) = &entry.value.examples else { continue };
            let items = yaml::items(path, block)?;
            if let Some(name) = &entry.value.intent {
                let intent = self.intents.entry(name.clone()).or_default();
                intent.name.clone_from(name);
                for (line, text) in items {
                    let example = Example::parse(&text, bot_name).map_err(|found| {
                        Error::at(path, Place::Line(line), "an entity as [value](entity)", found)
                    })?;
                    if let Some(unknown) = example.entities().find(|entity| !entities.contains(*entity)) {
                        let found = format!("`{unknown}`");
                        return Err(Error::at(path, Place::Line(line), "an entity of the domain", found)
                            .with_hint("list it under `entities` in the domain"));
                    }
                    intent.examples.push(example);
                }
            } else if let Some(entity) = &entry.value.lookup {
                let values = items.into_iter().map(|(_, value)| value).collect();
                self.lookups.push(Lookup { entity: entity.clone(), topic: topic_of(path), values });
            }
        }
        Ok(())
    }

    fn take_responses(&mut self, path: &Arc<Path>, file: &mut File, bot_name: &str) -> Result<()> {
        for (action, responses) in std::mem::take(&mut file.responses) {
            for text in responses.into_iter().filter_map(|response| response.text) {
                // The particles after slots keep both forms until the slots are filled.
                let spoken = particle::resolve(&text.value.replace(super::BOT_NAME, bot_name));
                let template = ResponseTemplate { action: action.clone(), text: spoken };
                if let Some(unknown) = template.slots().into_iter().find(|slot| !self.slots.contains(*slot)) {
                    let error = Site::of(path, &text).error("a slot of the domain", format!("`{unknown}`"));
                    return Err(error.with_hint("list it under `slots` in the domain"));
                }
                self.responses.entry(action.clone()).or_default().push(template);
            }
        }
        Ok(())
    }

    fn take_stories(
        &mut self,
        path: &Arc<Path>,
        file: &File,
        custom_actions: &BTreeSet<String>,
    ) -> Result<()> {
        for story in &file.stories {
            let mut steps = Vec::new();
            for step in &story.value.steps {
                let site = Site::of(path, step);
                let name = &story.value.story;
                match &step.value {
                    yaml::Step { intent: Some(intent), .. } => {
                        if !self.intents.contains_key(intent) {
                            let found = format!("`{intent}` in the story `{name}`");
                            return Err(site.error("an intent with examples under `nlu`", found));
                        }
                        steps.push(Step::Intent(intent.clone()));
                    }
                    yaml::Step { action: Some(action), .. } => {
                        if !self.responses.contains_key(action) && !custom_actions.contains(action) {
                            let found = format!("`{action}` in the story `{name}`");
                            return Err(site.error("an action with `responses` in the domain", found));
                        }
                        steps.push(Step::Action(action.clone()));
                    }
                    yaml::Step { slot_was_set: Some(slots), .. } => self.check_slots(&site, name, slots)?,
                    _ => {
                        let found = format!("another step in the story `{name}`");
                        return Err(site.error("a step `intent`, `action` or `slot_was_set`", found));
                    }
                }
            }
            self.stories.push(Story { topic: topic_of(path), steps });
        }
        Ok(())
    }

    /// A step that says which slots are set changes nothing here: the entities before it set them.
    fn check_slots(&self, site: &Site, story: &str, slots: &[Named]) -> Result<()> {
        let unknown = slots.iter().flat_map(Named::names).find(|slot| !self.slots.contains(*slot));
        unknown.map_or(Ok(()), |slot| {
            Err(site.error("a slot of the domain", format!("`{slot}` in the story `{story}`")))
        })
    }

    /// Checks that each topic has stories or dialogues.
    pub(super) fn check_topics(&self, asked: &[String], dialogues: &BTreeSet<&str>) -> Result<()> {
        let stories = self.stories.iter().map(|story| story.topic.as_str());
        let known: BTreeSet<&str> = stories.chain(dialogues.iter().copied()).collect();
        let Some(unknown) = asked.iter().find(|topic| !known.contains(topic.as_str())) else { return Ok(()) };
        let known: Vec<&str> = known.into_iter().collect();
        Err(Error::refused(format!("--topics {unknown}: the source has no such topic"))
            .with_hint(format!("it has {}", known.join(", "))))
    }

    /// Everything that the project says, but for the names of people and pets: phrasings, responses, lookup values.
    pub(super) fn spoken(&self) -> impl Iterator<Item = &str> {
        let phrasings = self.intents.values().flat_map(|intent| &intent.examples).flat_map(Example::parts);
        let phrasings = phrasings.filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Entity { .. } => None,
        });
        let responses = self.responses.values().flatten().map(|template| template.text.as_str());
        let lookups = self.lookups.iter().filter(|lookup| !super::names::is_personal(&lookup.entity));
        phrasings.chain(responses).chain(lookups.flat_map(|lookup| &lookup.values).map(String::as_str))
    }
}

fn names(named: &[Named]) -> impl Iterator<Item = String> {
    named.iter().flat_map(Named::names).map(str::to_owned)
}

fn topic_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn paths(root: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let domain = root.join("domain.yml");
    if domain.is_file() {
        paths.push(domain);
    }
    for folder in ["domain", "data"] {
        let folder = root.join(folder);
        if folder.is_dir() {
            let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
            paths.extend(digest::files(&folder)?.into_iter().filter(is_yaml));
        }
    }
    if paths.is_empty() {
        return Err(Error::malformed(root, "domain.yml or domain/, and data/, with files in .yml", "none"));
    }
    Ok(paths)
}
