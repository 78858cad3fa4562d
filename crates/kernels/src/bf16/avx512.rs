use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{BLOCK, BLOCK_VALUES, Line};

/// Rows whose sums stay in registers: 8 times two vectors, beside two of the right factor and one of the left.
const ROWS: usize = 8;
/// Columns of a vector.
const LANES: usize = 16;
/// Values of a tile, half a block.
const TILE: usize = BLOCK_VALUES / 2;

/// `c = left right` or `c += left right`.
///
/// # Safety
/// The processor has AVX-512 F and BF16. `left` and `right` have equally many blocks. `c` is the start of 32 rows
/// of 32 values, `stride` apart, that nothing else uses meanwhile.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn block(left: Line<'_>, right: Line<'_>, adds: bool, c: *mut f32, stride: usize) {
    for first in (0..BLOCK).step_by(ROWS) {
        let mut sums: [[__m512; 2]; ROWS] = [[_mm512_setzero_ps(); 2]; ROWS];
        for block in 0..left.count {
            for pair in 0..LANES {
                // SAFETY: block, pair and row are within the packed blocks, whose tiles are 16 by 32 values.
                unsafe {
                    let right = right.values.as_ptr().add(block * right.step + pair * BLOCK);
                    let columns: [__m512bh; 2] = [
                        std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(right.cast())),
                        std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(right.add(TILE).cast())),
                    ];
                    let left = left.values.as_ptr().add(block * left.step + first * BLOCK + pair * 2);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let value = left.add(row * BLOCK).cast::<i32>().read_unaligned();
                        let value = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(value));
                        sums[0] = _mm512_dpbf16_ps(sums[0], value, columns[0]);
                        sums[1] = _mm512_dpbf16_ps(sums[1], value, columns[1]);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (half, &sum) in sums.iter().enumerate() {
                // SAFETY: the caller's rows.
                unsafe {
                    let to = c.add((first + row) * stride + half * LANES);
                    let sum = if adds { _mm512_add_ps(sum, _mm512_loadu_ps(to)) } else { sum };
                    _mm512_storeu_ps(to, sum);
                }
            }
        }
    }
}
