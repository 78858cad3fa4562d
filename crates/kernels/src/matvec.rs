use crate::level::leveled;

leveled! {
    /// `y = w x` for a row-major `w` `[y.len(), x.len()]`, on the calling thread.
    pub fn matvec(w: &[f32], x: &[f32], y: &mut [f32]) {
        const ROWS: usize = 4;
        const LANES: usize = 16;
        let width = x.len();
        let whole = width - width % LANES;
        let mut blocks = y.chunks_exact_mut(ROWS);
        let mut rows = w.chunks_exact(width * ROWS);
        for (y, w) in blocks.by_ref().zip(rows.by_ref()) {
            let mut lanes = [[0.0_f32; LANES]; ROWS];
            for start in (0..whole).step_by(LANES) {
                let x = &x[start..start + LANES];
                for (row, lanes) in lanes.iter_mut().enumerate() {
                    let w = &w[row * width + start..row * width + start + LANES];
                    for lane in 0..LANES {
                        lanes[lane] += w[lane] * x[lane];
                    }
                }
            }
            for (row, (y, lanes)) in y.iter_mut().zip(&lanes).enumerate() {
                let w = &w[row * width..(row + 1) * width];
                *y = lanes.iter().sum::<f32>() + (whole..width).map(|i| w[i] * x[i]).sum::<f32>();
            }
        }
        for (y, w) in blocks.into_remainder().iter_mut().zip(rows.remainder().chunks_exact(width)) {
            *y = w.iter().zip(x).map(|(w, x)| w * x).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_f64(rows in 1..20usize, columns in 1..70usize) {
            let w: Vec<f32> = (0..rows * columns).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let x: Vec<f32> = (0..columns).map(|i| ((i * 17 % 23) as f32 - 11.0) / 11.0).collect();
            let mut y = vec![0.0; rows];
            matvec(&w, &x, &mut y);
            for (row, y) in y.iter().enumerate() {
                let truth: f64 = (0..columns).map(|c| f64::from(w[row * columns + c]) * f64::from(x[c])).sum();
                prop_assert!((f64::from(*y) - truth).abs() < 1e-5);
            }
        }
    }
}
