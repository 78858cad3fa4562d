use std::io;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::Lang;

/// The exit code for every failure that a person can act on.
const FAILURE: u8 = 2;

/// The options that every binary of naman takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Language of messages; the locale's by default
    #[arg(long, value_enum, global = true)]
    pub lang: Option<Lang>,
    /// Number of threads; all processors by default
    #[arg(long, global = true, env = "RAYON_NUM_THREADS", value_name = "N")]
    pub threads: Option<usize>,
}

/// Parses the command line, sets language and threads, and runs `command`.
///
/// An error is printed as one line, `program: cause: cause`, and becomes exit code 2. A closed pipe is no error.
pub fn run<A: Parser>(
    common: impl FnOnce(&A) -> &Common,
    command: impl FnOnce(A) -> anyhow::Result<()>,
) -> ExitCode {
    let arguments = A::parse();
    let common = common(&arguments);
    if let Some(lang) = common.lang {
        lang.choose();
    }
    if let Some(threads) = common.threads {
        // The pool exists already only when a test has built it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    match command(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", A::command().get_name());
            ExitCode::from(FAILURE)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
