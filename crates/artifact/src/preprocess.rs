//! TODO preprocess
