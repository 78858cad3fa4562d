//! A whole training step (forward, backward, clipping, `AdamW`) beside `PyTorch`'s, alternately, in one run: tokens a
//! second, the loss after some steps from the same weights on the same tokens, and peak memory.
//!
//! `step_bench --data DIR --python PYTHON`: DIR is what preprocess wrote, for real tokens. The peer is
//! `step_peer.py`, beside this file: the same decoder, compiled and not, in f32 and in bfloat16, on huge pages where
//! glibc gives them, and with MKL's AVX-512 path open on every processor; its best counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use artifact::config::TransformerConfig;
use artifact::conversation::Split;
use artifact::shard::{Documents, read_split};
use clap::{Parser, ValueEnum};
use fs_err as fs;
use model::decoder::{Config, Tape};
use model::{Batch, Decoder, Precision};
use serde::{Deserialize, Serialize};
use train::adamw;
use train::norm::global_norm;
use train::optimizer::{self, Constants, Moments, Step};

/// Steps before the measured ones.
const WARM_UP: usize = 2;
const RATE: f64 = 1e-3;
const CLIP: f64 = 1.0;
const CONSTANTS: Constants = Constants {
    adamw: adamw::Constants { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
    muon: None,
    weight_decay: 0.1,
    embedding_decay: 0.1,
    average: None,
};
const VARIANTS: [&str; 4] = ["f32 compile", "f32 eager", "bf16 compile", "bf16 eager"];

/// Compares a training step with `PyTorch`'s.
#[derive(Parser)]
struct Arguments {
    /// Directory that preprocess wrote
    #[arg(long)]
    data: PathBuf,
    /// A Python that has torch, numpy and safetensors
    #[arg(long)]
    python: PathBuf,
    /// Sizes to measure
    #[arg(long, value_enum, default_values = ["s", "m"])]
    size: Vec<Size>,
    /// Steps that are timed in a round; the median counts
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Rounds in which either side runs; the best counts
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Steps after which losses are compared; 0 compares none
    #[arg(long, default_value_t = 200)]
    loss_steps: usize,
    /// Run one of ours with so many steps and print what came of it
    #[arg(long, hide = true)]
    ours: Option<Ours>,
    /// Where the weights are that `--ours` begins from
    #[arg(long, hide = true, requires = "ours")]
    start: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ours {
    F32,
    Bf16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    /// Vocabulary 8192, 256 channels, 6 blocks, batches of 16 times 256 tokens
    S,
    /// Vocabulary 16384, 512 channels, 8 blocks, batches of 8 times 512 tokens
    M,
}

/// What one program found; both print it as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    tokens_per_second: f64,
    /// Mean loss of the last ten steps, in nats a token.
    loss: f64,
    peak_memory_bytes: u64,
}

impl Size {
    fn config(self) -> TransformerConfig {
        let (vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size) = match self
        {
            Self::S => (8192, 256, 6, 4, 768),
            Self::M => (16384, 512, 8, 8, 1408),
        };
        TransformerConfig {
            architectures: vec!["Qwen3ForCausalLM".to_owned()],
            vocab_size,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads: num_attention_heads / 2,
            head_dim: 64,
            max_position_embeddings: self.shape().1,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            tie_word_embeddings: true,
            attention_bias: false,
            mlp_bias: false,
            rope_scaling: None,
            hidden_act: "silu".to_owned(),
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
            torch_dtype: "float32".to_owned(),
        }
    }

    /// Segments of a batch and tokens of a segment.
    fn shape(self) -> (usize, usize) {
        match self {
            Self::S => (16, 256),
            Self::M => (8, 512),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let (Some(ours), Some(start)) = (arguments.ours, &arguments.start) {
        let found = train(&arguments, arguments.size[0], ours, start)?;
        println!("{}", serde_json::to_string(&found)?);
        return Ok(());
    }
    for &size in &arguments.size {
        compare(&arguments, size)?;
    }
    Ok(())
}

/// Trains for some steps in this process.
fn train(arguments: &Arguments, size: Size, ours: Ours, start: &Path) -> anyhow::Result<Found> {
    let documents = read_split(&arguments.data, Split::Train)?;
    let mut weights = Decoder::read(start, Config::Qwen3(size.config()))?;
    weights.set_precision(match ours {
        Ours::F32 => Precision::F32,
        Ours::Bf16 => Precision::Bf16,
    });
    let mut gradient = weights.zeros_like();
    let mut moments = Moments { first: weights.zeros_like(), second: weights.zeros_like(), average: None };
    let mut tape = Tape::default();
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for step in 0..arguments.steps + WARM_UP {
        let began = Instant::now();
        let batch = batch(&documents, size, step);
        let scale = 1.0 / batch.targets() as f32;
        losses.push(weights.gradient(&batch, scale, &mut tape, &mut gradient).mean());
        let step = Step {
            t: step as u64 + 1,
            rate: RATE,
            scale: (CLIP / global_norm(&gradient)).min(1.0),
            precision: Precision::F32,
        };
        optimizer::update(&CONSTANTS, &step, &mut weights, &mut gradient, &mut moments);
        seconds.push(began.elapsed().as_secs_f64());
    }
    let mut timed = seconds.split_off(WARM_UP);
    timed.sort_by(f64::total_cmp);
    let (segments, length) = size.shape();
    let last = &losses[losses.len().saturating_sub(10)..];
    Ok(Found {
        tokens_per_second: (segments * length) as f64 / timed[timed.len() / 2],
        loss: last.iter().sum::<f64>() / last.len() as f64,
        peak_memory_bytes: peak_memory_bytes(),
    })
}

/// The batch of a step: the training split as one stream, again from its beginning when it ends.
fn batch(documents: &Documents, size: Size, step: usize) -> Batch {
    let (segments, length) = size.shape();
    let stream = &documents.tokens;
    let mut batch = Batch::new();
    for segment in 0..segments {
        let start = (step * segments + segment) * length;
        let tokens: Vec<u32> = (start..=start + length).map(|i| stream[i % stream.len()]).collect();
        batch.push(&tokens, &vec![1; length + 1]);
    }
    batch
}

/// `VmHWM` of Linux; 0 elsewhere.
fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn compare(arguments: &Arguments, size: Size) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    Decoder::new(Config::Qwen3(size.config()), 1).write(dir.path())?;
    let peer = Peer::new(arguments, size, dir.path())?;
    let ours = |ours, steps| run_ours(arguments, size, ours, dir.path(), steps);
    let fastest = match Precision::fastest() {
        Precision::F32 => Ours::F32,
        Precision::Bf16 => Ours::Bf16,
    };
    let mut best: [Option<Found>; 6] = [const { None }; 6];
    for round in 1..=arguments.rounds {
        let mine = [Ours::F32, fastest].map(|precision| ours(precision, arguments.steps));
        let theirs = VARIANTS.map(|variant| peer.run(variant, arguments.steps));
        for (best, found) in best.iter_mut().zip(mine.into_iter().chain(theirs)) {
            let found = found?;
            if best.as_ref().is_none_or(|best| best.tokens_per_second < found.tokens_per_second) {
                *best = Some(found);
            }
        }
        eprintln!("{size:?}: round {round} of {} done", arguments.rounds);
    }
    let best: Vec<Found> = best.into_iter().flatten().collect();
    println!("| {size:?} | tokens/s | peak memory, MiB |\n|---|---:|---:|");
    for (name, found) in ["ours, f32", "ours, auto"].into_iter().chain(VARIANTS).zip(&best) {
        let mebibytes = found.peak_memory_bytes >> 20;
        println!("| {name} | {:.0} | {mebibytes} |", found.tokens_per_second);
    }
    let speed = |found: &[Found]| found.iter().map(|found| found.tokens_per_second).fold(0.0, f64::max);
    println!("auto over their best: {:.2}", speed(&best[1..2]) / speed(&best[2..]));
    println!("f32 over their best f32: {:.2}", speed(&best[..1]) / speed(&best[2..4]));
    if arguments.loss_steps > WARM_UP {
        let steps = arguments.loss_steps - WARM_UP;
        let (mine, theirs) = (ours(fastest, steps)?.loss, peer.run("bf16 compile", steps)?.loss);
        let difference = 100.0 * (mine / theirs - 1.0);
        let last = arguments.loss_steps;
        println!("loss of the last ten of {last} steps: {mine:.4} and {theirs:.4} ({difference:+.2} %)\n");
    }
    Ok(())
}

/// In a process of its own, for its peak memory.
fn run_ours(
    arguments: &Arguments,
    size: Size,
    ours: Ours,
    start: &Path,
    steps: usize,
) -> anyhow::Result<Found> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--data").arg(&arguments.data).arg("--python").arg(&arguments.python);
    command.arg("--size").arg(name(size)).arg("--ours").arg(name(ours));
    command.arg("--start").arg(start).arg("--steps").arg(steps.to_string());
    found_by(&mut command)
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("no variant is hidden").get_name().to_owned()
}

/// `step_peer.py`, ready to run.
struct Peer {
    python: PathBuf,
    options: Vec<String>,
    /// A library that tells MKL that the processor is Intel's, so that it takes its AVX-512 path on AMD's too.
    preload: Option<PathBuf>,
}

impl Peer {
    fn new(arguments: &Arguments, size: Size, start: &Path) -> anyhow::Result<Self> {
        let script = start.join("step_peer.py");
        fs::write(&script, include_str!("step_peer.py"))?;
        let (source, library) = (start.join("intel.c"), start.join("libintel.so"));
        fs::write(&source, "int mkl_serv_intel_cpu_true(void) { return 1; }\n")?;
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        let (segments, length) = size.shape();
        let text = |path: &Path| path.display().to_string();
        Ok(Self {
            python: arguments.python.clone(),
            options: vec![
                text(&script),
                text(start),
                text(&arguments.data),
                segments.to_string(),
                length.to_string(),
            ],
            preload: built.is_ok_and(|status| status.success()).then_some(library),
        })
    }

    fn run(&self, variant: &str, steps: usize) -> anyhow::Result<Found> {
        let mut command = Command::new(&self.python);
        command.args(&self.options).args(variant.split(' ')).arg(steps.to_string());
        command.arg(WARM_UP.to_string()).arg(rayon::current_num_threads().to_string());
        command.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        found_by(&mut command)
    }
}

/// Runs a program whose last line is what it found.
fn found_by(command: &mut Command) -> anyhow::Result<Found> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{command:?} wrote `{line}`"))
}
