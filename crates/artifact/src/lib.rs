//! The on-disk formats that the stages of naman share: one module per format.
//!
//! A stage reads published directories and fills one new directory ([`OutDir`]). Nothing here knows a stage, an
//! array library, a command line or a log: another program that writes the same files takes a stage's place.

pub mod canaries;
pub mod checksums;
pub mod config;
pub mod conversation;
mod error;
pub mod json;
pub mod metrics;
pub mod model_card;
mod out_dir;
pub mod participants;
pub mod particle;
pub mod preprocess;
pub mod report;
pub mod response;
pub mod schema;
pub mod shard;
pub mod sources;
mod thousands;
pub mod tokenizer;
pub mod verify;
pub mod weights;

pub use error::{Error, Place, Result};
pub use out_dir::{OutDir, write_atomic, write_atomic_by};
pub use thousands::thousands;
