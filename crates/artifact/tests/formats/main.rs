//! The formats through the crate's public surface.

mod config;
mod conversation;
mod directories;
mod foreign_preprocess;
mod out_dir;
mod schemas;
mod verify;
mod weights;
