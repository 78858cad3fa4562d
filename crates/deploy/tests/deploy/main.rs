//! The `deploy` stage, from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bundle;
mod client;
mod completions;
mod fake;
mod limits;
mod page;
mod peers;
mod talk;
mod together;
