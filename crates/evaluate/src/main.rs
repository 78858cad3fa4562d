//! Measures models and writes the report.

use std::process::ExitCode;

use evaluate::{Arguments, run};

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}
