//! The `collect` binary, from the outside.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod bad_input;
mod corpus;
mod rasa;
mod stage;
mod tables;
