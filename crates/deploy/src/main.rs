//! The `deploy` binary; in a bundle its name is `naman`.

use std::process::ExitCode;

use deploy::{Arguments, run};

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}
