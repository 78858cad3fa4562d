//! The `collect` stage.
