use ndarray::ArrayView2;

use super::{BLOCK, BLOCK_VALUES};
use crate::Level;

/// Which factor of a product a block row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    /// Its tiles are `[16 rows, 16 pairs, 2]`.
    Left,
    /// Its tiles are `[16 pairs, 16 columns, 2]`.
    Right,
}

/// Rows (or columns) of a tile, and pairs of its inner size.
const SIDE: usize = 16;
/// A tile as pairs of values, the first in the low half.
type Tile = [[u32; SIDE]; SIDE];

/// Packs `from` `[rows, k]`, times `scale`, into block rows of k/32 blocks; what is missing to whole blocks becomes zero.
pub(super) fn pack(from: ArrayView2<'_, f32>, scale: f32, factor: Factor, to: &mut [u16]) {
    let (rows, k) = from.dim();
    let (row_stride, inner_stride) = (from.strides()[0], from.strides()[1]);
    let row_values = k.div_ceil(BLOCK) * BLOCK_VALUES;
    assert_eq!(to.len(), rows.div_ceil(BLOCK) * row_values, "as many blocks as the rows need");
    // Inner size outermost: neighbouring rows of a transposed factor lie side by side in memory.
    for inner in (0..k).step_by(BLOCK) {
        for (block, to) in to.chunks_exact_mut(row_values).enumerate() {
            let to = &mut to[inner / BLOCK * BLOCK_VALUES..][..BLOCK_VALUES];
            for (half, to) in to.chunks_exact_mut(BLOCK_VALUES / 2).enumerate() {
                let row = block * BLOCK + half * SIDE;
                let whole = rows >= row + SIDE && k >= inner + BLOCK;
                let mut buffer = [0.0_f32; SIDE * BLOCK];
                let (source, layout, stride) = if whole && inner_stride == 1 {
                    (&raw const from[[row, inner]], Layout::InnerContiguous, row_stride)
                } else if whole && row_stride == 1 {
                    (&raw const from[[row, inner]], Layout::RowsContiguous, inner_stride)
                } else {
                    for r in row..rows.min(row + SIDE) {
                        for i in inner..k.min(inner + BLOCK) {
                            buffer[(r - row) * BLOCK + i - inner] = from[[r, i]];
                        }
                    }
                    (buffer.as_ptr(), Layout::InnerContiguous, BLOCK as isize)
                };
                // SAFETY: the source is the start of a tile of a live view with these strides, or of the buffer.
                unsafe { tile(source, layout, stride, scale, factor, to) };
            }
        }
    }
}

/// How a tile's values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// 16 rows of 32 values, `stride` apart.
    InnerContiguous,
    /// 32 runs of 16 rows' values, `stride` apart.
    RowsContiguous,
}

/// Packs one tile into `to`, 512 values.
///
/// # Safety
/// `source` is the start of a tile that lies as `layout` and `stride` say.
unsafe fn tile(
    source: *const f32,
    layout: Layout,
    stride: isize,
    scale: f32,
    factor: Factor,
    to: &mut [u16],
) {
    #[cfg(target_arch = "x86_64")]
    if super::Bf16Unit::current() != super::Bf16Unit::Portable {
        // SAFETY: the unit implies AVX-512 with BF16; the rest as the caller promises.
        return unsafe { x86::tile(source, layout, stride, scale, factor, to) };
    }
    let _ = Level::current();
    // SAFETY: the caller's tile.
    let at = |line: usize, place: usize| unsafe { *source.offset(line as isize * stride + place as isize) };
    let mut pairs: Tile = [[0; SIDE]; SIDE];
    for (row, pairs) in pairs.iter_mut().enumerate() {
        for (pair, to) in pairs.iter_mut().enumerate() {
            let value = |i: usize| match layout {
                Layout::InnerContiguous => at(row, 2 * pair + i),
                Layout::RowsContiguous => at(2 * pair + i, row),
            };
            *to = u32::from(round(value(0) * scale)) | u32::from(round(value(1) * scale)) << 16;
        }
    }
    for (line, to) in to.chunks_exact_mut(2 * SIDE).enumerate() {
        for (place, to) in to.chunks_exact_mut(2).enumerate() {
            let pair = match factor {
                Factor::Left => pairs[line][place],
                Factor::Right => pairs[place][line],
            };
            to.copy_from_slice(&[pair as u16, (pair >> 16) as u16]);
        }
    }
}

/// To the nearest bfloat16, ties to even; what is not a number stays so.
fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Factor, Layout, SIDE};

    /// As [`super::tile`], 16 pairs at a time.
    ///
    /// # Safety
    /// The processor has AVX-512 F, BW and BF16; `source` as there.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(super) unsafe fn tile(
        source: *const f32,
        layout: Layout,
        stride: isize,
        scale: f32,
        factor: Factor,
        to: &mut [u16],
    ) {
        assert_eq!(to.len(), 2 * SIDE * SIDE);
        let scale = _mm512_set1_ps(scale);
        let load = |line: usize, half: usize| {
            // SAFETY: the caller's tile.
            let values =
                unsafe { _mm512_loadu_ps(source.offset(line as isize * stride + 16 * half as isize)) };
            _mm512_mul_ps(values, scale)
        };
        let mut lines = [_mm512_setzero_si512(); SIDE];
        match layout {
            Layout::InnerContiguous => {
                for (row, line) in lines.iter_mut().enumerate() {
                    // SAFETY: both are 64 bytes of plain values.
                    *line = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(load(row, 1), load(row, 0))) };
                }
            }
            Layout::RowsContiguous => {
                // Values of even and odd lines, interleaved: words 0, 16, 1, 17, ... of the joined vector.
                let mut order = [0_u16; 32];
                for (place, order) in order.iter_mut().enumerate() {
                    *order = (place / 2 + place % 2 * 16) as u16;
                }
                // SAFETY: 64 bytes of plain values.
                let order: __m512i = unsafe { std::mem::transmute(order) };
                for (pair, line) in lines.iter_mut().enumerate() {
                    // Far lines, which no hardware foresees: those of the next block.
                    for next in [2 * SIDE + 2 * pair, 2 * SIDE + 2 * pair + 1] {
                        _mm_prefetch::<_MM_HINT_T0>(source.wrapping_offset(next as isize * stride).cast());
                    }
                    let joined = _mm512_cvtne2ps_pbh(load(2 * pair + 1, 0), load(2 * pair, 0));
                    // SAFETY: both are 64 bytes of plain values.
                    *line = _mm512_permutexvar_epi16(order, unsafe { std::mem::transmute(joined) });
                }
            }
        }
        // Lines are rows or pairs; the left factor's tile wants rows, the right one's pairs.
        if (layout == Layout::InnerContiguous) != (factor == Factor::Left) {
            lines = transpose(lines);
        }
        for (line, to) in lines.iter().zip(to.chunks_exact_mut(2 * SIDE)) {
            // SAFETY: 32 values of 2 bytes.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), *line) };
        }
    }

    /// Lines become columns: pairs of lines, then of pairs, then quarters of 128 bits twice.
    #[target_feature(enable = "avx512f")]
    fn transpose(lines: [__m512i; SIDE]) -> [__m512i; SIDE] {
        let mut a = lines;
        for i in (0..SIDE).step_by(2) {
            a[i] = _mm512_unpacklo_epi32(lines[i], lines[i + 1]);
            a[i + 1] = _mm512_unpackhi_epi32(lines[i], lines[i + 1]);
        }
        let mut b = a;
        for i in (0..SIDE).step_by(4) {
            b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
            b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
            b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
            b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
        }
        // b[4 q + r] holds column r of each quarter, for the lines 4 q .. 4 q + 4.
        let mut c = b;
        for r in 0..4 {
            let low = _mm512_shuffle_i32x4::<0x88>(b[r], b[4 + r]);
            let high = _mm512_shuffle_i32x4::<0xdd>(b[r], b[4 + r]);
            let low2 = _mm512_shuffle_i32x4::<0x88>(b[8 + r], b[12 + r]);
            let high2 = _mm512_shuffle_i32x4::<0xdd>(b[8 + r], b[12 + r]);
            c[r] = _mm512_shuffle_i32x4::<0x88>(low, low2);
            c[8 + r] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
            c[4 + r] = _mm512_shuffle_i32x4::<0x88>(high, high2);
            c[12 + r] = _mm512_shuffle_i32x4::<0xdd>(high, high2);
        }
        c
    }
}
