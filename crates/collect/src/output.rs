//! Where every reader writes: conversations with ids of their own, and the responses that are templates.

use std::collections::HashSet;
use std::path::Path;

use artifact::Result;
use artifact::conversation::{Conversation, ConversationWriter, Message, Split};
use artifact::participants::{Participants, SourceParticipants};
use artifact::response::{self, ResponseTemplate};
use artifact::sources::SplitCount;

use crate::digest;
use crate::shard::Shard;
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

/// Ids that are remembered, in 150 MB; each later one gets the number of its conversation.
const REMEMBERED: usize = 1 << 23;

/// The output directory, while it is filled.
#[derive(Debug)]
pub(crate) struct Output {
    writer: ConversationWriter,
    shard: Shard,
    /// Conversations that were given, whether or not they are of the shard.
    given: u64,
    /// Digests of the ids so far.
    ids: HashSet<u64>,
    responses: Vec<ResponseTemplate>,
    participants: Participants,
    name: String,
    license: Option<String>,
    written: u64,
    by_split: [u64; Split::ALL.len()],
}

impl Output {
    pub(crate) fn new(dir: &Path, shard: Shard) -> Self {
        Self {
            writer: ConversationWriter::new(dir),
            shard,
            given: 0,
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
        let number = self.given;
        self.given += 1;
        // Also without being written: an id is the same in every division.
        let id = self.unique(&talk.id);
        if !self.shard.holds(number) {
            return Ok(());
        }
        self.written += 1;
        if let Some(split) = talk.split {
            self.by_split[split as usize] += 1;
        }
        let conversation = Conversation {
            id,
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

    /// Ends the last file and writes what goes with the conversations; gives how many were given, and how many written.
    pub(crate) fn finish(self, dir: &Path) -> Result<(u64, u64)> {
        let written = self.writer.finish()? as u64;
        if !self.responses.is_empty() {
            response::write(dir, &self.responses)?;
        }
        if !self.participants.sources.is_empty() {
            self.participants.write(dir)?;
        }
        Ok((self.given, written))
    }

    /// `SOURCE/ID`, with a number where that is taken.
    fn unique(&mut self, id: &str) -> String {
        let wanted = format!("{}/{id}", self.name);
        if self.ids.len() == REMEMBERED {
            return format!("{wanted}#{}", self.given);
        }
        let mut unique = wanted.clone();
        let mut number = 2;
        while !self.ids.insert(digest::of_text(&unique)) {
            unique = format!("{wanted}#{number}");
            number += 1;
        }
        unique
    }
}
