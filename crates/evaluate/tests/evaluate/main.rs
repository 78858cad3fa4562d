//! The stage on small test splits, with models that answer as they are told, and with a real one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod bad_input;
mod browser;
mod bytes_tokenizer;
mod choices;
mod chrf;
mod figures;
mod gate;
mod held_out;
mod intervals;
mod judge;
mod page;
mod parrot;
mod perturb;
mod scores;
mod stage;
mod trained;
