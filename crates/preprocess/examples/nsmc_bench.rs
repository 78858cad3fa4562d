//! A table of reviews through `collect` and `preprocess`, beside the same work by Hugging Face datasets and tokenizers and
//! by datasketch, alternately, in one run: seconds, processor seconds and peak memory of whole programs, and what they
//! found.
//!
//! `nsmc_bench --reviews FILE --python PYTHON --programs DIR`: FILE is `nsmc_reviews.tsv.gz` (id, film, rating and text of
//! each review), DIR has `collect` and `preprocess`. The peer is `nsmc_peer.py`, beside this file. The film is the question
//! and the review the answer, so that a film is in one split.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use artifact::json;
use artifact::preprocess::{FILE, Reason, Summary};
use clap::Parser;
use fs_err as fs;
use serde::Deserialize;
use wait4::Wait4 as _;

/// Compares collect and preprocess with Python's libraries.
#[derive(Parser)]
struct Arguments {
    /// Reviews, gzipped, with tabs between id, film, rating and text
    #[arg(long)]
    reviews: PathBuf,
    /// A Python that has datasets, tokenizers, datasketch and safetensors
    #[arg(long)]
    python: PathBuf,
    /// Directory of the programs collect and preprocess
    #[arg(long)]
    programs: PathBuf,
    /// The first so many reviews; all when absent
    #[arg(long)]
    count: Option<usize>,
    /// Largest vocabulary of either side, in tokens
    #[arg(long, default_value_t = 8192)]
    vocab_size: usize,
    /// Similarity from which reviews are near-duplicates
    #[arg(long, default_value_t = 0.8)]
    similarity: f64,
    /// Threads of ours, processes of theirs
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Measurements of either side; the best counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

/// What a side took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    processor_seconds: f64,
    peak_bytes: u64,
}

/// What a side found.
#[derive(Debug, Clone, Deserialize)]
struct Found {
    read: usize,
    duplicates: usize,
    near_duplicates: usize,
    kept: usize,
    tokens: usize,
    vocabulary: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir()?;
    let table = dir.path().join("reviews.tsv");
    write_table(&arguments, &table)?;
    let mut best: [Option<(Cost, Found)>; 2] = [None, None];
    for round in 0..arguments.rounds {
        let now = [
            ours(&arguments, &table, &dir.path().join(format!("ours-{round}")))?,
            theirs(&arguments, &table, &dir.path().join(format!("theirs-{round}")))?,
        ];
        for (best, now) in best.iter_mut().zip(now) {
            if best.as_ref().is_none_or(|best| now.0.seconds < best.0.seconds) {
                *best = Some(now);
            }
        }
    }
    println!(
        "| | seconds | processor seconds | peak, MiB | read | duplicates | near | kept | tokens | vocabulary |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let best: Vec<(Cost, Found)> = best.into_iter().flatten().collect();
    for (name, (cost, found)) in ["ours", "theirs"].into_iter().zip(&best) {
        let Cost { seconds, processor_seconds, peak_bytes } = cost;
        let Found { read, duplicates, near_duplicates, kept, tokens, vocabulary } = found;
        println!(
            "| {name} | {seconds:.1} | {processor_seconds:.1} | {} | {read} | {duplicates} | {near_duplicates} | {kept} \
             | {tokens} | {vocabulary} |",
            peak_bytes >> 20
        );
    }
    let ratio = |of: fn(&Cost) -> f64| of(&best[1].0) / of(&best[0].0);
    let (seconds, processor) = (ratio(|cost| cost.seconds), ratio(|cost| cost.processor_seconds));
    println!("theirs over ours: {seconds:.2} in seconds, {processor:.2} in processor seconds");
    Ok(())
}

/// The reviews as a table with a header, which both sides read.
fn write_table(arguments: &Arguments, table: &Path) -> anyhow::Result<()> {
    let reviews = &arguments.reviews;
    let mut gzip =
        Command::new("gzip").arg("-dc").arg(reviews).stdout(Stdio::piped()).spawn().context("gzip")?;
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').from_path(table)?;
    writer.write_record(["id", "film", "rating", "review"])?;
    let lines = BufReader::new(gzip.stdout.take().context("its output")?).split(b'\n');
    for line in lines.take(arguments.count.unwrap_or(usize::MAX)) {
        // A few reviews hold a carriage return.
        let line = String::from_utf8(line?)?.replace('\r', " ");
        let fields: Vec<&str> = line.splitn(4, '\t').collect();
        ensure!(fields.len() == 4, "{}: not a review: {line}", reviews.display());
        writer.write_record(fields)?;
    }
    writer.flush()?;
    if arguments.count.is_none() {
        ensure!(gzip.wait()?.success(), "gzip could not read {}", reviews.display());
    }
    Ok(())
}

fn ours(arguments: &Arguments, table: &Path, dir: &Path) -> anyhow::Result<(Cost, Found)> {
    fs::create_dir(dir)?;
    let (talks, data, threads) = (dir.join("talks"), dir.join("data"), arguments.threads.to_string());
    let mut collect = Command::new(arguments.programs.join("collect"));
    collect.arg("--source").arg(table).args(["--columns", "film,review", "--threads", &threads]);
    let collected = measure(collect.arg("--out").arg(&talks))?;
    let mut preprocess = Command::new(arguments.programs.join("preprocess"));
    preprocess.arg("--conversations").arg(&talks).args(["--threads", &threads]);
    preprocess.args(["--vocab-size", &arguments.vocab_size.to_string()]);
    preprocess.args(["--near-duplicates", &arguments.similarity.to_string()]);
    let preprocessed = measure(preprocess.arg("--out").arg(&data))?;
    let cost = Cost {
        seconds: collected.seconds + preprocessed.seconds,
        processor_seconds: collected.processor_seconds + preprocessed.processor_seconds,
        peak_bytes: collected.peak_bytes.max(preprocessed.peak_bytes),
    };
    let summary: Summary = json::read(&data.join(FILE))?;
    let dropped = |reason| {
        summary.drops.iter().filter(|row| row.reason == reason).map(|row| row.conversations).sum::<usize>()
    };
    let found = Found {
        read: summary.read,
        duplicates: dropped(Reason::Duplicate),
        near_duplicates: dropped(Reason::NearDuplicate),
        kept: summary.kept,
        tokens: summary.splits.iter().map(|split| split.tokens).sum(),
        vocabulary: summary.vocabulary.size,
    };
    Ok((cost, found))
}

fn theirs(arguments: &Arguments, table: &Path, dir: &Path) -> anyhow::Result<(Cost, Found)> {
    let script = table.with_file_name("nsmc_peer.py");
    fs::write(&script, include_str!("nsmc_peer.py"))?;
    let told = table.with_file_name("told.json");
    let mut command = Command::new(&arguments.python);
    command.arg(&script).arg(table).arg(dir).arg(arguments.vocab_size.to_string());
    command.arg(arguments.similarity.to_string()).arg(arguments.threads.to_string());
    let cost = measure(command.stdout(fs::File::create(&told)?.into_file()))?;
    let text = fs::read_to_string(&told)?;
    let line = text.lines().last().unwrap_or_default();
    eprintln!("theirs: {line}");
    Ok((cost, serde_json::from_str(line).context("what nsmc_peer.py printed")?))
}

/// Runs a program; the peak is that of the largest of its processes.
fn measure(command: &mut Command) -> anyhow::Result<Cost> {
    let start = Instant::now();
    let ended = command.spawn().with_context(|| format!("{command:?}"))?.wait4()?;
    ensure!(ended.status.success(), "{command:?}: {}", ended.status);
    let used = ended.rusage;
    Ok(Cost {
        seconds: start.elapsed().as_secs_f64(),
        processor_seconds: (used.utime + used.stime).as_secs_f64(),
        peak_bytes: used.maxrss,
    })
}
