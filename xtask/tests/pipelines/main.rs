//! `cargo xtask` on pipelines whose stages are small shell scripts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod bad_pipelines;
mod interruption;
mod run;
mod workspace;
