//! Row-wise primitives. Each takes whole rows, laid end to end.

use crate::level::leveled;

/// Sums run over this many lanes side by side, whatever the processor, so that every level adds in the same order.
pub(crate) const LANES: usize = 16;

/// `exp(x)` to 2 units in the last place, by n = round(x / ln 2) and Cephes' polynomial for the rest; 0 far below, and
/// never infinite.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the rounded whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that the first product is exact.
    let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4;
    let p = 1.987_569_15e-4;
    let p = p * r + 1.398_199_95e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_55e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    y * f32::from_bits(exponent)
}

#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh(x)` to 3 units in the last place: Cephes' polynomial near zero, 1 - 2 / (exp(2|x|) + 1) elsewhere.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let p = -5.704_988_7e-3;
    let p = p * square + 2.063_908_9e-2;
    let p = p * square - 5.373_971_6e-2;
    let p = p * square + 1.333_144_2e-1;
    let p = p * square - 3.333_328_2e-1;
    let near = p * square * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// The sum of `term(i)` for i below `length`, in the fixed order of [`LANES`] lanes.
#[inline(always)]
fn sum(length: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = length - length % LANES;
    let mut start = 0;
    while start < whole {
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value += term(start + lane);
        }
        start += LANES;
    }
    for i in whole..length {
        lanes[i - whole] += term(i);
    }
    fold(&mut lanes)
}

/// The sum of all lanes, halves upon halves; spends them.
#[inline(always)]
pub(crate) fn fold(lanes: &mut [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest value; negative infinity of none.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

leveled! {
    /// The product of two vectors of one length.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let b = &b[..a.len()];
        sum(a.len(), |i| a[i] * b[i])
    }
}

leveled! {
    /// `y += x`.
    pub fn add(y: &mut [f32], x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

leveled! {
    /// `y += factor * x`.
    pub fn add_scaled(y: &mut [f32], x: &[f32], factor: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += factor * x;
        }
    }
}

leveled! {
    /// Dropout (Srivastava et al. 2014): each value becomes zero with the probability `rate`, or is divided by 1 - `rate`,
    /// by a hash (`MurmurHash3`'s finalizer) of the seed and its place, which is `first` for the first one.
    pub fn dropout(values: &mut [f32], rate: f32, seed: u32, first: usize) {
        let limit = (f64::from(rate) * 4_294_967_296.0) as u32;
        let kept = 1.0 / (1.0 - rate);
        for (i, value) in values.iter_mut().enumerate() {
            let mut hash = ((first + i) as u32).wrapping_mul(0x9e37_79b9) ^ seed;
            hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
            hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
            hash ^= hash >> 16;
            *value *= if hash < limit { 0.0 } else { kept };
        }
    }
}

leveled! {
    /// `x *= factor`.
    pub fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }
}

leveled! {
    /// `RMSNorm` (Zhang & Sennrich 2019) of each row: y = x r w with r = 1 / sqrt(mean(x^2) + epsilon).
    ///
    /// `x` and `y` are rows of `w`'s length; `scales` takes r, one a row.
    pub fn rms_norm(x: &[f32], w: &[f32], epsilon: f32, y: &mut [f32], scales: &mut [f32]) {
        let width = w.len();
        for ((x, y), scale) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales) {
            *scale = 1.0 / (sum(width, |i| x[i] * x[i]) / width as f32 + epsilon).sqrt();
            for i in 0..width {
                y[i] = x[i] * *scale * w[i];
            }
        }
    }
}

leveled! {
    /// What [`rms_norm`] made of x, given the scales that it took.
    pub fn rms_norm_again(x: &[f32], w: &[f32], scales: &[f32], y: &mut [f32]) {
        let width = w.len();
        for ((x, y), scale) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales) {
            for i in 0..width {
                y[i] = x[i] * *scale * w[i];
            }
        }
    }
}

leveled! {
    /// Backward of [`rms_norm`]: adds to `dx` and to `dw`, given `dy`.
    ///
    /// Forward was y = x r w, so with g = dy w: dx = r g - x r^3 mean(g x), dw = sum over rows of dy x r.
    pub fn rms_norm_backward(
        dy: &[f32],
        x: &[f32],
        w: &[f32],
        scales: &[f32],
        dx: &mut [f32],
        dw: &mut [f32],
    ) {
        let width = w.len();
        let dw = &mut dw[..width];
        let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(scales);
        for (((dy, x), dx), &r) in rows {
            let mean = sum(width, |i| dy[i] * w[i] * x[i]) / width as f32;
            let along = r * r * r * mean;
            for i in 0..width {
                dx[i] += r * dy[i] * w[i] - along * x[i];
                dw[i] += dy[i] * x[i] * r;
            }
        }
    }
}

leveled! {
    /// `SwiGLU`'s gate (Shazeer 2020): y = silu(gate) up, for rows `[gate | up]` of `2 width` and `y` of `width`.
    pub fn silu_mul(gate_up: &[f32], width: usize, y: &mut [f32]) {
        for (gate_up, y) in gate_up.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
            let (gate, up) = gate_up.split_at(width);
            for i in 0..width {
                y[i] = gate[i] * sigmoid(gate[i]) * up[i];
            }
        }
    }
}

leveled! {
    /// Backward of [`silu_mul`]: overwrites `gate_up` by its gradient, given `dy`.
    ///
    /// Forward was y = g s(g) u with s the logistic function, so dg = dy u s (1 + g (1 - s)), du = dy g s.
    pub fn silu_mul_backward(dy: &[f32], width: usize, gate_up: &mut [f32]) {
        for (gate_up, dy) in gate_up.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)) {
            let (gate, up) = gate_up.split_at_mut(width);
            for i in 0..width {
                let (g, u, s) = (gate[i], up[i], sigmoid(gate[i]));
                gate[i] = dy[i] * u * s * (1.0 + g * (1.0 - s));
                up[i] = dy[i] * g * s;
            }
        }
    }
}

leveled! {
    /// Softmax of one row in place; gives the logarithm of the sum of the exponentials.
    pub fn softmax(x: &mut [f32]) -> f32 {
        let top = largest(x);
        for value in x.iter_mut() {
            *value = exp(*value - top);
        }
        let total = sum(x.len(), |i| x[i]);
        let inverse = 1.0 / total;
        for value in x.iter_mut() {
            *value *= inverse;
        }
        top + total.ln()
    }
}

leveled! {
    /// x = exp(x - shift): a row of probabilities again, from scores and the logarithm that [`softmax`] gave.
    pub fn exp_shifted(x: &mut [f32], shift: f32) {
        for value in x.iter_mut() {
            *value = exp(*value - shift);
        }
    }
}

leveled! {
    /// Backward of softmax within attention: `scores` holds the probabilities p and becomes p (dp - delta) scale.
    pub fn softmax_backward(p: &mut [f32], dp: &[f32], delta: f32, scale: f32) {
        for (p, dp) in p.iter_mut().zip(dp) {
            *p = *p * (*dp - delta) * scale;
        }
    }
}

leveled! {
    /// Rotary position embedding (Su et al. 2021) of one head in place, by halves as Hugging Face lays it out:
    /// x1 = x1 cos - x2 sin, x2 = x2 cos + x1 sin. `cos` and `sin` hold half the head's width; the inverse rotation
    /// takes `-sin`.
    pub fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32], direction: f32) {
        let half = cos.len();
        let (x1, x2) = x[..2 * half].split_at_mut(half);
        let sin = &sin[..half];
        for i in 0..half {
            let (a, b, s) = (x1[i], x2[i], sin[i] * direction);
            x1[i] = a * cos[i] - b * s;
            x2[i] = b * cos[i] + a * s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Agreement to a few units in the last place of the largest magnitude.
    fn close(ours: f32, truth: f64) -> bool {
        (f64::from(ours) - truth).abs() <= 4e-6 * truth.abs().max(1.0)
    }

    fn silu(x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let truth = f64::from(x).exp();
            assert!((f64::from(exp(x)) / truth - 1.0).abs() < 2.4e-7, "exp({x}) = {} for {truth}", exp(x));
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn tanh_is_exact_to_three_units_in_the_last_place() {
        for step in -20_000..20_000 {
            let x = (step as f32 + 0.5) / 1000.0;
            let truth = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) / truth - 1.0).abs() < 3.6e-7, "tanh({x}) = {} for {truth}", tanh(x));
        }
        assert_eq!((tanh(0.0), tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (0.0, 1.0, -1.0));
    }

    proptest! {
        #[test]
        fn norm_agrees_with_f64(x in prop::collection::vec(-3.0..3.0f32, 1..80)) {
            let w: Vec<f32> = (0..x.len()).map(|i| 1.0 + i as f32 / 50.0).collect();
            let (mut y, mut scale) = (vec![0.0; x.len()], [0.0]);
            rms_norm(&x, &w, 1e-6, &mut y, &mut scale);
            let mean = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / x.len() as f64;
            for i in 0..x.len() {
                prop_assert!(close(y[i], f64::from(x[i]) * f64::from(w[i]) / (mean + 1e-6).sqrt()));
            }
        }

        #[test]
        fn softmax_agrees_with_f64(x in prop::collection::vec(-30.0..30.0f32, 1..80)) {
            let mut y = x.clone();
            let log_sum = softmax(&mut y);
            let total: f64 = x.iter().map(|&v| f64::from(v).exp()).sum();
            prop_assert!(close(log_sum, total.ln()));
            for (y, x) in y.iter().zip(&x) {
                prop_assert!(close(*y, f64::from(*x).exp() / total));
            }
        }

        #[test]
        fn gate_agrees_with_f64_and_its_derivative(g in -8.0..8.0f32, u in -3.0..3.0f32, dy in -2.0..2.0f32) {
            let mut pair = [g, u];
            let mut y = [0.0];
            silu_mul(&pair, 1, &mut y);
            let (g, u, dy64) = (f64::from(g), f64::from(u), f64::from(dy));
            prop_assert!(close(y[0], silu(g) * u));
            silu_mul_backward(&[dy], 1, &mut pair);
            let h = 1e-5;
            let slope = (silu(g + h) - silu(g - h)) / (2.0 * h);
            prop_assert!(close(pair[0], dy64 * u * slope));
            prop_assert!(close(pair[1], dy64 * silu(g)));
        }

        #[test]
        fn rotation_keeps_length_and_is_undone(x in prop::collection::vec(-3.0..3.0f32, 8), angle in -6.0..6.0f32) {
            let (cos, sin) = ([angle.cos(); 4], [angle.sin(); 4]);
            let mut y = x.clone();
            rotate(&mut y, &cos, &sin, 1.0);
            prop_assert!(close(dot(&y, &y), f64::from(dot(&x, &x))));
            rotate(&mut y, &cos, &sin, -1.0);
            for (y, x) in y.iter().zip(&x) {
                prop_assert!(close(*y, f64::from(*x)));
            }
        }
    }

    #[test]
    fn dropout_drops_its_share_wherever_rows_are_cut() {
        let mut whole = vec![1.0; 100_000];
        dropout(&mut whole, 0.2, 7, 0);
        let dropped = whole.iter().filter(|&&value| value == 0.0).count();
        assert!((19_500..20_500).contains(&dropped), "{dropped} of 100000");
        assert!(whole.iter().all(|&value| value == 0.0 || (value - 1.25).abs() == 0.0));
        let mut part = vec![1.0; 300];
        dropout(&mut part, 0.2, 7, 5000);
        assert_eq!(part, whole[5000..5300]);
        let mut other = vec![1.0; 100_000];
        dropout(&mut other, 0.2, 8, 0);
        let both = whole.iter().zip(&other).filter(|&(a, b)| *a == 0.0 && *b == 0.0).count();
        assert!((3_700..4_300).contains(&both), "two seeds are independent: {both} of 4000");
    }
}
