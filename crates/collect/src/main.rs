//! The `collect` binary.

use std::process::ExitCode;

use collect::{Arguments, run};

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}
