//! What no conversation may bring into the data: a test set's words and, by the source it comes from, private things.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use artifact::Result;
use artifact::conversation::{Conversation, Message};
use artifact::participants::Participants;
use artifact::preprocess::{Privacy, PrivateKind, Reason};
use artifact::sources::{self, Sources};
use privacy::{Names, Placeholders};

use crate::decontaminate::TestSet;
use crate::examples;

/// Stands between what was said and what is learnt.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What is done for each source, and whose names are looked for there.
    sources: HashMap<String, (Privacy, Names)>,
    /// What is done for a source that is not listed.
    otherwise: Privacy,
    test_set: Option<TestSet>,
}

impl Guard {
    /// Reads what is known of the sources; a chat is masked unless something else was asked for.
    pub(crate) fn new(dir: &Path, asked: Option<Privacy>, test_set: Option<TestSet>) -> Result<Self> {
        let participants = Participants::read(dir)?;
        let listed = if dir.join(sources::FILE).exists() { Sources::read(dir)?.sources } else { Vec::new() };
        let sources = listed.into_iter().map(|source| {
            let usual = if source.format.is_chat() { Privacy::Mask } else { Privacy::Off };
            let names = Names::new(participants.of(&source.name).iter().map(String::as_str));
            (source.name, (asked.unwrap_or(usual), names))
        });
        Ok(Self { sources: sources.collect(), otherwise: asked.unwrap_or(Privacy::Off), test_set })
    }

    /// Replaces what is private, and counts it; why the conversation must go, if it must.
    pub(crate) fn refuse(
        &self,
        talk: &mut Conversation,
        counts: &mut BTreeMap<PrivateKind, usize>,
    ) -> Option<Reason> {
        if self.test_set.as_ref().is_some_and(|set| set.is_in(&talk.messages)) {
            return Some(Reason::Contaminated);
        }
        let (privacy, names) = self
            .sources
            .get(&talk.source)
            .map_or((self.otherwise, None), |(privacy, names)| (*privacy, Some(names)));
        if privacy == Privacy::Off {
            return None;
        }
        let kinds = mask(&mut talk.messages, names);
        for kind in &kinds {
            *counts.entry(*kind).or_default() += 1;
        }
        (!kinds.is_empty() && privacy == Privacy::Drop).then_some(Reason::Private)
    }

    /// A conversation as an example.
    pub(crate) fn shown(&self, talk: &Conversation) -> String {
        examples::shown(&self.masked(&talk.source, &talk.messages))
    }

    /// What the report may show: nothing that is private, whatever was asked for.
    pub(crate) fn masked(&self, source: &str, messages: &[Message]) -> Vec<Message> {
        let mut messages = messages.to_vec();
        mask(&mut messages, self.sources.get(source).map(|(_, names)| names));
        messages
    }
}

/// Replaces what is private in a conversation; gives the kinds of what was found.
fn mask(messages: &mut [Message], names: Option<&Names>) -> Vec<PrivateKind> {
    let nobody = Names::default();
    let names = names.unwrap_or(&nobody);
    let mut placeholders = Placeholders::default();
    let mut found = Vec::new();
    for message in messages {
        if let Some((masked, kinds)) = placeholders.mask(&message.content, names) {
            message.content = masked;
            found.extend(kinds);
        }
        // What must stand in an answer stands there masked.
        let values = message.slots.iter_mut().map(|slot| &mut slot.value).chain(&mut message.recall);
        for value in values {
            if let Some((masked, _)) = placeholders.mask(value, names) {
                *value = masked;
            }
        }
    }
    found
}
