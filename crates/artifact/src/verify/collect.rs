//! What `collect` writes: conversations, and where they come from.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Findings;
use crate::conversation::{Conversation, Split};
use crate::participants::{self, Participants};
use crate::response::{self, ResponseTemplate};
use crate::sources::{self, Source, Sources};
use crate::{Place, json};

pub(super) fn check(findings: &mut Findings<'_>) {
    let sources: Option<Sources> = findings.require_json(sources::FILE);
    let actions = check_responses(findings);
    let seen = check_conversations(findings, sources.as_ref(), actions.as_ref());
    check_participants(findings, sources.as_ref());
    if let Some(sources) = sources {
        check_counts(findings, &sources, &seen);
    }
}

/// `responses.jsonl`, which is there when the sources name actions; gives the actions that have a response.
pub(super) fn check_responses(findings: &mut Findings<'_>) -> Option<BTreeSet<String>> {
    let path = findings.optional(response::FILE)?;
    let mut actions = BTreeSet::new();
    let lines = findings.take(&path, json::lines::<ResponseTemplate>(&path))?;
    for response in lines {
        if let Some(response) = findings.take(&path, response) {
            actions.insert(response.action);
        }
    }
    Some(actions)
}

/// `participants.json`, which is there when a source is a chat.
fn check_participants(findings: &mut Findings<'_>, sources: Option<&Sources>) {
    let Some(path) = findings.optional(participants::FILE) else { return };
    let Some(participants) = findings.take(&path, json::read::<Participants>(&path)) else { return };
    for entry in &participants.sources {
        let source = &entry.source;
        if sources.is_some_and(|file| file.sources.iter().all(|listed| listed.name != *source)) {
            let expected = format!("a source named in {}", sources::FILE);
            findings.add(&path, Place::Whole, expected, format!("`{source}`"));
        }
    }
}

/// Conversations of each source, by split.
type Seen = BTreeMap<String, BTreeMap<Option<Split>, u64>>;

fn check_conversations(
    findings: &mut Findings<'_>,
    sources: Option<&Sources>,
    actions: Option<&BTreeSet<String>>,
) -> Seen {
    let mut seen = Seen::new();
    let mut ids = HashSet::new();
    for path in findings.numbered("conversations-", ".jsonl") {
        let Some(mut lines) = findings.take(&path, json::lines::<Conversation>(&path)) else { continue };
        while let Some(conversation) = lines.next() {
            let place = Place::Line(lines.line());
            let Some(conversation) = findings.take(&path, conversation) else { continue };
            if conversation.messages.is_empty() {
                findings.add(&path, place, "at least one message", "an empty list");
            }
            let source = &conversation.source;
            if sources.is_some_and(|file| file.sources.iter().all(|listed| listed.name != *source)) {
                findings.add(
                    &path,
                    place,
                    format!("a source named in {}", sources::FILE),
                    format!("`{source}`"),
                );
            }
            let known = |action: &String| actions.is_some_and(|actions| actions.contains(action));
            let unknown = conversation
                .messages
                .iter()
                .filter_map(|message| message.action.as_ref())
                .find(|action| !known(action));
            if let Some(action) = unknown {
                findings.add(
                    &path,
                    place,
                    format!("an action with a response in {}", response::FILE),
                    format!("`{action}`"),
                );
            }
            *seen.entry(conversation.source).or_default().entry(conversation.split).or_default() += 1;
            if let Some(id) = ids.replace(conversation.id) {
                findings.add(
                    &path,
                    place,
                    "an id of its own",
                    format!("`{id}`, which an earlier conversation has"),
                );
            }
        }
    }
    seen
}

fn check_counts(findings: &mut Findings<'_>, file: &Sources, seen: &Seen) {
    let path = findings.dir().join(sources::FILE);
    let mut names = BTreeSet::new();
    for source in &file.sources {
        if !names.insert(&source.name) {
            findings.add(&path, Place::Whole, "each source once", format!("`{}` again", source.name));
        }
        let none = BTreeMap::new();
        check_source(findings, source, seen.get(&source.name).unwrap_or(&none));
    }
    let written: u64 = seen.values().flat_map(BTreeMap::values).sum();
    if file.conversations != written {
        let expected = format!("conversations {written}, as many as the files hold");
        findings.add(&path, Place::Whole, expected, file.conversations.to_string());
    }
}

fn check_source(findings: &mut Findings<'_>, source: &Source, seen: &BTreeMap<Option<Split>, u64>) {
    let path = findings.dir().join(sources::FILE);
    let name = &source.name;
    let mut compare = |what: String, expected: u64, found: u64| {
        if expected != found {
            findings.add(
                &path,
                Place::Whole,
                format!("{what} {expected} of source `{name}`"),
                found.to_string(),
            );
        }
    };
    compare("conversations".to_owned(), seen.values().sum(), source.conversations);
    for split in Split::ALL {
        let found =
            source.splits.iter().filter(|count| count.split == split).map(|count| count.conversations);
        let expected = seen.get(&Some(split)).copied().unwrap_or_default();
        compare(format!("{split} conversations"), expected, found.fold(0, u64::saturating_add));
    }
    for count in &source.counts {
        let rejected = count.rejected.iter().map(|rejected| rejected.count).fold(0, u64::saturating_add);
        compare(format!("{} read", count.unit), count.kept.saturating_add(rejected), count.read);
    }
    if source.sha256.len() != 64 || !source.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        findings.add(&path, Place::Whole, format!("a SHA-256 of source `{name}`"), source.sha256.clone());
    }
}
