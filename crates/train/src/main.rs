//! Fits a model to token shards.

use std::process::ExitCode;

use train::{Arguments, run};

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}
