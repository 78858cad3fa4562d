//! Conversations as JSON lines: our own, and any lines with `{"messages": [{"role", "content"}, ...]}`.

use std::collections::HashSet;
use std::path::Path;

use artifact::conversation::{Message, Slot, Split};
use artifact::sources::Count;
use artifact::{Error, Result, json, response};
use fs_err as fs;
use serde::Deserialize;
use serde::de::IgnoredAny;
use terminal::{Lang, Progress};

use crate::output::{Output, Talk};
use crate::roles::{Content, Speaker};
use crate::source::{self, Source};
use crate::tally::Tally;
use crate::value::Id;

/// A line; other keys are left.
#[derive(Debug, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) id: Option<Id>,
    topic: Option<String>,
    split: Option<Split>,
    messages: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Content,
    weight: Option<f64>,
    time: Option<String>,
    intent: Option<String>,
    action: Option<String>,
    #[serde(default)]
    slots: Vec<Slot>,
    #[serde(default)]
    recall: Vec<String>,
    tool_calls: Option<IgnoredAny>,
    function_call: Option<IgnoredAny>,
}

/// Reads every file of the source, and the responses that `collect` wrote beside them.
pub(crate) fn read(source: &Source, output: &mut Output) -> Result<Vec<Count>> {
    let responses = if source.path.is_dir() { response::read(&source.path)? } else { Vec::new() };
    let actions: HashSet<&str> = responses.iter().map(|response| response.action.as_str()).collect();
    let mut tally = Tally::new("conversations");
    for path in files(source)? {
        read_file(&path, &mut tally, |mut talk| {
            // An action without responses means nothing to those who read it.
            for message in &mut talk.messages {
                message.action.take_if(|action| !actions.contains(action.as_str()));
            }
            output.write(talk)
        })?;
    }
    if tally.read() == 0 {
        return Err(Error::malformed(&source.path, "at least one line with messages", "none"));
    }
    output.respond(responses);
    Ok(vec![tally.count()])
}

/// Where `collect` wrote a folder, its conversations only; otherwise every file.
fn files(source: &Source) -> Result<Vec<std::path::PathBuf>> {
    let files = source::files_of(source)?;
    let is_ours = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("conversations-"))
    };
    if source.path.is_dir() && files.iter().any(|path| is_ours(path)) {
        return Ok(files.into_iter().filter(|path| is_ours(path)).collect());
    }
    Ok(files)
}

/// Reads one file, giving each conversation to `keep` and counting the others.
pub(crate) fn read_file(
    path: &Path,
    tally: &mut Tally,
    mut keep: impl FnMut(Talk) -> Result<()>,
) -> Result<()> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut lines = json::lines::<Conversation>(path)?;
    let size = fs::metadata(path)?.len();
    let progress = Progress::new(format!("{} {stem}", Lang::pick("읽기", "reading")), size, "bytes");
    while let Some(line) = lines.next() {
        let conversation = line.map_err(|error| {
            error.with_hint("each line is {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, ...]}")
        })?;
        let number = lines.line();
        let id = conversation.id.map_or_else(|| format!("{stem}-{number:06}"), |id| id.to_string());
        let turns = conversation.messages.into_iter().filter_map(|turn| turn.message().transpose());
        match turns.collect::<std::result::Result<Vec<_>, _>>() {
            Ok(messages) if !messages.iter().any(Message::is_target) => {
                tally.reject("no turn of the assistant");
            }
            Ok(messages) => {
                tally.keep();
                keep(Talk { id, topic: conversation.topic, split: conversation.split, messages })?;
            }
            Err(reason) => tally.reject(reason),
        }
    }
    progress.finish();
    Ok(())
}

impl Turn {
    /// The turn, unless it calls a tool or is a tool's; why the conversation must go, where it is neither that nor a
    /// turn.
    fn message(self) -> std::result::Result<Option<Message>, &'static str> {
        let role = match Speaker::named(&self.role) {
            Some(Speaker::Role(role)) => role,
            Some(Speaker::Tool) => return Ok(None),
            None => return Err("a role other than system, user, assistant and tool"),
        };
        let calls = self.tool_calls.is_some() || self.function_call.is_some();
        let content = self.content.plain();
        if content.trim().is_empty() {
            return if calls { Ok(None) } else { Err("an empty turn") };
        }
        let weight = self.weight.map(|weight| u8::from(weight != 0.0));
        let (time, intent, action, slots, recall) =
            (self.time, self.intent, self.action, self.slots, self.recall);
        Ok(Some(Message { role, content, time, intent, action, slots, weight, recall }))
    }
}
