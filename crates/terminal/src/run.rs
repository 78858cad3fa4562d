use std::io::{self, Write};
use std::panic;
use std::process::{ExitCode, Termination};

use clap::{Args, Parser};

use crate::Lang;

/// The exit code for every failure that a person can act on.
const FAILURE: u8 = 2;

/// The most threads that are started; more than any machine has processors.
const MOST_THREADS: usize = 1024;

/// Where help lists what is the same in every program, apart from what is the program's own.
const HEADING: &str = "Common options";

/// The options that every binary of naman takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Language of messages; the locale's by default
    #[arg(long, value_enum, global = true, help_heading = HEADING)]
    pub lang: Option<Lang>,
    /// Number of threads; all processors by default
    #[arg(long, global = true, value_name = "N", value_parser = parse_threads, help_heading = HEADING)]
    #[arg(env = "RAYON_NUM_THREADS", hide_env_values = true)]
    pub threads: Option<usize>,
}

/// As rayon reads its variable: nothing, or 0, stands for the default.
fn parse_threads(text: &str) -> Result<usize, String> {
    match text.trim() {
        "" => Ok(0),
        text => text
            .parse()
            .ok()
            .filter(|&threads| threads <= MOST_THREADS)
            .ok_or_else(|| format!("expected a number from 1 to {MOST_THREADS}, or 0 for all processors")),
    }
}

/// Parses the command line, sets language and threads, and runs `command`.
///
/// An error is printed as one line, `program: cause: cause`, and becomes exit code 2. A closed pipe is no error. What else
/// may come out of a command has its own exit code.
pub fn run<A: Parser, T: Termination>(
    common: impl FnOnce(&A) -> &Common,
    command: impl FnOnce(A) -> anyhow::Result<T>,
) -> ExitCode {
    succeed_on_closed_stdout();
    let arguments = A::parse();
    let common = common(&arguments);
    if let Some(lang) = common.lang {
        lang.choose();
    }
    if let Some(threads) = common.threads.filter(|&threads| threads > 0) {
        // The pool exists already only when a test has built it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    match command(arguments) {
        Ok(outcome) => outcome.report(),
        Err(error) if fails_for(&error, &[io::ErrorKind::BrokenPipe]) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed as well, the exit code alone must tell.
            let _ = writeln!(io::stderr(), "{}: {}", A::command().get_name(), one_line(&error));
            ExitCode::from(FAILURE)
        }
    }
}

/// The error and its causes. One that already ends with its cause, as a path's I/O error does, is not followed by it.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    if fails_for(error, &[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        line.push_str(" (hint: free some space and give the same command again)");
    }
    line
}

/// A reader that has seen enough (`| head`) closes its end, and `println!` panics; that is the end of a good run.
fn succeed_on_closed_stdout() {
    let otherwise = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        let closed = io::Error::from(io::ErrorKind::BrokenPipe).to_string();
        if message.starts_with("failed printing to stdout") && is_closed(message, &closed) {
            std::process::exit(0);
        }
        otherwise(panic);
    }));
}

/// Whether the message ends with the system's EPIPE (32 on Linux and macOS) or the standard library's own wording.
fn is_closed(message: &str, wording: &str) -> bool {
    message.ends_with("(os error 32)") || message.ends_with(wording)
}

/// Whether the system refused something for one of these reasons.
fn fails_for(error: &anyhow::Error, reasons: &[io::ErrorKind]) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| reasons.contains(&cause.kind()))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_and_its_causes_are_one_line() {
        let error = Err::<(), _>(io::Error::other("disk full")).context("writing x").unwrap_err();
        assert_eq!(one_line(&error), "writing x: disk full");
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = Err::<(), _>(io::Error::other("disk full")).context("writing x: disk full").unwrap_err();
        assert_eq!(one_line(&error), "writing x: disk full");
    }

    #[test]
    fn a_reason_is_found_below_other_errors() {
        let pipe = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("printing").unwrap_err();
        assert!(fails_for(&pipe, &[io::ErrorKind::BrokenPipe]));
        assert!(!fails_for(&pipe, &[io::ErrorKind::StorageFull]));
        assert!(!fails_for(&anyhow::anyhow!("broken pipe"), &[io::ErrorKind::BrokenPipe]));
    }

    #[test]
    fn a_full_disk_comes_with_advice() {
        let full =
            Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull)).context("writing x").unwrap_err();
        assert!(one_line(&full).ends_with("(hint: free some space and give the same command again)"));
    }

    #[test]
    fn threads_are_read_as_rayon_reads_them() {
        assert_eq!(parse_threads("4"), Ok(4));
        assert_eq!(parse_threads(""), Ok(0));
        assert_eq!(parse_threads("0"), Ok(0));
        for refused in ["-1", "many", "1000000", "99999999999999999999"] {
            assert!(parse_threads(refused).is_err(), "{refused}");
        }
    }
}
