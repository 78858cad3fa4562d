//! The `preprocess` stage as a program.

use std::process::ExitCode;

use preprocess::{Arguments, run};

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}
