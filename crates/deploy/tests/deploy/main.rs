//! The `deploy` stage, from outside.

mod bundle;
mod client;
mod completions;
mod fake;
mod limits;
mod page;
mod talk;
