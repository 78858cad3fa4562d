//! TODO particle
