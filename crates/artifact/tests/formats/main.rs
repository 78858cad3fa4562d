//! The formats through the crate's public surface.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod config;
mod conversation;
mod directories;
mod foreign_preprocess;
mod out_dir;
mod schemas;
mod verify;
mod weights;
