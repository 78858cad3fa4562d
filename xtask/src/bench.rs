//! `bench`: measures a crate beside another program that does the same, alternately, in one run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use terminal::Lang;

use crate::child;

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// What the bench reads; ngram: `nsmc_reviews.tsv.gz`; train: a directory that preprocess wrote; serve: a model
    /// directory
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Further options of the bench's own program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Estimation and queries of n-grams beside KenLM: `KENLM_BIN` is the folder of its programs, `NAMAN_PYTHON` a Python
    /// that has its module
    Ngram,
    /// Whole training steps beside `PyTorch`'s: `NAMAN_PYTHON` is a Python that has torch, numpy and safetensors
    Train,
    /// Tokens a second of the server, for one stream and for several at once
    Serve,
}

/// Runs a bench; where its peer or its data are not there, tells so and does nothing.
pub(crate) fn run(arguments: &Arguments, workspace: &Path) -> anyhow::Result<()> {
    let (options, package, program) = match arguments.name {
        Name::Ngram => (ngram(arguments), "model", "ngram_bench"),
        Name::Train => (train(arguments), "train", "step_bench"),
        Name::Serve => (serve(arguments), "deploy", "load"),
    };
    let options = match options {
        Ok(options) => options,
        Err(reason) => {
            println!(
                "{}",
                Lang::pick(format!("{program}: 건너뜀: {reason}"), format!("{program}: skipped: {reason}"))
            );
            return Ok(());
        }
    };
    let mut command = example(package, program, &options);
    command.args(&arguments.options).current_dir(workspace);
    Err(child::replace(&mut command)).context(program)
}

/// The options of `step_bench`, or why it cannot run.
fn train(arguments: &Arguments) -> Result<Vec<String>, String> {
    let python = env::var("NAMAN_PYTHON").map_err(|_| "NAMAN_PYTHON names no Python")?;
    let has_modules = Command::new(&python).args(["-c", "import torch, numpy, safetensors"]).output();
    if !has_modules.is_ok_and(|output| output.status.success()) {
        return Err(format!("{python} has not all of torch, numpy and safetensors"));
    }
    let data = arguments.data.as_ref().ok_or("--data names no directory that preprocess wrote")?;
    let data = std::path::absolute(data).map_err(|error| error.to_string())?;
    Ok(["--data", &data.display().to_string(), "--python", &python].map(str::to_owned).to_vec())
}

/// The options of `load`, or why it cannot run.
fn serve(arguments: &Arguments) -> Result<Vec<String>, String> {
    let model = arguments.data.as_ref().ok_or("--data names no model directory")?;
    let model = std::path::absolute(model).map_err(|error| error.to_string())?;
    Ok(["--model", &model.display().to_string()].map(str::to_owned).to_vec())
}

/// The options of `ngram_bench`, or why it cannot run.
fn ngram(arguments: &Arguments) -> Result<Vec<String>, String> {
    let kenlm =
        env::var_os("KENLM_BIN").map(PathBuf::from).ok_or("KENLM_BIN names no folder of KenLM's programs")?;
    for program in ["lmplz", "build_binary", "query"] {
        if !kenlm.join(program).is_file() {
            return Err(format!("no `{program}` in {}", kenlm.display()));
        }
    }
    let data = arguments.data.as_ref().ok_or("--data names no file of reviews")?;
    let data = std::path::absolute(data).map_err(|error| error.to_string())?;
    if !data.is_file() {
        return Err(format!("no file {}", data.display()));
    }
    let mut options = vec!["--reviews".to_owned(), data.display().to_string()];
    options.extend(["--kenlm".to_owned(), kenlm.display().to_string()]);
    if let Ok(python) = env::var("NAMAN_PYTHON") {
        let has_module = Command::new(&python).args(["-c", "import kenlm"]).output();
        if has_module.is_ok_and(|output| output.status.success()) {
            options.extend(["--python".to_owned(), python]);
        }
    }
    Ok(options)
}

/// A program among a crate's examples.
fn example(package: &str, name: &str, options: &[String]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--release", "--quiet", "--package", package, "--example", name, "--"]).args(options);
    cargo
}
