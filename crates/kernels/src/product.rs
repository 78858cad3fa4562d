use gemm::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2};

/// How many threads a product may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread alone: inside a loop that is parallel already.
    One,
    /// The current rayon pool.
    All,
}

/// `c = keep * c + scale * a b`, for `a` `[m, k]`, `b` `[k, n]` and `c` `[m, n]` of any strides; with `keep` 0, `c`
/// is not read. A transposed factor is a view: `product(a.t(), b, ..)`.
///
/// # Panics
/// When the shapes do not agree.
pub fn product(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scale: f32,
    keep: f32,
    mut c: ArrayViewMut2<'_, f32>,
    threads: Threads,
) {
    let ((m, k), n) = (a.dim(), b.dim().1);
    assert_eq!(b.dim().0, k, "inner sizes agree");
    assert_eq!(c.dim(), (m, n), "the result has the outer sizes");
    if m == 0 || n == 0 {
        return;
    }
    let strides = |view: &[isize]| (view[0], view[1]);
    let (a_row, a_column) = strides(a.strides());
    let (b_row, b_column) = strides(b.strides());
    let (c_row, c_column) = strides(c.strides());
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(rayon::current_num_threads()),
    };
    // SAFETY: each pointer and its strides are those of a live view of the given size, and `c` is borrowed mutably, so
    // it overlaps neither factor.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_column,
            c_row,
            keep != 0.0,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            keep,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    /// `[rows, columns]` of small whole numbers, so that sums are exact in f32.
    fn matrix(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 7 + c * 13 + seed * 5) % 11) as f32 - 5.0)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(m in 1..40usize, k in 1..40usize, n in 1..40usize, form in 0..3usize) {
            let (a, b) = (matrix(m, k, 1), matrix(k, n, 2));
            let (at, bt) = (a.t().to_owned(), b.t().to_owned());
            let mut c = matrix(m, n, 3);
            let expected = Array2::from_shape_fn((m, n), |(i, j)| {
                2.0 * c[[i, j]] + 0.5 * (0..k).map(|x| a[[i, x]] * b[[x, j]]).sum::<f32>()
            });
            let (a, b) = match form {
                0 => (a.view(), b.view()),
                1 => (a.view(), bt.t()),
                _ => (at.t(), b.view()),
            };
            product(a, b, 0.5, 2.0, c.view_mut(), Threads::All);
            prop_assert_eq!(c, expected);
        }
    }
}
