//! A small program of the kind that stages are; the tests run it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use terminal::{Common, Lang, Progress};

/// Does one thing
#[derive(Debug, Parser)]
#[command(name = "program")]
struct Arguments {
    #[command(flatten)]
    common: Common,
    /// What to do
    #[arg(value_enum)]
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Say hello
    Greet,
    /// Print the number of threads
    Threads,
    /// Fail over a file that is not there
    Fail,
    /// Print more than any pipe holds
    Flood,
    /// Count to a hundred
    Count,
}

fn main() -> ExitCode {
    terminal::run(|arguments: &Arguments| &arguments.common, run)
}

#[expect(clippy::needless_pass_by_value, reason = "as the commands of the stages are called")]
fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.what {
        What::Greet => println!("{}", Lang::pick("안녕하세요", "hello")),
        What::Threads => println!("{}", rayon::current_num_threads()),
        What::Fail => {
            std::fs::metadata("no-such-file").context("no-such-file")?;
        }
        What::Flood => (0..1_000_000).for_each(|line| println!("line {line}")),
        What::Count => {
            let progress = Progress::new("counting", 100, "numbers");
            for number in 1..=100 {
                progress.note(format!("at {number}"));
                progress.inc(1);
                std::thread::sleep(Duration::from_millis(1));
            }
            progress.say("counted");
            progress.finish();
        }
    }
    Ok(())
}
