//! The `collect` stage: sources, each in a format of its own, become conversations in one.
//!
//! A source is a file, a folder or an archive in one of the formats of [`artifact::sources::Format`]; a description
//! (`datasets/*.toml`) may name it. Each format has one reader. Those of chats give entries with a time, a sender and a
//! text, of which one module makes conversations; the others give conversations. All write to one output, and count
//! what they keep and why they reject.

mod allowance;
mod alpaca;
mod arguments;
mod chat;
mod chatgpt;
mod chatterbot;
mod csv;
mod decode;
mod detect;
mod digest;
mod discord;
mod download;
mod files;
mod hub;
mod imessage;
mod jsonl;
mod kakaotalk;
mod line;
mod messenger;
mod moment;
mod output;
mod parquet;
mod preview;
mod rasa;
mod read;
mod roles;
mod scan;
mod shard;
mod sharegpt;
mod slack;
mod source;
mod subrip;
mod tally;
mod telegram;
mod turns;
mod value;
mod whatsapp;

use std::path::Path;

use artifact::sources::{Source as Entry, Sources};
use artifact::{Error, OutDir};
use terminal::Lang;

pub use arguments::Arguments;
pub use shard::Shard;

use arguments::{Options, named};
use output::Output;
use source::Source;

/// Reads every source and publishes `conversations-*.jsonl`, `sources.json` and what goes with them.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = Options::check(&arguments)?;
    let sources = source::locate(&arguments.source, &options)?;
    let Some(out) = &arguments.out else {
        return preview::show(&sources, &options);
    };
    let out = OutDir::create(out)?;
    let sources = write(&sources, &options, out.path())?;
    out.publish()?;
    for line in lines(&sources) {
        eprintln!("{line}");
    }
    Ok(())
}

/// Reads the sources and fills a directory.
fn write(sources: &[Source], options: &Options, dir: &Path) -> anyhow::Result<Sources> {
    let mut output = Output::new(dir, options.shard);
    let entries =
        sources.iter().map(|source| read(source, options, &mut output)).collect::<Result<Vec<_>, _>>()?;
    let (given, conversations) = output.finish(dir)?;
    if given == 0 {
        return Err(Error::refused("no conversation was kept").with_hint(reasons(&entries)).into());
    }
    if conversations == 0 {
        let message = format!("--shard {}: there are only {given} conversations", options.shard);
        return Err(Error::refused(message).with_hint("divide them into fewer shards").into());
    }
    let sources = Sources { conversations, seed: options.seed, sources: entries };
    sources.write(dir)?;
    Ok(sources)
}

fn read(source: &Source, options: &Options, output: &mut Output) -> artifact::Result<Entry> {
    output.begin(source);
    let (counts, mut told) = read::read(source, options, output)?;
    if let Some(revision) = &source.revision {
        told.push(named("revision", revision));
    }
    if options.shard != Shard::WHOLE {
        told.push(named("shard", options.shard));
    }
    let (conversations, splits) = output.end();
    Ok(Entry {
        name: source.name.clone(),
        format: source.format,
        license: source.license.clone(),
        sha256: digest::of_path(&source.path)?,
        conversations,
        splits,
        counts,
        options: told,
    })
}

/// Why nothing was kept: every reason of every source.
fn reasons(entries: &[Entry]) -> String {
    let rejected = entries.iter().flat_map(|entry| &entry.counts).flat_map(|count| {
        count
            .rejected
            .iter()
            .map(move |rejected| format!("{} {}: {}", rejected.count, count.unit, rejected.reason))
    });
    let rejected: Vec<String> = rejected.collect();
    if rejected.is_empty() { "the sources hold nothing".to_owned() } else { rejected.join("; ") }
}

/// What was read of each source, for a person.
fn lines(sources: &Sources) -> Vec<String> {
    let mut lines = Vec::new();
    for source in &sources.sources {
        let splits: Vec<String> =
            source.splits.iter().map(|count| format!("{} {}", count.split, count.conversations)).collect();
        let splits = if splits.is_empty() { String::new() } else { format!(" ({})", splits.join(", ")) };
        let unit = Lang::pick("대화", "conversations");
        lines.push(format!(
            "{} ({}): {} {unit}{splits}",
            source.name,
            source.format.name(),
            source.conversations
        ));
        for count in &source.counts {
            let [read, kept] = Lang::pick(["읽음", "씀"], ["read", "kept"]);
            lines.push(format!("  {}: {read} {}, {kept} {}", count.unit, count.read, count.kept));
            for rejected in &count.rejected {
                let rejected_word = Lang::pick("제외", "rejected");
                lines.push(format!("    {rejected_word} {}: {}", rejected.count, rejected.reason));
            }
        }
    }
    lines
}
