//! Matrix products and vector primitives, chosen for the processor at run time; and mapped files.
//!
//! The only crate of the workspace that holds `unsafe`. Vector functions are written once, as plain loops over lanes,
//! and compiled for each instruction set that [`Level`] names; none contracts a product and a sum into one rounding,
//! so that every level gives the same bits.

mod gates;
mod level;
mod mapping;
mod matvec;
mod prefetch;
mod product;
mod vector;

pub use gates::*;
pub use level::Level;
pub use mapping::Mapping;
pub use matvec::matvec;
pub use prefetch::prefetch;
pub use product::{Threads, product};
pub use vector::*;
