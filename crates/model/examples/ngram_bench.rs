//! The n-gram model beside `KenLM`, on the same tokens in the same minutes: estimation, memory, queries, perplexity.
//!
//! `ngram_bench --reviews FILE --kenlm DIR`: FILE is `nsmc_reviews.tsv.gz` (id, film, rating and text of each review),
//! DIR holds `lmplz`, `build_binary` and `query` of `KenLM`, and better `kenlm_benchmark` too, which asks for words that
//! are numbers already, as this program does. With `--python`, the module `kenlm` of that Python is timed as well.
//!
//! A review is a document, and each of its characters but for white space a token. Reviews whose id ends in 9 are held
//! out.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use artifact::config::NgramConfig;
use artifact::shard::{Document, Documents};
use clap::Parser;
use fs_err as fs;
use model::ngram::{Estimation, Memory};
use model::{LanguageModel, Ngram};

/// The token that begins a document, and the one that ends it.
const BOS: u32 = 0;
const END: u32 = 1;

/// Compares the n-gram model with `KenLM`.
#[derive(Parser)]
struct Arguments {
    /// Reviews, gzipped, with tabs between id, film, rating and text
    #[arg(long)]
    reviews: PathBuf,
    /// Directory with KenLM's programs
    #[arg(long)]
    kenlm: PathBuf,
    /// A Python that has the module kenlm
    #[arg(long)]
    python: Option<PathBuf>,
    /// Longest n-gram, in tokens
    #[arg(long, default_value_t = 5)]
    order: usize,
    /// Memory of either side's estimation, in MiB; the same model is estimated again in an eighth of it
    #[arg(long, default_value_t = 1024)]
    memory: usize,
    /// Measurements of either side; the best counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Estimate from this text and write the model, nothing else
    #[arg(long, hide = true, num_args = 3, value_names = ["TEXT", "CHARACTERS", "OUT"])]
    estimate: Option<Vec<PathBuf>>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(paths) = &arguments.estimate {
        return estimate(&arguments, &paths[0], &paths[1], &paths[2]);
    }
    let dir = tempfile::tempdir()?;
    let texts = Texts::split(&arguments.reviews, dir.path())?;
    let bench = Bench { arguments, dir: dir.path().to_owned(), texts };

    println!(
        "estimation of order {} from {} tokens, whole programs",
        bench.arguments.order, bench.texts.tokens
    );
    for memory in [bench.arguments.memory, bench.arguments.memory / 8] {
        let mut best: [Option<Estimate>; 2] = [None, None];
        for _ in 0..bench.arguments.rounds {
            let ours = bench.estimate(&bench.texts.all, "all", memory)?;
            let theirs = bench.lmplz(&bench.texts.all, "all", memory)?;
            for (best, now) in best.iter_mut().zip([ours, theirs]) {
                if best.as_ref().is_none_or(|best| now.seconds < best.seconds) {
                    *best = Some(now);
                }
            }
        }
        for (name, best) in ["naman", "lmplz"].iter().zip(best.into_iter().flatten()) {
            let Estimate { seconds, peak_mib, file_mib } = best;
            println!(
                "  {name}, {memory} MiB: {seconds:6.2} s, peak {peak_mib:5.0} MiB, wrote {file_mib:.0} MiB"
            );
        }
    }
    bench.estimate(&bench.texts.training, "training", bench.arguments.memory)?;
    bench.lmplz(&bench.texts.training, "training", bench.arguments.memory)?;
    bench.ask()
}

/// The text in files, a review a line, with spaces between characters.
struct Texts {
    all: PathBuf,
    training: PathBuf,
    held_out: PathBuf,
    /// Each character that occurs, in order.
    characters: PathBuf,
    /// Of all reviews, with their ends.
    tokens: usize,
}

impl Texts {
    fn split(reviews: &Path, dir: &Path) -> anyhow::Result<Self> {
        let [all, training, held_out, characters] =
            ["all.txt", "training.txt", "held_out.txt", "characters.txt"].map(|name| dir.join(name));
        let mut gzip =
            Command::new("gzip").arg("-dc").arg(reviews).stdout(Stdio::piped()).spawn().context("gzip")?;
        let writer = |path: &Path| anyhow::Ok(BufWriter::new(fs::File::create(path)?));
        let (mut all_file, mut training_file, mut held_out_file) =
            (writer(&all)?, writer(&training)?, writer(&held_out)?);
        let mut seen = BTreeSet::new();
        let mut tokens = 0;
        for line in BufReader::new(gzip.stdout.take().context("its output")?).lines() {
            let line = line?;
            let mut fields = line.splitn(4, '\t');
            let (Some(id), Some(text)) = (fields.next(), fields.nth(2)) else { continue };
            let mut words = String::with_capacity(2 * text.len());
            for character in text.chars().filter(|character| !character.is_whitespace() && *character != '\0')
            {
                seen.insert(character);
                words.push(character);
                words.push(' ');
                tokens += 1;
            }
            words.pop();
            tokens += 1;
            writeln!(all_file, "{words}")?;
            writeln!(if id.ends_with('9') { &mut held_out_file } else { &mut training_file }, "{words}")?;
        }
        ensure!(gzip.wait()?.success(), "gzip could not read {}", reviews.display());
        [all_file, training_file, held_out_file].iter_mut().try_for_each(Write::flush)?;
        fs::write(&characters, seen.into_iter().collect::<String>())?;
        Ok(Self { all, training, held_out, characters, tokens })
    }
}

/// Ids of a text's characters.
struct Ids(Vec<char>);

impl Ids {
    fn read(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(fs::read_to_string(path)?.chars().collect()))
    }

    fn config(&self, order: usize) -> NgramConfig {
        NgramConfig {
            architectures: Vec::new(),
            vocab_size: self.0.len() + 2,
            order,
            bos_token_id: BOS,
            eos_token_id: END,
            pad_token_id: BOS,
        }
    }

    fn documents(&self, text: &Path) -> anyhow::Result<Documents> {
        let mut documents = Documents::new();
        let mut tokens = Vec::new();
        for line in BufReader::new(fs::File::open(text)?).lines() {
            tokens.clear();
            tokens.push(BOS);
            for character in line?.chars().filter(|character| *character != ' ') {
                tokens.push(2 + self.0.binary_search(&character).expect("all were collected") as u32);
            }
            tokens.push(END);
            documents.push(Document { tokens: &tokens, loss: &vec![1; tokens.len()] });
        }
        Ok(documents)
    }
}

/// What the child of [`Bench::estimate`] does.
fn estimate(arguments: &Arguments, text: &Path, characters: &Path, out: &Path) -> anyhow::Result<()> {
    let ids = Ids::read(characters)?;
    let documents = ids.documents(text)?;
    let memory = Some(Memory { bytes: arguments.memory << 20, dir: out });
    let start = Instant::now();
    let model = Ngram::fit(&documents, &ids.config(arguments.order), Estimation { prune: &[], memory })?;
    eprintln!("Estimated:{}", start.elapsed().as_secs_f64());
    model.write(out)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    eprintln!("RSSMax:{}", peak.unwrap_or("0 kB"));
    Ok(())
}

/// What estimating took.
struct Estimate {
    seconds: f64,
    peak_mib: f64,
    file_mib: f64,
}

struct Bench {
    arguments: Arguments,
    dir: PathBuf,
    texts: Texts,
}

impl Bench {
    /// Estimates in a process of its own, whose memory is its own.
    fn estimate(&self, text: &Path, name: &str, memory: usize) -> anyhow::Result<Estimate> {
        let out = self.dir.join(name);
        fs::create_dir_all(&out)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--reviews").arg(&self.arguments.reviews).arg("--kenlm").arg(&self.arguments.kenlm);
        command.args(["--order", &self.arguments.order.to_string(), "--memory", &memory.to_string()]);
        command.arg("--estimate").arg(text).arg(&self.texts.characters).arg(&out);
        measure(&mut command, &out.join("model.safetensors"))
    }

    /// Estimates by `lmplz`, which writes an ARPA file.
    fn lmplz(&self, text: &Path, name: &str, memory: usize) -> anyhow::Result<Estimate> {
        let arpa = self.dir.join(format!("{name}.arpa"));
        let mut command = Command::new(self.arguments.kenlm.join("lmplz"));
        command.args(["-o", &self.arguments.order.to_string(), "-S", &format!("{memory}M")]);
        command.arg("-T").arg(&self.dir).arg("--text").arg(text).arg("--arpa").arg(&arpa);
        measure(&mut command, &arpa)
    }

    /// Queries and perplexity of the models of the training part.
    fn ask(&self) -> anyhow::Result<()> {
        let arpa = self.dir.join("training.arpa");
        let binary = self.binary(&arpa)?;
        let ids = Ids::read(&self.texts.characters)?;
        let config = ids.config(self.arguments.order);
        let start = Instant::now();
        let model = Ngram::read(&self.dir.join("training"), &config)?;
        println!("mapped and checked in {:.3} s", start.elapsed().as_secs_f64());
        let held_out = ids.documents(&self.texts.held_out)?;
        let queries = held_out.tokens.len() - held_out.len();

        let (mut ours, mut library, mut python, mut program) = (f64::MAX, f64::MAX, f64::MAX, f64::MAX);
        let words = self.kenlm_words(&binary);
        for _ in 0..self.arguments.rounds {
            let start = Instant::now();
            let sum: f32 = held_out.iter().flat_map(|document| model.score(document.tokens)).sum();
            assert!(sum.is_finite(), "no token is impossible");
            ours = ours.min(start.elapsed().as_secs_f64());
            if let Ok(words) = &words {
                library = library.min(queries as f64 / self.kenlm_rate(&binary, words)?);
            }
            if let Some(path) = &self.arguments.python {
                python = python.min(self.python_seconds(path, &binary)?);
            }
            let start = Instant::now();
            self.query(&binary, &self.dir.join("nothing.txt"))?;
            let loading = start.elapsed().as_secs_f64();
            let start = Instant::now();
            self.query(&binary, &self.texts.held_out)?;
            program = program.min(start.elapsed().as_secs_f64() - loading);
        }
        println!("{queries} queries on one thread, without loading");
        let loops = [
            ("naman, ids", ours),
            ("KenLM, ids (kenlm_benchmark)", library),
            ("KenLM, words (query)", program),
            ("KenLM, words (Python)", python),
        ];
        for (name, seconds) in loops.into_iter().filter(|(_, seconds)| *seconds < f64::MAX) {
            println!("  {name}: {:.2} million a second", queries as f64 / seconds / 1e6);
        }
        if let Err(error) = words {
            println!("  KenLM, ids: not measured, {error}");
        }

        println!("perplexity of the held-out part");
        println!("  naman: {:.4}", self.perplexity(&model, &ids, &held_out)?);
        println!("  KenLM: {:.4}", self.query(&binary, &self.texts.held_out)?);
        Ok(())
    }

    /// As `KenLM` defines it: what was never seen is one word, `<unk>`.
    fn perplexity(&self, model: &Ngram, ids: &Ids, held_out: &Documents) -> anyhow::Result<f64> {
        let mut seen = vec![false; model.vocab_size()];
        for &token in &ids.documents(&self.texts.training)?.tokens {
            seen[token as usize] = true;
        }
        // The token that begins a document is never predicted either.
        let unseen = 1 + seen.iter().filter(|seen| !**seen).count();
        let mut nats = 0.0;
        for document in held_out.iter() {
            for (score, &token) in model.score(document.tokens).into_iter().zip(&document.tokens[1..]) {
                let share = if seen[token as usize] { 0.0 } else { (unseen as f64).ln() };
                nats -= f64::from(score) + share;
            }
        }
        Ok((nats / (held_out.tokens.len() - held_out.len()) as f64).exp())
    }

    /// `KenLM`'s file for fast queries.
    fn binary(&self, arpa: &Path) -> anyhow::Result<PathBuf> {
        let binary = arpa.with_extension("binary");
        let mut command = Command::new(self.arguments.kenlm.join("build_binary"));
        let built = output(command.arg("probing").arg(arpa).arg(&binary))?;
        drop(built);
        println!("KenLM's probing file: {:.0} MiB", mib(&binary)?);
        fs::write(self.dir.join("nothing.txt"), "")?;
        Ok(binary)
    }

    /// The held-out words as numbers of `KenLM`.
    fn kenlm_words(&self, binary: &Path) -> anyhow::Result<PathBuf> {
        let path = self.dir.join("held_out.words");
        let mut command = Command::new(self.arguments.kenlm.join("kenlm_benchmark"));
        command.arg("-v").arg("-m").arg(binary).stdin(fs::File::open(&self.texts.held_out)?.into_parts().0);
        fs::write(&path, output(&mut command)?.stdout)?;
        Ok(path)
    }

    /// Queries a second.
    fn kenlm_rate(&self, binary: &Path, words: &Path) -> anyhow::Result<f64> {
        let mut command = Command::new(self.arguments.kenlm.join("kenlm_benchmark"));
        command.args(["-q", "-t", "1", "-m"]).arg(binary).stdin(fs::File::open(words)?.into_parts().0);
        let text = String::from_utf8(output(&mut command)?.stdout)?;
        let line = text.lines().find(|line| line.starts_with("Queries per second")).context(text.clone())?;
        Ok(line.rsplit(' ').next().context("a number")?.parse()?)
    }

    /// The perplexity that `query` gives.
    fn query(&self, binary: &Path, text: &Path) -> anyhow::Result<f64> {
        let mut command = Command::new(self.arguments.kenlm.join("query"));
        command.args(["-v", "summary"]).arg(binary).stdin(fs::File::open(text)?.into_parts().0);
        let text = String::from_utf8(output(&mut command)?.stdout)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Perplexity including OOVs:"));
        Ok(line.map_or("nan", str::trim).parse().unwrap_or(f64::NAN))
    }

    fn python_seconds(&self, python: &Path, binary: &Path) -> anyhow::Result<f64> {
        const LOOP: &str = "import sys, time, kenlm
model = kenlm.Model(sys.argv[1])
lines = open(sys.argv[2], encoding='utf-8').read().split('\\n')[:-1]
start = time.perf_counter()
sum(model.score(line) for line in lines)
print(time.perf_counter() - start)";
        let mut command = Command::new(python);
        let text = output(command.args(["-c", LOOP]).arg(binary).arg(&self.texts.held_out))?.stdout;
        Ok(String::from_utf8(text)?.trim().parse()?)
    }
}

fn mib(path: &Path) -> anyhow::Result<f64> {
    Ok(fs::metadata(path)?.len() as f64 / f64::from(1 << 20))
}

fn output(command: &mut Command) -> anyhow::Result<std::process::Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

/// Runs a program that writes `file` and tells its peak memory on stderr, as those of `KenLM` do.
fn measure(command: &mut Command, file: &Path) -> anyhow::Result<Estimate> {
    let start = Instant::now();
    let output = output(command)?;
    let seconds = start.elapsed().as_secs_f64();
    let stderr = String::from_utf8(output.stderr)?;
    let (_, rest) = stderr.split_once("RSSMax:").with_context(|| stderr.clone())?;
    let kib: f64 = rest.split_whitespace().next().context("a number")?.parse()?;
    Ok(Estimate { seconds, peak_mib: kib / 1024.0, file_mib: mib(file)? })
}
