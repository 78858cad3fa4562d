//! TODO verify
