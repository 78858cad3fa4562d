//! Runs the binary, and reads what it wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use artifact::conversation::{self, Conversation, Split};
use artifact::sources::Sources;

/// How a run ended.
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// What it said on stderr.
    pub(crate) said: String,
}

/// Runs `collect` with these arguments.
pub(crate) fn collect<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Run {
    let output =
        Command::new(env!("CARGO_BIN_EXE_collect")).args(arguments).env("LC_ALL", "C").output().unwrap();
    assert!(output.stdout.is_empty(), "stdout is for data");
    Run { code: output.status.code(), said: String::from_utf8(output.stderr).unwrap() }
}

/// Runs `collect` on a source into `out`, which must go well.
pub(crate) fn collected(source: &Path, options: &[&str], out: &Path) -> Vec<Conversation> {
    let mut arguments = vec!["--source", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    arguments.extend(options);
    let run = collect(&arguments);
    assert_eq!(run.code, Some(0), "{}", run.said);
    conversation::read_dir(out).unwrap().map(Result::unwrap).collect()
}

/// What became of one kind of thing: read, kept, and rejected by reason.
pub(crate) fn counted(out: &Path, unit: &str) -> (u64, u64, Vec<(String, u64)>) {
    let sources = Sources::read(out).unwrap();
    let count = sources.sources[0].counts.iter().find(|count| count.unit == unit).unwrap().clone();
    let rejected: Vec<_> =
        count.rejected.into_iter().map(|rejected| (rejected.reason, rejected.count)).collect();
    assert_eq!(count.read, count.kept + rejected.iter().map(|(_, count)| count).sum::<u64>());
    (count.read, count.kept, rejected)
}

/// The conversations of a split.
pub(crate) fn of(conversations: &[Conversation], split: Split) -> impl Iterator<Item = &Conversation> {
    conversations.iter().filter(move |conversation| conversation.split == Some(split))
}

/// A folder of this crate or of the repository, from the crate's folder.
pub(crate) fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}
