//! The `deploy` stage: bundles a model, chats with it, serves it.

mod bundle;
mod sampling;
pub mod serve;
mod store;
mod talk;
mod talks;

use clap::{Parser, Subcommand};

/// Bundles a trained model, chats with it in a terminal, or serves it to browsers and programs
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What every binary takes.
    #[command(flatten)]
    pub common: terminal::Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a directory that holds everything to run the bot elsewhere
    ///
    /// The directory holds the model (model/), this program as `naman` with the chat page inside it, a Containerfile, a
    /// model card, and SHA256SUMS, which `naman` checks before it reads the model.
    Bundle(bundle::Arguments),
    /// Talks in the terminal
    ///
    /// Where the standard input is no terminal, each of its lines is a turn.
    Chat(talk::Arguments),
    /// Serves a chat page and an API in OpenAI's form
    ///
    /// GET / is the chat page, GET /docs tells of the API: POST /v1/chat/completions, /v1/completions, /tokenize,
    /// /detokenize and /apply-template, GET /v1/models, /props, /health, /metrics and /openapi.json.
    Serve(serve::Arguments),
    /// Prints the talks that a server has kept, a JSON object a line, for `collect` to read
    ///
    /// Replies that are not to be learnt from have the weight 0: they are context only.
    Talks(talks::Arguments),
}

/// Runs one subcommand.
///
/// # Errors
/// Whatever stops it, told for the person who must mend it.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Bundle(bundle) => bundle::run(bundle),
        Command::Chat(chat) => talk::run(chat),
        Command::Serve(serve) => serve::run(serve, arguments.common.threads),
        Command::Talks(talks) => talks::run(talks),
    }
}
