//! `cargo xtask` on pipelines whose stages are small programs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod bad_pipelines;
mod interruption;
mod killed;
mod my_chats;
mod own_preprocess;
mod run;
mod workspace;
