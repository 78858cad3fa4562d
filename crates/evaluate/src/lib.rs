//! The `evaluate` stage.
