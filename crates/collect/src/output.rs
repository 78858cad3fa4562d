//! Where every reader writes: conversations with ids of their own, and the responses that are templates.

use std::collections::HashSet;
use std::path::Path;

use artifact::Result;
use artifact::conversation::{Conversation, ConversationWriter, Message, Split};
use artifact::participants::{Participants, SourceParticipants};
use artifact::response::{self, ResponseTemplate};
use artifact::sources::SplitCount;

use crate::source::Source;

/// A conversation as a reader gives it; its source is the one that is being read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk {
    /// Unique in its source; otherwise a number is added.
    pub(crate) id: String,
    pub(crate) topic: Option<String>,
    pub(crate) split: Option<Split>,
    pub(crate) messages: Vec<Message>,
}

/// The output directory, while it is filled.
#[derive(Debug)]
pub(crate) struct Output {
    writer: ConversationWriter,
    ids: HashSet<String>,
    responses: Vec<ResponseTemplate>,
    participants: Participants,
    name: String,
    license: Option<String>,
    written: u64,
    by_split: [u64; Split::ALL.len()],
}

impl Output {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            writer: ConversationWriter::new(dir),
            ids: HashSet::new(),
            responses: Vec::new(),
            participants: Participants::default(),
            name: String::new(),
            license: None,
            written: 0,
            by_split: [0; Split::ALL.len()],
        }
    }

    /// Starts a source.
    pub(crate) fn begin(&mut self, source: &Source) {
        self.name.clone_from(&source.name);
        self.license.clone_from(&source.license);
        self.written = 0;
        self.by_split = [0; Split::ALL.len()];
    }

    /// Ends a source: how many conversations it gave, and how many to each split.
    pub(crate) fn end(&self) -> (u64, Vec<SplitCount>) {
        let splits = Split::ALL.into_iter().zip(self.by_split).filter(|(_, count)| *count > 0);
        (self.written, splits.map(|(split, conversations)| SplitCount { split, conversations }).collect())
    }

    pub(crate) fn write(&mut self, talk: Talk) -> Result<()> {
        self.written += 1;
        if let Some(split) = talk.split {
            self.by_split[split as usize] += 1;
        }
        let conversation = Conversation {
            id: self.unique(&talk.id),
            source: self.name.clone(),
            topic: talk.topic,
            license: self.license.clone(),
            split: talk.split,
            messages: talk.messages,
        };
        self.writer.write(&conversation)
    }

    pub(crate) fn respond(&mut self, responses: impl IntoIterator<Item = ResponseTemplate>) {
        self.responses.extend(responses);
    }

    /// Notes who speaks in the source.
    pub(crate) fn meet(&mut self, names: Vec<String>) {
        if !names.is_empty() {
            self.participants.sources.push(SourceParticipants { source: self.name.clone(), names });
        }
    }

    /// Ends the last file and writes what goes with the conversations; gives how many there are.
    pub(crate) fn finish(self, dir: &Path) -> Result<u64> {
        let conversations = self.writer.finish()? as u64;
        if !self.responses.is_empty() {
            response::write(dir, &self.responses)?;
        }
        if !self.participants.sources.is_empty() {
            self.participants.write(dir)?;
        }
        Ok(conversations)
    }

    /// `SOURCE/ID`, with a number where that is taken.
    fn unique(&mut self, id: &str) -> String {
        let wanted = format!("{}/{id}", self.name);
        let mut unique = wanted.clone();
        let mut number = 2;
        while !self.ids.insert(unique.clone()) {
            unique = format!("{wanted}#{number}");
            number += 1;
        }
        unique
    }
}
