//! What every binary of naman does on a terminal: language, progress, errors and exit codes.
//!
//! Data goes to stdout; everything in this crate writes to stderr.

mod lang;
mod progress;
mod run;

pub use lang::Lang;
pub use progress::Progress;
pub use run::{Common, run};
