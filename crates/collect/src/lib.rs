//! The `collect` stage: sources, each in a format of its own, become conversations in one.
//!
//! A source is a Rasa project ([`artifact::sources::Format::Rasa`]), conversations as JSON lines, or rows of question
//! and answer; a description (`datasets/*.toml`) may name it. Each format has one reader; all of them write to one
//! output, which counts what they keep and why they reject.

mod arguments;
mod csv;
mod digest;
mod jsonl;
mod output;
mod rasa;
mod source;
mod tally;

use artifact::sources::{Format, Source as Entry, Sources};
use artifact::{Error, OutDir, response};
use terminal::Lang;

pub use arguments::Arguments;

use arguments::Options;
use output::Output;
use source::Source;

/// Reads every source and publishes `conversations-*.jsonl`, `responses.jsonl` and `sources.json`.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = Options::check(&arguments)?;
    let sources = source::locate(&arguments.source, &options)?;
    let out = OutDir::create(&arguments.out)?;
    let mut output = Output::new(out.path());
    let entries =
        sources.iter().map(|source| read(source, &options, &mut output)).collect::<Result<Vec<_>, _>>()?;
    let (conversations, responses) = output.finish()?;
    if conversations == 0 {
        return Err(Error::refused("no conversation was kept").with_hint(reasons(&entries)).into());
    }
    if !responses.is_empty() {
        response::write(out.path(), &responses)?;
    }
    let sources = Sources { conversations, seed: options.seed, sources: entries };
    sources.write(out.path())?;
    out.publish()?;
    summarize(&sources);
    Ok(())
}

fn read(source: &Source, options: &Options, output: &mut Output) -> artifact::Result<Entry> {
    output.begin(source);
    let (counts, options) = match source.format {
        Format::Rasa => (rasa::read(source, options, output)?, options.of_rasa()),
        Format::Jsonl => (jsonl::read(source, output)?, Vec::new()),
        Format::Csv => {
            let (counts, columns) = csv::read(source, output)?;
            (counts, vec![arguments::named("columns", format!("{},{}", columns.question, columns.answer))])
        }
    };
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

fn summarize(sources: &Sources) {
    for source in &sources.sources {
        let splits: Vec<String> =
            source.splits.iter().map(|count| format!("{} {}", count.split, count.conversations)).collect();
        let splits = if splits.is_empty() { String::new() } else { format!(" ({})", splits.join(", ")) };
        let unit = Lang::pick("대화", "conversations");
        eprintln!("{}: {} {unit}{splits}", source.name, source.conversations);
        for count in &source.counts {
            let [read, kept] = Lang::pick(["읽음", "씀"], ["read", "kept"]);
            eprintln!("  {}: {read} {}, {kept} {}", count.unit, count.read, count.kept);
            for rejected in &count.rejected {
                eprintln!("    {} {}: {}", Lang::pick("제외", "rejected"), rejected.count, rejected.reason);
            }
        }
    }
}
