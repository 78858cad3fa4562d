use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Bf16Unit, Threads, product, product_bf16};

/// What the factors of a product are rounded to. Sums are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To bfloat16: 8 significant bits.
    Bf16,
}

impl Precision {
    /// The fastest on this processor.
    pub fn fastest() -> Self {
        if Bf16Unit::current().beats_f32() { Self::Bf16 } else { Self::F32 }
    }

    /// `c = keep * c + scale * a b`: [`product`] or [`product_bf16`].
    ///
    /// # Panics
    /// As they do.
    pub fn product(
        self,
        a: ArrayView2<'_, f32>,
        b: ArrayView2<'_, f32>,
        scale: f32,
        keep: f32,
        c: ArrayViewMut2<'_, f32>,
        threads: Threads,
    ) {
        match self {
            Self::F32 => product(a, b, scale, keep, c, threads),
            Self::Bf16 => product_bf16(a, b, scale, keep, c, threads),
        }
    }
}
