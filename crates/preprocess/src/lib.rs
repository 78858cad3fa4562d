//! The `preprocess` stage.
