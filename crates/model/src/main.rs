//! `model`: makes a model to be trained, or tells what a model is.

use std::process::ExitCode;

use model::Arguments;

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, model::run)
}
