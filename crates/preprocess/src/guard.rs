//! What no conversation may bring into the data: a test set's words and, by the source it comes from, private things.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use artifact::Result;
use artifact::conversation::Conversation;
use artifact::participants::Participants;
use artifact::preprocess::{Privacy, PrivateCount, PrivateKind, Reason};
use artifact::sources::{self, Sources};
use privacy::{Names, Placeholders};

use crate::decontaminate::TestSet;

/// Stands between what was said and what is learnt.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What is done for each source, and whose names are looked for there.
    sources: HashMap<String, (Privacy, Names)>,
    /// What is done for a source that is not listed.
    otherwise: Privacy,
    test_set: Option<TestSet>,
    counts: BTreeMap<PrivateKind, usize>,
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
        Ok(Self {
            sources: sources.collect(),
            otherwise: asked.unwrap_or(Privacy::Off),
            test_set,
            counts: BTreeMap::new(),
        })
    }

    /// Replaces what is private, and counts it; why the conversation must go, if it must.
    pub(crate) fn refuse(&mut self, talk: &mut Conversation) -> Option<Reason> {
        if self.test_set.as_ref().is_some_and(|set| set.is_in(&talk.messages)) {
            return Some(Reason::Contaminated);
        }
        let nobody = Names::default();
        let (privacy, names) = self
            .sources
            .get(&talk.source)
            .map_or((self.otherwise, &nobody), |(privacy, names)| (*privacy, names));
        if privacy == Privacy::Off {
            return None;
        }
        let mut placeholders = Placeholders::default();
        let mut found = false;
        for message in &mut talk.messages {
            if let Some((masked, kinds)) = placeholders.mask(&message.content, names) {
                message.content = masked;
                found = true;
                for kind in kinds {
                    *self.counts.entry(kind).or_default() += 1;
                }
            }
            // What must stand in an answer stands there masked.
            let values = message.slots.iter_mut().map(|slot| &mut slot.value).chain(&mut message.recall);
            for value in values {
                if let Some((masked, _)) = placeholders.mask(value, names) {
                    *value = masked;
                }
            }
        }
        (found && privacy == Privacy::Drop).then_some(Reason::Private)
    }

    /// A row for each kind.
    pub(crate) fn table(&self) -> Vec<PrivateCount> {
        let count = |kind| PrivateCount { kind, found: self.counts.get(&kind).copied().unwrap_or_default() };
        PrivateKind::ALL.into_iter().map(count).collect()
    }
}
