use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, s};

use crate::bf16::{PackedLeft, PackedRight};
use crate::{Aligned, Bf16Unit, Threads, product, product_bf16};

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

    /// Prepares `b` `[k, n]` for products with the rows of many left factors; `buffer` holds what is packed.
    pub fn prepare<'a>(
        self,
        b: ArrayView2<'a, f32>,
        buffer: &'a mut Aligned<u16>,
        threads: Threads,
    ) -> Prepared<'a> {
        Prepared(match self {
            Self::F32 => Right::F32(b),
            Self::Bf16 => Right::Bf16(PackedRight::pack(b, buffer, threads)),
        })
    }

    /// Prepares `scale * a` `[m, k]` for products with several right factors; `buffer` holds what is packed.
    pub fn prepare_rows<'a>(
        self,
        a: ArrayView2<'a, f32>,
        scale: f32,
        buffer: &'a mut Aligned<u16>,
    ) -> PreparedRows<'a> {
        PreparedRows(match self {
            Self::F32 => Left::F32(a, scale),
            Self::Bf16 => Left::Bf16(PackedLeft::pack(a, scale, buffer)),
        })
    }
}

/// The right factor of products that several threads make, each of rows of its own.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a>(Right<'a>);

#[derive(Debug, Clone, Copy)]
enum Right<'a> {
    F32(ArrayView2<'a, f32>),
    Bf16(PackedRight<'a>),
}

/// The left factor of a thread's products.
#[derive(Debug, Clone, Copy)]
pub struct PreparedRows<'a>(Left<'a>);

#[derive(Debug, Clone, Copy)]
enum Left<'a> {
    F32(ArrayView2<'a, f32>, f32),
    Bf16(PackedLeft<'a>),
}

impl Prepared<'_> {
    /// Some of the columns; the first is a multiple of 32.
    ///
    /// # Panics
    /// When there are no such columns.
    #[must_use]
    pub fn columns(self, range: Range<usize>) -> Self {
        Self(match self.0 {
            Right::F32(b) => Right::F32(b.slice_move(s![.., range])),
            Right::Bf16(b) => Right::Bf16(b.columns(range)),
        })
    }

    /// Some of the inner size; the first is a multiple of 32, and so is the end, or it is the whole's.
    ///
    /// # Panics
    /// When there is no such part.
    #[must_use]
    pub fn inner(self, range: Range<usize>) -> Self {
        Self(match self.0 {
            Right::F32(b) => Right::F32(b.slice_move(s![range, ..])),
            Right::Bf16(b) => Right::Bf16(b.inner(range)),
        })
    }

    /// `c = keep * c + a b` on the calling thread, for `a` `[m, k]` and `c` `[m, n]`; the same bits as
    /// [`Precision::product`] with any number of threads.
    ///
    /// # Panics
    /// As that does, and when the factors were prepared in different precisions.
    pub fn product(self, a: PreparedRows<'_>, keep: f32, c: ArrayViewMut2<'_, f32>) {
        match (a.0, self.0) {
            (Left::F32(a, scale), Right::F32(b)) => product(a, b, scale, keep, c, Threads::One),
            (Left::Bf16(a), Right::Bf16(b)) => b.product(a, keep, c),
            _ => panic!("both factors are prepared alike"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;
    use ndarray::Array2;

    #[test]
    fn rows_apart_give_the_bits_of_rows_together() {
        let value = |r: usize, c: usize| ((r * 31 + c * 17) as f32 * 0.37).sin();
        let a = Array2::from_shape_fn((150, 70), |(r, c)| value(r, c));
        let b = Array2::from_shape_fn((45, 70), |(r, c)| value(c + 3, r));
        for precision in [Precision::F32, Precision::Bf16] {
            let (mut whole, mut parts) = (Array2::zeros((150, 45)), Array2::zeros((150, 45)));
            precision.product(a.view(), b.t(), 1.0, 0.0, whole.view_mut(), Threads::All);
            let mut buffer = Aligned::default();
            let b = precision.prepare(b.t(), &mut buffer, Threads::All);
            for rows in [0..33, 33..64, 64..150] {
                let mut buffer = Buffer::take();
                let a = precision.prepare_rows(a.slice(s![rows.clone(), ..]), 1.0, &mut buffer);
                b.product(a, 0.0, parts.slice_mut(s![rows, ..]));
            }
            assert_eq!(whole, parts, "{precision:?}");
        }
    }
}
