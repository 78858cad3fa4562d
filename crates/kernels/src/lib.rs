//! Matrix products and vector primitives, chosen for the processor at run time; and mapped files.
//!
//! The only crate of the workspace that holds `unsafe`. Vector functions are written once, as plain loops over lanes,
//! and compiled for each instruction set that [`Level`] names; none contracts a product and a sum into one rounding,
//! so that every level gives the same bits.

mod bf16;
mod gates;
mod kept;
mod level;
mod mapping;
mod precision;
mod prefetch;
mod product;
mod project;
mod vector;

pub use bf16::{Bf16Unit, product_bf16};
pub use gates::*;
pub use kept::{KeptRows, KeptTask, Role};
pub use level::Level;
pub use mapping::Mapping;
pub use precision::{Precision, Prepared};
pub use prefetch::prefetch;
pub use product::{Threads, product};
pub use project::project;
pub use vector::*;
