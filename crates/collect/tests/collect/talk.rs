//! Collects a file that a test has written, and shows it shortly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifact::conversation::{Conversation, Role};
use artifact::sources::{Format, Sources};
use fs_err as fs;

use crate::stage::{collected, folder};

/// What a run gave.
pub(crate) struct Collected {
    /// Each conversation as lines: `u TEXT` of a user, `a TEXT` of the assistant, `s TEXT` of the system.
    pub(crate) talks: Vec<Vec<String>>,
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) format: Format,
    /// Entries kept, of the first unit that was counted.
    pub(crate) kept: u64,
    /// Entries rejected, by reason.
    pub(crate) rejected: BTreeMap<String, u64>,
    pub(crate) dir: tempfile::TempDir,
}

/// Collects files of these names and contents: one by itself, several as a folder.
pub(crate) fn of_files(files: &[(&str, &[u8])], options: &[&str]) -> Collected {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("in");
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let source = if let [(name, _)] = files { root.join(name) } else { root };
    of_path(&source, options, dir)
}

/// Collects one text.
pub(crate) fn of_text(name: &str, text: &str, options: &[&str]) -> Collected {
    of_files(&[(name, text.as_bytes())], options)
}

/// Collects what is there, which the contract must hold for.
pub(crate) fn of_path(source: &Path, options: &[&str], dir: tempfile::TempDir) -> Collected {
    let out = dir.path().join("out");
    let conversations = collected(source, options, &out);
    let problems = artifact::verify::verify("collect", &out).unwrap();
    assert!(problems.is_empty(), "{problems:#?}");
    let entry = Sources::read(&out).unwrap().sources.remove(0);
    let count = entry.counts[0].clone();
    let rejected: BTreeMap<String, u64> =
        count.rejected.into_iter().map(|row| (row.reason, row.count)).collect();
    assert_eq!(count.read, count.kept + rejected.values().sum::<u64>());
    let line = |role: Role, content: &str| format!("{} {content}", &role.name()[..1]);
    let talks = conversations
        .iter()
        .map(|talk| talk.messages.iter().map(|message| line(message.role, &message.content)).collect())
        .collect();
    Collected { talks, conversations, format: entry.format, kept: count.kept, rejected, dir }
}

/// A sample of an export; none, with a word about it, where the samples are not.
pub(crate) fn sample(name: &str) -> Option<PathBuf> {
    let places = ["../../../shared/data/chat-exports", "../../../../shared/data/chat-exports"];
    let found = places.into_iter().map(|place| folder(place).join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: the sample {name} is not here");
    }
    found
}

impl Collected {
    /// Asserts the conversations, each a list of lines.
    #[track_caller]
    pub(crate) fn says(&self, expected: &[&[&str]]) {
        assert_eq!(self.talks, expected);
    }

    /// Asserts how many entries were kept, and how many rejected for which reason.
    #[track_caller]
    pub(crate) fn counts(&self, kept: u64, rejected: &[(&str, u64)]) {
        let rejected: BTreeMap<String, u64> =
            rejected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        assert_eq!((self.kept, &self.rejected), (kept, &rejected));
    }

    /// The times of all turns.
    pub(crate) fn times(&self) -> Vec<&str> {
        let messages = self.conversations.iter().flat_map(|talk| &talk.messages);
        messages.filter_map(|message| message.time.as_deref()).collect()
    }
}

/// Why entries are left out.
pub(crate) const MEDIA: &str = "pictures, stickers, files, calls";
pub(crate) const SYSTEM: &str = "system lines";
pub(crate) const DELETED: &str = "deleted or hidden";
pub(crate) const CUT: &str = "cut short by the export";
pub(crate) const BOTS: &str = "messages of bots";
pub(crate) const EMPTY: &str = "without words";
pub(crate) const UNANSWERED: &str = "not answered by the assistant";
pub(crate) const TO_NOBODY: &str = "said by the assistant to nobody";
