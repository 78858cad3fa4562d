use super::{BLOCK, BLOCK_VALUES, Line};

/// `c = left right` or `c += left right`.
///
/// # Safety
/// `c` is the start of 32 rows of 32 values, `stride` apart, that nothing else uses meanwhile.
pub(super) unsafe fn block(left: Line<'_>, right: Line<'_>, adds: bool, c: *mut f32, stride: usize) {
    let mut sums = [[0.0_f32; BLOCK]; BLOCK];
    for block in 0..left.count {
        let left = &left.values[block * left.step..][..BLOCK_VALUES];
        let right = &right.values[block * right.step..][..BLOCK_VALUES];
        for (left, sums) in left.chunks_exact(BLOCK).zip(&mut sums) {
            for (pair, left) in left.chunks_exact(2).enumerate() {
                let left = [widen(left[0]), widen(left[1])];
                for (half, sums) in sums.chunks_exact_mut(BLOCK / 2).enumerate() {
                    let right = &right[half * BLOCK_VALUES / 2 + pair * BLOCK..][..BLOCK];
                    for (sum, right) in sums.iter_mut().zip(right.chunks_exact(2)) {
                        *sum += left[0] * widen(right[0]) + left[1] * widen(right[1]);
                    }
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: the caller's rows.
        let to = unsafe { std::slice::from_raw_parts_mut(c.add(row * stride), BLOCK) };
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = if adds { *to + sum } else { *sum };
        }
    }
}

/// The f32 of the same value.
fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
