//! The `collect` stage: sources, each in a format of its own, become conversations in one.
//!
//! A source is a file, a folder or an archive in one of the formats of [`artifact::sources::Format`]; a description
//! (`datasets/*.toml`) may name it. Each format has one reader. Those of chats give entries with a time, a sender and a
//! text, of which one module makes conversations; the others give conversations. All write to one output, and count
//! what they keep and why they reject.

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
mod files;
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

use arguments::Options;
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
    let mut output = Output::new(dir);
    let entries =
        sources.iter().map(|source| read(source, options, &mut output)).collect::<Result<Vec<_>, _>>()?;
    let conversations = output.finish(dir)?;
    if conversations == 0 {
        return Err(Error::refused("no conversation was kept").with_hint(reasons(&entries)).into());
    }
    let sources = Sources { conversations, seed: options.seed, sources: entries };
    sources.write(dir)?;
    Ok(sources)
}

fn read(source: &Source, options: &Options, output: &mut Output) -> artifact::Result<Entry> {
    output.begin(source);
    let (counts, options) = read::read(source, options, output)?;
    let (conversations, splits) = output.end();
    Ok(Entry {
        name: source.name.clone(),
        format: source.format,
        license: source.license.clone(),
        sha256: source.sha256.clone(),
        conversations,
        splits,
        counts,
        options,
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
