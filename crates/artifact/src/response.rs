//! TODO response
