//! The talks that a server has kept, as conversations to train on.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use terminal::Lang;

use crate::store::{Store, Taught};

/// The options of `deploy talks`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File that `serve --store` writes
    #[arg(long, value_name = "FILE")]
    store: PathBuf,
    /// Learn only from replies that somebody called good; by default from all that nobody called bad
    #[arg(long)]
    liked: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    fs_err::metadata(&arguments.store)?;
    let taught = if arguments.liked { Taught::Good } else { Taught::NotBad };
    let conversations = Store::open(&arguments.store)?.conversations(taught)?;
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    for conversation in &conversations {
        serde_json::to_writer(&mut stdout, conversation)?;
        writeln!(stdout)?;
    }
    stdout.flush()?;
    eprintln!("{}: {}", Lang::pick("대화", "conversations"), conversations.len());
    Ok(())
}
