//! TODO sources
