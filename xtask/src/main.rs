//! Runs pipelines, tests and checks.
fn main() {}
