//! Runs pipelines, tests and checks: `cargo xtask`.

mod bench;
mod child;
mod clean;
mod closing;
mod digest;
mod fixtures;
mod graph;
mod newest_model;
mod pins;
mod pipeline;
mod placeholder;
mod programs;
mod receipt;
mod run;
mod session;
mod setting;
mod status;
mod store;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use artifact::{Error, verify};
use clap::{Args, Parser, Subcommand};
use terminal::{Common, Lang};

use crate::store::Store;

/// The pipeline of somebody who names none.
const DEFAULT: &str = "quickstart";

/// Runs pipelines, tests and checks
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version, about)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    place: Artifacts,
    #[command(subcommand)]
    task: Task,
}

/// Where outputs lie.
#[derive(Debug, Args)]
struct Artifacts {
    /// Folder of outputs; `artifacts` in the workspace by default
    #[arg(long, global = true, value_name = "DIR")]
    artifacts: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run what changed in a pipeline, and publish it under artifacts/NAME/STAGE
    Run(run::Arguments),
    /// Show what `run` would do, and why
    Status(status::Arguments),
    /// Show which stage reads which
    Graph(graph::Arguments),
    /// Check a directory against the contract of a stage, whoever wrote it
    Verify {
        /// collect, preprocess, model, train, evaluate or deploy
        stage: String,
        /// The directory
        dir: PathBuf,
    },
    /// Remove outputs that are no longer the newest
    Clean(clean::Arguments),
    /// Run all tests, optimised, as they train real models
    Test {
        /// Further options of `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<String>,
    },
    /// Write anew what tests compare with, by PyTorch, transformers and others, and say what changed
    Fixtures(fixtures::Arguments),
    /// Measure a crate beside another program that does the same
    Bench(bench::Arguments),
    /// Talk with a pipeline's newest model in the terminal
    Chat(newest_model::Arguments),
    /// Serve a pipeline's newest model as a web page and an API
    Serve(newest_model::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = child::become_stage() {
        return code;
    }
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match &arguments.task {
        Task::Verify { stage, dir } => return check(stage, dir),
        Task::Test { options } => return test(options),
        Task::Fixtures(options) => return fixtures::run(options, &workspace()?),
        Task::Bench(options) => return bench::run(options, &workspace()?),
        _ => {}
    }
    let artifacts = arguments.place.artifacts.map(std::path::absolute).transpose()?;
    // Paths in pipelines are relative to the workspace, and messages name them so.
    env::set_current_dir(workspace()?)?;
    let store = Store::new(artifacts.unwrap_or_else(|| PathBuf::from("artifacts")));
    match arguments.task {
        Task::Run(options) => run::run(&options, arguments.common.threads, store),
        Task::Status(options) => status::run(&options, store),
        Task::Graph(options) => graph::run(&options),
        Task::Clean(options) => clean::run(&options, &store),
        Task::Chat(options) => newest_model::talk("chat", &options, &store),
        Task::Serve(options) => newest_model::talk("serve", &options, &store),
        Task::Verify { .. } | Task::Test { .. } | Task::Fixtures(_) | Task::Bench(_) => {
            unreachable!("done above")
        }
    }
}

/// The nearest folder, upwards from the current one, that holds pipelines.
fn workspace() -> anyhow::Result<PathBuf> {
    let current = env::current_dir()?;
    let found = current.ancestors().find(|dir| dir.join(pipeline::FOLDER).is_dir()).map(Path::to_owned);
    found.ok_or_else(|| {
        Error::refused(format!("{}: no folder `{}` here or above", current.display(), pipeline::FOLDER))
            .with_hint("run it inside the workspace")
            .into()
    })
}

fn check(stage: &str, dir: &Path) -> anyhow::Result<()> {
    let problems = verify::verify(stage, dir)?;
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!(
            "{}: {}",
            dir.display(),
            Lang::pick(
                format!("`{stage}`의 규격에 맞지 않는 곳 {}건", problems.len()),
                format!("breaks the contract of `{stage}` in {} places", problems.len())
            )
        );
    }
    println!("{}: {}", dir.display(), Lang::pick("규격에 맞음", "keeps the contract"));
    Ok(())
}

fn test(options: &[String]) -> anyhow::Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--release", "--workspace"]).args(options).current_dir(workspace()?);
    Err(child::replace(&mut cargo)).context("cargo test")
}
