//! The `collect` binary, from the outside.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod bad_input;
mod chats;
mod corpus;
mod damaged;
mod downloads;
mod hostile;
mod kakaotalk;
mod rasa;
mod roles;
mod server;
mod shard;
mod stage;
mod tables;
mod talk;
