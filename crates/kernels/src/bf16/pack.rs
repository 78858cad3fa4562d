use ndarray::ArrayView2;

use super::{BLOCK, BLOCK_VALUES};

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
                let (layout, stride) = match (inner_stride, row_stride) {
                    (1, _) if whole => (Layout::InnerContiguous, row_stride),
                    (_, 1) if whole => (Layout::RowsContiguous, inner_stride),
                    _ => {
                        pack_part(from, row, inner, scale, factor, to);
                        continue;
                    }
                };
                // SAFETY: the source is the start of a whole tile of a live view with these strides.
                unsafe { tile(&raw const from[[row, inner]], layout, stride, scale, factor, to) };
            }
        }
    }
}

/// Packs the tile that begins at a row and an inner place, where it is cut off or its values lie far apart.
#[cold]
fn pack_part(
    from: ArrayView2<'_, f32>,
    row: usize,
    inner: usize,
    scale: f32,
    factor: Factor,
    to: &mut [u16],
) {
    let (rows, k) = from.dim();
    let mut buffer = [0.0_f32; SIDE * BLOCK];
    for r in row..rows.min(row + SIDE) {
        for i in inner..k.min(inner + BLOCK) {
            buffer[(r - row) * BLOCK + i - inner] = from[[r, i]];
        }
    }
    // SAFETY: the source is a whole buffer.
    unsafe { tile(buffer.as_ptr(), Layout::InnerContiguous, BLOCK as isize, scale, factor, to) };
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
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_mul_ps, _mm512_permutexvar_epi16,
        _mm512_set1_ps, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

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
                    *line = unsafe {
                        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(
                            load(row, 1),
                            load(row, 0),
                        ))
                    };
                }
            }
            Layout::RowsContiguous => {
                // Values of even and odd lines, interleaved: words 0, 16, 1, 17, ... of the joined vector.
                let mut order = [0_u16; 32];
                for (place, order) in order.iter_mut().enumerate() {
                    *order = (place / 2 + place % 2 * 16) as u16;
                }
                // SAFETY: 64 bytes of plain values.
                let order = unsafe { std::mem::transmute::<[u16; 32], __m512i>(order) };
                for (pair, line) in lines.iter_mut().enumerate() {
                    let joined = _mm512_cvtne2ps_pbh(load(2 * pair + 1, 0), load(2 * pair, 0));
                    // SAFETY: both are 64 bytes of plain values.
                    *line = _mm512_permutexvar_epi16(order, unsafe {
                        std::mem::transmute::<__m512bh, __m512i>(joined)
                    });
                }
            }
        }
        // Lines are rows or pairs; the left factor's tile wants rows, the right one's pairs.
        if (layout == Layout::InnerContiguous) != (factor == Factor::Left) {
            transpose(&mut lines);
        }
        for (line, to) in lines.iter().zip(to.chunks_exact_mut(2 * SIDE)) {
            // SAFETY: 32 values of 2 bytes.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), *line) };
        }
    }

    /// Lines become columns: in two steps, four lines at a time.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn transpose(lines: &mut [__m512i; SIDE]) {
        let [l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11, l12, l13, l14, l15] = *lines;
        let [a0, a1, a2, a3] = quarters(l0, l1, l2, l3);
        let [b0, b1, b2, b3] = quarters(l4, l5, l6, l7);
        let [c0, c1, c2, c3] = quarters(l8, l9, l10, l11);
        let [d0, d1, d2, d3] = quarters(l12, l13, l14, l15);
        let [m0, m4, m8, m12] = columns(a0, b0, c0, d0);
        let [m1, m5, m9, m13] = columns(a1, b1, c1, d1);
        let [m2, m6, m10, m14] = columns(a2, b2, c2, d2);
        let [m3, m7, m11, m15] = columns(a3, b3, c3, d3);
        *lines = [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15];
    }

    /// From four lines, vector r: in each quarter of 128 bits, the four lines' values at place r of that quarter.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn quarters(l0: __m512i, l1: __m512i, l2: __m512i, l3: __m512i) -> [__m512i; 4] {
        let (low01, high01) = (_mm512_unpacklo_epi32(l0, l1), _mm512_unpackhi_epi32(l0, l1));
        let (low23, high23) = (_mm512_unpacklo_epi32(l2, l3), _mm512_unpackhi_epi32(l2, l3));
        [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ]
    }

    /// From the same place r of four times four lines, the columns r, 4 + r, 8 + r and 12 + r.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn columns(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
        let (even_ab, odd_ab) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (even_cd, odd_cd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        [
            _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd),
            _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd),
            _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd),
            _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd),
        ]
    }
}
