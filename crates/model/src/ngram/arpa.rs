//! The ARPA text format of n-gram models, as SRILM, `KenLM` and others read and write it.
//!
//! A word is a token id in decimal. `<s>` is the token that begins a document, `</s>` the one that ends it, where the
//! model has one for that alone. `<unk>` holds the probability of all tokens never seen together; `<s>`, which is
//! never predicted, is one of those.

mod complete;
mod lines;
mod read;
mod write;

/// log10 p of what is never predicted.
const NEVER: &str = "-99";
