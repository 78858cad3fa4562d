//! Matrix products of factors rounded to bfloat16, summed in f32.
//!
//! Both factors are packed into blocks of 32 rows (or columns) by 32 of the inner size, two *tiles* of 16 side by side,
//! each 1 KiB as Intel's AMX takes it (Intel SDM vol. 1, ch. 18): a left tile is `[16 rows, 32]`, a right tile
//! `[16 pairs, 16 columns, 2]`. AVX-512 `vdpbf16ps` reads the same tiles: a pair of the left one against 16 pairs of the
//! right one. The inner size is cut into chunks of [`INNER`], added to the result one after another, so that a sum's
//! order depends on the processor's unit and on nothing else.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kept;
mod pack;
mod portable;

use std::ops::Range;
use std::sync::OnceLock;

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

pub(crate) use self::kept::PackedRows;
pub(crate) use self::pack::Factor;
use self::pack::pack;
#[cfg(target_arch = "x86_64")]
use crate::Level;
use crate::{Aligned, Buffer, Threads};

/// Rows, columns and inner size of a block.
const BLOCK: usize = 32;
/// Values of a packed block.
const BLOCK_VALUES: usize = BLOCK * BLOCK;
/// The inner size multiplied at a time: a packed block row of a chunk fills two thirds of a first-level cache.
const INNER: usize = 256;
/// Rows of the left factor that a task takes.
const ROWS_PER_TASK: usize = 128;

/// What multiplies pairs of bfloat16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bf16Unit {
    /// Plain loops: correct everywhere, fast nowhere.
    Portable,
    /// `vdpbf16ps` of AVX-512.
    Avx512,
    /// Tiles of AMX.
    Amx,
}

impl Bf16Unit {
    /// The best unit of this processor, or a lower one named by the environment variable `NAMAN_BF16` (`portable`,
    /// `avx512`); portable where `NAMAN_SIMD` forbids AVX-512.
    pub fn current() -> Self {
        static UNIT: OnceLock<Bf16Unit> = OnceLock::new();
        *UNIT.get_or_init(|| {
            let wanted = match std::env::var("NAMAN_BF16").as_deref() {
                Ok("portable") => Self::Portable,
                Ok("avx512") => Self::Avx512,
                _ => Self::Amx,
            };
            wanted.min(Self::of_processor())
        })
    }

    /// Whether it beats products in f32 on this processor: AMX does by far, and `vdpbf16ps` where it starts as often as
    /// a multiply-add of f32, on AMD's processors; Intel's start it half as often.
    pub fn beats_f32(self) -> bool {
        match self {
            Self::Portable => false,
            Self::Avx512 => is_of_amd(),
            Self::Amx => true,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn of_processor() -> Self {
        if Level::current() < Level::Avx512 || !is_x86_feature_detected!("avx512bf16") {
            Self::Portable
        } else if amx::is_available() {
            Self::Amx
        } else {
            Self::Avx512
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_processor() -> Self {
        Self::Portable
    }
}

/// `c = keep * c + scale * a b` for `a` `[m, k]` and `b` `[k, n]` of any strides, rounded to bfloat16 (to the nearest,
/// ties to even, after `scale`); sums in f32. `c` `[m, n]` has contiguous rows; `keep` is 0, and `c` not read, or 1.
///
/// The same bits for any number of threads. Error of a sum of k products: at most 2^-8 of the sum of their magnitudes,
/// beside that of adding in f32.
///
/// # Panics
/// When the shapes do not agree, a row of `c` is not contiguous, or `keep` is another number.
pub fn product_bf16(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scale: f32,
    keep: f32,
    mut c: ArrayViewMut2<'_, f32>,
    threads: Threads,
) {
    assert_eq!(c.dim().0, a.dim().0, "the result has the left factor's rows");
    let mut buffer = Buffer::take();
    let b = PackedRight::pack(b, &mut buffer, threads);
    let product = |(a, c): (ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>)| {
        b.product(PackedLeft::pack(a, scale, &mut Buffer::take()), keep, c);
    };
    match threads {
        Threads::One => product((a, c)),
        Threads::All => {
            let rows = rows_per_task(a.dim().0);
            a.axis_chunks_iter(Axis(0), rows)
                .into_par_iter()
                .zip(c.axis_chunks_iter_mut(Axis(0), rows))
                .for_each(product);
        }
    }
}

/// Whole blocks, few enough that every thread has several tasks.
fn rows_per_task(m: usize) -> usize {
    let share = m.div_ceil(4 * rayon::current_num_threads());
    share.next_multiple_of(BLOCK).clamp(BLOCK, ROWS_PER_TASK)
}

/// A left factor `[m, k]`: rows of 32, of k/32 blocks each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedLeft<'a> {
    blocks: &'a [u16],
    m: usize,
    k: usize,
}

impl<'a> PackedLeft<'a> {
    /// Rounds `scale * a` and packs it into a buffer, which grows where it must.
    pub(crate) fn pack(a: ArrayView2<'_, f32>, scale: f32, buffer: &'a mut Aligned<u16>) -> Self {
        let (m, k) = a.dim();
        let blocks = buffer.grown(m.div_ceil(BLOCK) * k.div_ceil(BLOCK) * BLOCK_VALUES);
        pack(a, scale, Factor::Left, blocks);
        Self { blocks, m, k }
    }
}

/// A right factor `[k, n]`, for products with the rows of many left factors: columns of 32, of k/32 blocks each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedRight<'a> {
    blocks: &'a [u16],
    k: usize,
    n: usize,
    /// Values from one column of blocks to the next.
    step: usize,
}

impl<'a> PackedRight<'a> {
    /// Rounds and packs `b` into a buffer, which grows where it must.
    pub(crate) fn pack(b: ArrayView2<'_, f32>, buffer: &'a mut Aligned<u16>, threads: Threads) -> Self {
        let (k, n) = b.dim();
        let step = k.div_ceil(BLOCK) * BLOCK_VALUES;
        let blocks = buffer.grown(n.div_ceil(BLOCK) * step);
        let pack_column = |(column, to): (usize, &mut [u16])| {
            let columns = column * BLOCK..n.min((column + 1) * BLOCK);
            pack(b.slice(s![.., columns]).reversed_axes(), 1.0, Factor::Right, to);
        };
        // Of an empty factor there is nothing to pack.
        let size = step.max(1);
        match threads {
            Threads::One => blocks.chunks_exact_mut(size).enumerate().for_each(pack_column),
            Threads::All => blocks.par_chunks_exact_mut(size).enumerate().for_each(pack_column),
        }
        Self { blocks, k, n, step }
    }

    /// Some of its columns; the first is a multiple of 32.
    pub(crate) fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start.is_multiple_of(BLOCK) && range.end <= self.n, "whole blocks of columns");
        Self { blocks: &self.blocks[range.start / BLOCK * self.step..], n: range.len(), ..self }
    }

    /// Some of the inner size; the first is a multiple of 32, and so is the end, or it is the whole's.
    pub(crate) fn inner(self, range: Range<usize>) -> Self {
        let whole = range.end.is_multiple_of(BLOCK) || range.end == self.k;
        assert!(range.start.is_multiple_of(BLOCK) && range.end <= self.k && whole, "whole blocks");
        Self { blocks: &self.blocks[range.start * BLOCK..], k: range.len(), ..self }
    }

    /// As [`product_bf16`], on the calling thread.
    pub(crate) fn product(self, a: PackedLeft<'_>, keep: f32, mut c: ArrayViewMut2<'_, f32>) {
        let Self { k, n, .. } = self;
        assert_eq!(a.k, k, "inner sizes agree");
        assert_eq!(c.dim(), (a.m, n), "the result has the outer sizes");
        assert!(n <= 1 || c.strides()[1] == 1, "rows of the result are contiguous");
        let adds = keep != 0.0;
        assert!(!adds || (keep - 1.0).abs() < f32::EPSILON, "the result is overwritten or added to");
        if k == 0 && !adds {
            c.fill(0.0);
        }
        let unit = Bf16Unit::current();
        let _tiles = unit.begin();
        let row_values = k.div_ceil(BLOCK) * BLOCK_VALUES;
        for start in (0..k).step_by(INNER) {
            let count = (k - start).min(INNER).div_ceil(BLOCK);
            let line = |values| Line::strided(values, count, BLOCK_VALUES);
            // A column's blocks stay in the first-level cache while all rows pass.
            for column in (0..n).step_by(BLOCK) {
                let right = line(&self.blocks[column / BLOCK * self.step + start * BLOCK..]);
                for row in (0..a.m).step_by(BLOCK) {
                    let left = line(&a.blocks[row / BLOCK * row_values + start * BLOCK..]);
                    unit.block(left, right, adds || start > 0, [row, column], &mut c);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_of_amd() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_of_amd() -> bool {
    false
}

/// Blocks along the inner size, at equal distances.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    values: &'a [u16],
    count: usize,
    /// Values from one block to the next.
    step: usize,
}

impl<'a> Line<'a> {
    /// Of `count` blocks, the first of which begins `values`.
    fn strided(values: &'a [u16], count: usize, step: usize) -> Self {
        assert!(count > 0 && values.len() >= (count - 1) * step + BLOCK_VALUES, "all blocks are there");
        Self { values, count, step }
    }
}

impl Bf16Unit {
    /// Prepares the calling thread, until the guard is dropped.
    fn begin(self) -> Option<Guard> {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Amx {
            return Some(amx::Tiles::configure());
        }
        None
    }

    /// `c = left right` or `c += left right` for one row of blocks of each factor: the 32 rows and columns of `c` that
    /// begin at `corner`, or what there is of them.
    fn block(
        self,
        left: Line<'_>,
        right: Line<'_>,
        adds: bool,
        [row, column]: [usize; 2],
        c: &mut ArrayViewMut2<'_, f32>,
    ) {
        assert_eq!(left.count, right.count, "both have the chunk's inner size");
        let (rows, columns) = c.dim();
        if rows >= row + BLOCK && columns >= column + BLOCK {
            let stride = usize::try_from(c.strides()[0]).expect("rows of a result lie in order");
            self.whole_block(left, right, adds, &raw mut c[[row, column]], stride);
        } else {
            let mut buffer = [0.0_f32; BLOCK * BLOCK];
            self.whole_block(left, right, false, buffer.as_mut_ptr(), BLOCK);
            for (to, from) in c.rows_mut().into_iter().skip(row).zip(buffer.chunks_exact(BLOCK)) {
                for (to, &from) in to.into_iter().skip(column).zip(from) {
                    *to = if adds { *to + from } else { from };
                }
            }
        }
    }

    /// As [`Self::block`], for 32 rows of 32 values at `c`, `stride` values apart.
    fn whole_block(self, left: Line<'_>, right: Line<'_>, adds: bool, c: *mut f32, stride: usize) {
        match self {
            // SAFETY: `c` is the start of 32 rows of 32 values that the caller holds mutably (a view of that size, or a
            // buffer of its own); both lines have the same number of blocks; `current` found the unit on this
            // processor, and `begin` configured the thread's tiles.
            #[cfg(target_arch = "x86_64")]
            Self::Amx => unsafe { amx::block(left, right, adds, c, stride) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::block(left, right, adds, c, stride) },
            // SAFETY: as above.
            _ => unsafe { portable::block(left, right, adds, c, stride) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
type Guard = amx::Tiles;
#[cfg(not(target_arch = "x86_64"))]
type Guard = ();

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    /// `[rows, columns]` of small whole numbers: exact in bfloat16, and their sums in f32.
    fn matrix(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 7 + c * 13 + seed * 5) % 11) as f32 - 5.0)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            m in 1..140usize, k in 1..140usize, n in 1..100usize, form in 0..4usize, adds: bool, one: bool
        ) {
            let (a, b) = (matrix(m, k, 1), matrix(k, n, 2));
            let (at, bt) = (a.t().to_owned(), b.t().to_owned());
            let mut wide = matrix(m, n + 3, 3);
            let mut c = wide.slice_mut(ndarray::s![.., 1..=n]);
            let expected = Array2::from_shape_fn((m, n), |(i, j)| {
                let before = if adds { c[[i, j]] } else { 0.0 };
                before + 0.5 * (0..k).map(|x| a[[i, x]] * b[[x, j]]).sum::<f32>()
            });
            let a = if form % 2 == 0 { a.view() } else { at.t() };
            let b = if form < 2 { b.view() } else { bt.t() };
            let keep = if adds { 1.0 } else { 0.0 };
            let threads = if one { Threads::One } else { Threads::All };
            product_bf16(a, b, 0.5, keep, c.view_mut(), threads);
            prop_assert_eq!(&c, &expected);
            let before = matrix(m, n + 3, 3);
            prop_assert_eq!(wide.column(0), before.column(0), "only the view was written");
        }
    }

    /// 2^-8 for rounding two factors, relative to the magnitudes of the terms.
    #[test]
    fn rounds_factors_and_nothing_else() {
        let (m, k, n) = (70, 1100, 45);
        let value = |r: usize, c: usize| ((r * 31 + c * 17) as f32 * 0.37).sin();
        let a = Array2::from_shape_fn((m, k), |(r, c)| value(r, c));
        let b = Array2::from_shape_fn((k, n), |(r, c)| value(c + 3, r));
        let mut c = Array2::zeros((m, n));
        product_bf16(a.view(), b.view(), 1.0, 0.0, c.view_mut(), Threads::All);
        for ((i, j), &found) in c.indexed_iter() {
            let terms = (0..k).map(|x| f64::from(a[[i, x]]) * f64::from(b[[x, j]]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            assert!((f64::from(found) - sum).abs() < size / 256.0, "{found} is not {sum}");
        }
    }
}
