//! The `deploy` stage.
