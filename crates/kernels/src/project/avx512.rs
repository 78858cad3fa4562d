//! Blocks whose sums live in registers of 512 bits; the compiler does not keep so many arrays of lanes there.

use std::arch::x86_64::{
    __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm512_add_ps, _mm512_castps512_ps256,
    _mm512_extractf32x8_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_setzero_ps,
};

use super::{Block, blocks};
use crate::vector::LANES;

/// As [`super::all_pairs`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn all_pairs(w: &[f32], inputs: usize, x: &[f32], columns: &mut [f32]) {
    blocks::<Registers, 4>(w, inputs, x, columns);
}

struct Registers;

impl Block for Registers {
    #[inline(always)]
    fn block<const O: usize, const R: usize>(
        w: &[f32],
        inputs: usize,
        x: &[f32],
        columns: &mut [f32],
        n: usize,
    ) {
        assert!(w.len() == O * inputs && x.len() == R * inputs, "as many rows as the block has");
        // SAFETY: only `all_pairs` asks for these blocks, with the processor's features; the lengths were compared.
        unsafe { block::<O, R>(w.as_ptr(), inputs, x.as_ptr(), columns, n) }
    }
}

/// # Safety
/// `w` and `x` point to O and R rows of `inputs` values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn block<const O: usize, const R: usize>(
    w: *const f32,
    inputs: usize,
    x: *const f32,
    columns: &mut [f32],
    n: usize,
) {
    let mut sums = [[_mm512_setzero_ps(); R]; O];
    for start in (0..inputs).step_by(LANES) {
        let lanes = (inputs - start).min(LANES);
        let mask = (u32::MAX >> (32 - lanes)) as u16;
        // SAFETY: lanes beyond the row are not read.
        let load = |rows: *const f32, row: usize| unsafe {
            _mm512_maskz_loadu_ps(mask, rows.add(row * inputs + start))
        };
        let x: [__m512; R] = std::array::from_fn(|row| load(x, row));
        for (output, sums) in sums.iter_mut().enumerate() {
            let w = load(w, output);
            for (sum, &x) in sums.iter_mut().zip(&x) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(w, x));
            }
        }
    }
    for (output, sums) in sums.iter().enumerate() {
        for (row, &sum) in sums.iter().enumerate() {
            columns[output * n + row] = fold(sum);
        }
    }
}

/// As [`crate::vector::fold`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn fold(lanes: __m512) -> f32 {
    let eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps::<1>(lanes));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
