//! The model that a pipeline made last, and the programs that talk with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use artifact::{Error, config};
use clap::Args;
use fs_err as fs;

use crate::pipeline::Pipeline;
use crate::store::Store;
use crate::{child, programs};

/// The options of `chat` and `serve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Pipeline: pipelines/NAME.toml
    #[arg(value_name = "NAME", default_value = crate::DEFAULT)]
    pipeline: String,
    /// Options of the deploy program, after `--`
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

/// Whether a stage of the pipeline makes something to talk with.
pub(crate) fn is_made_by(pipeline: &Pipeline) -> bool {
    pipeline.stages.iter().any(|stage| matches!(stage.contract, Some("model" | "train" | "deploy")))
}

/// The newest model directory of a pipeline: that of the last stage that wrote one, or a bundle with one inside.
pub(crate) fn find(pipeline: &Pipeline, store: &Store) -> anyhow::Result<PathBuf> {
    let model = pipeline.stages.iter().rev().find_map(|stage| {
        let output = fs::canonicalize(store.link(&pipeline.name, &stage.name)).ok()?;
        [output.clone(), output.join("model")].into_iter().find(|dir| is_model(dir))
    });
    model.ok_or_else(|| {
        Error::refused(format!("the pipeline `{}` has not made a model yet", pipeline.name))
            .with_hint(format!("cargo xtask run {}", pipeline.name))
            .into()
    })
}

fn is_model(dir: &Path) -> bool {
    dir.join(config::FILE).is_file()
}

/// The deploy program with a subcommand for the model.
pub(crate) fn deploy(subcommand: &str, model: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(programs::of_crate("deploy")?);
    command.arg(subcommand).arg("--model").arg(model);
    Ok(command)
}

/// Becomes `deploy chat` or `deploy serve`.
pub(crate) fn talk(subcommand: &str, arguments: &Arguments, store: &Store) -> anyhow::Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline, &[])?;
    let model = find(&pipeline, store)?;
    programs::build(&["deploy"])?;
    let mut command = deploy(subcommand, &model)?;
    let named = arguments.options.iter().any(|option| option == "--name" || option.starts_with("--name="));
    if subcommand == "serve" && !named {
        // Clients and the page show a model's name: every pipeline's directory is called after its stage.
        command.args(["--name", &pipeline.name]);
    }
    command.args(&arguments.options);
    Err(child::replace(&mut command)).with_context(|| command.get_program().display().to_string())
}
