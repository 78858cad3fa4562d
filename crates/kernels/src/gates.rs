//! Gates of recurrent and convolutional layers. Each function takes whole rows, laid end to end; `width` is P, the
//! width of the layer's state.

use crate::level::leveled;
use crate::vector::{sigmoid, tanh};

leveled! {
    /// One step of a GRU (Cho et al. 2014, in PyTorch's variant, which resets after the product):
    ///
    /// ```text
    /// r = s(i_r + h_r)    z = s(i_z + h_z)    n = tanh(i_n + r h_n)    h = (1 - z) n + z previous
    /// ```
    ///
    /// `gates` `[S, 3P]` holds the input's parts i and takes r, z and n; `hidden` `[S, 3P]` holds the state's
    /// parts `h_r`, `h_z` and `h_n`; `candidates` `[S, P]` takes the last of those; `previous` and `state` are `[S, P]`.
    pub fn gru(
        hidden: &[f32],
        previous: &[f32],
        width: usize,
        gates: &mut [f32],
        candidates: &mut [f32],
        state: &mut [f32],
    ) {
        let rows = gates
            .chunks_exact_mut(3 * width)
            .zip(hidden.chunks_exact(3 * width))
            .zip(previous.chunks_exact(width))
            .zip(candidates.chunks_exact_mut(width).zip(state.chunks_exact_mut(width)));
        for (((gates, hidden), previous), (candidates, state)) in rows {
            let (r, gates) = gates.split_at_mut(width);
            let (z, n) = gates.split_at_mut(width);
            let n = &mut n[..width];
            let (hidden_r, hidden) = hidden.split_at(width);
            let (hidden_z, hidden_n) = hidden.split_at(width);
            let hidden_n = &hidden_n[..width];
            for i in 0..width {
                r[i] = sigmoid(r[i] + hidden_r[i]);
                z[i] = sigmoid(z[i] + hidden_z[i]);
                n[i] = tanh(n[i] + r[i] * hidden_n[i]);
                candidates[i] = hidden_n[i];
                state[i] = n[i] + z[i] * (previous[i] - n[i]);
            }
        }
    }
}

leveled! {
    /// Backward of [`gru`]: `gates` becomes the gradient of the input's part i, `dhidden` `[S, 3P]` takes that of the
    /// state's part, and `dprevious` `[S, P]` gains what does not pass through that part.
    ///
    /// Forward was h = (1 - z) n + z p with n = tanh(a), a = i + r b and b = `h_n`, so da = dh (1 - z) (1 - n^2),
    /// dz = dh (p - n), dr = da b, db = da r, dp = dh z; and a logistic s has the derivative s (1 - s).
    pub fn gru_backward(
        dstate: &[f32],
        previous: &[f32],
        candidates: &[f32],
        width: usize,
        gates: &mut [f32],
        dhidden: &mut [f32],
        dprevious: &mut [f32],
    ) {
        let rows = gates
            .chunks_exact_mut(3 * width)
            .zip(dhidden.chunks_exact_mut(3 * width))
            .zip(dstate.chunks_exact(width).zip(previous.chunks_exact(width)))
            .zip(candidates.chunks_exact(width).zip(dprevious.chunks_exact_mut(width)));
        for (((gates, dhidden), (dstate, previous)), (candidates, dprevious)) in rows {
            let (r, gates) = gates.split_at_mut(width);
            let (z, n) = gates.split_at_mut(width);
            let n = &mut n[..width];
            let (dhidden_r, dhidden) = dhidden.split_at_mut(width);
            let (dhidden_z, dhidden_n) = dhidden.split_at_mut(width);
            let dhidden_n = &mut dhidden_n[..width];
            for i in 0..width {
                let (reset, keep, new) = (r[i], z[i], n[i]);
                let da = dstate[i] * (1.0 - keep) * (1.0 - new * new);
                let dr = da * candidates[i] * reset * (1.0 - reset);
                let dz = dstate[i] * (previous[i] - new) * keep * (1.0 - keep);
                (r[i], z[i], n[i]) = (dr, dz, da);
                (dhidden_r[i], dhidden_z[i], dhidden_n[i]) = (dr, dz, da * reset);
                dprevious[i] += dstate[i] * keep;
            }
        }
    }
}

leveled! {
    /// One step of an LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000):
    ///
    /// ```text
    /// i = s(a_i)    f = s(a_f)    g = tanh(a_g)    o = s(a_o)    c = f previous + i g    h = o tanh(c)
    /// ```
    ///
    /// `gates` `[S, 4P]` holds a and takes i, f, g and o; `previous`, `cells` (c) and `state` (h) are `[S, P]`.
    pub fn lstm(previous: &[f32], width: usize, gates: &mut [f32], cells: &mut [f32], state: &mut [f32]) {
        let rows = gates
            .chunks_exact_mut(4 * width)
            .zip(previous.chunks_exact(width))
            .zip(cells.chunks_exact_mut(width).zip(state.chunks_exact_mut(width)));
        for ((gates, previous), (cells, state)) in rows {
            let (input, gates) = gates.split_at_mut(width);
            let (forget, gates) = gates.split_at_mut(width);
            let (new, output) = gates.split_at_mut(width);
            let output = &mut output[..width];
            for i in 0..width {
                input[i] = sigmoid(input[i]);
                forget[i] = sigmoid(forget[i]);
                new[i] = tanh(new[i]);
                output[i] = sigmoid(output[i]);
                cells[i] = forget[i] * previous[i] + input[i] * new[i];
                state[i] = output[i] * tanh(cells[i]);
            }
        }
    }
}

leveled! {
    /// Backward of [`lstm`]: `gates` becomes the gradient of a, and `dcells` `[S, P]`, which holds what later steps
    /// ask of c, becomes what this one asks of `previous`.
    ///
    /// Forward was c = f p + i g, h = o tanh(c), so do = dh tanh(c), dc += dh o (1 - tanh(c)^2), di = dc g, df = dc p,
    /// dg = dc i, dp = dc f.
    pub fn lstm_backward(
        dstate: &[f32],
        previous: &[f32],
        cells: &[f32],
        width: usize,
        gates: &mut [f32],
        dcells: &mut [f32],
    ) {
        let rows = gates
            .chunks_exact_mut(4 * width)
            .zip(dstate.chunks_exact(width).zip(previous.chunks_exact(width)))
            .zip(cells.chunks_exact(width).zip(dcells.chunks_exact_mut(width)));
        for ((gates, (dstate, previous)), (cells, dcells)) in rows {
            let (input, gates) = gates.split_at_mut(width);
            let (forget, gates) = gates.split_at_mut(width);
            let (new, output) = gates.split_at_mut(width);
            let output = &mut output[..width];
            for k in 0..width {
                let (i, f, g, o) = (input[k], forget[k], new[k], output[k]);
                let squashed = tanh(cells[k]);
                let dc = dcells[k] + dstate[k] * o * (1.0 - squashed * squashed);
                input[k] = dc * g * i * (1.0 - i);
                forget[k] = dc * previous[k] * f * (1.0 - f);
                new[k] = dc * i * (1.0 - g * g);
                output[k] = dstate[k] * squashed * o * (1.0 - o);
                dcells[k] = dc * f;
            }
        }
    }
}

leveled! {
    /// Gated linear unit (Dauphin et al. 2017): y = a s(b), for rows `[a | b]` of `2 width` and `y` of `width`.
    pub fn glu(pairs: &[f32], width: usize, y: &mut [f32]) {
        for (pair, y) in pairs.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
            let (value, gate) = pair.split_at(width);
            for i in 0..width {
                y[i] = value[i] * sigmoid(gate[i]);
            }
        }
    }
}

leveled! {
    /// Backward of [`glu`]: overwrites `pairs` by its gradient, given `dy`.
    ///
    /// Forward was y = a s(b), so da = dy s, db = dy a s (1 - s).
    pub fn glu_backward(dy: &[f32], width: usize, pairs: &mut [f32]) {
        for (pair, dy) in pairs.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)) {
            let (value, gate) = pair.split_at_mut(width);
            for i in 0..width {
                let s = sigmoid(gate[i]);
                gate[i] = dy[i] * value[i] * s * (1.0 - s);
                value[i] = dy[i] * s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    fn gru64(v: &[f64]) -> f64 {
        let &[ir, iz, i_n, hr, hz, hn, previous] = v else { unreachable!("seven values") };
        let (r, z) = (s(ir + hr), s(iz + hz));
        let n = (i_n + r * hn).tanh();
        (1.0 - z) * n + z * previous
    }

    /// (c, h)
    fn lstm64(v: &[f64]) -> (f64, f64) {
        let &[i, f, g, o, previous] = v else { unreachable!("five values") };
        let c = s(f) * previous + s(i) * g.tanh();
        (c, s(o) * c.tanh())
    }

    /// The derivative of `f` by each of its arguments.
    fn slopes(x: &[f32], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let moved = |i: usize, by: f64| {
            let mut x = x.clone();
            x[i] += by;
            f(&x)
        };
        (0..x.len()).map(|i| (moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5).collect()
    }

    fn check(ours: f32, truth: f64) -> Result<(), TestCaseError> {
        prop_assert!((f64::from(ours) - truth).abs() <= 2e-6 * truth.abs().max(1.0), "{ours} for {truth}");
        Ok(())
    }

    /// Lane `i` of each array of a row `[arrays, width]`.
    fn lane(row: &[f32], width: usize, i: usize) -> impl Iterator<Item = f32> + '_ {
        row.iter().skip(i).step_by(width).copied()
    }

    proptest! {
        #[test]
        fn a_gru_agrees_with_f64_and_its_derivatives(
            (width, x) in (1..40usize).prop_flat_map(|p| (Just(p), prop::collection::vec(-4.0..4.0f32, 8 * p))),
        ) {
            let at = |array: usize| &x[array * width..];
            let (input, hidden) = (&at(0)[..3 * width], &at(3)[..3 * width]);
            let (previous, dstate) = (&at(6)[..width], &at(7)[..width]);
            let mut gates = input.to_vec();
            let (mut candidates, mut state) = (vec![0.0; width], vec![0.0; width]);
            gru(hidden, previous, width, &mut gates, &mut candidates, &mut state);
            let (mut dhidden, mut dprevious) = (vec![0.0; 3 * width], vec![0.5; width]);
            gru_backward(dstate, previous, &candidates, width, &mut gates, &mut dhidden, &mut dprevious);
            for i in 0..width {
                let arguments: Vec<f32> = lane(&x[..7 * width], width, i).collect();
                check(state[i], gru64(&arguments.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))?;
                let ours = lane(&gates, width, i).chain(lane(&dhidden, width, i)).chain([dprevious[i] - 0.5]);
                for (ours, slope) in ours.zip(slopes(&arguments, gru64)) {
                    check(ours, f64::from(dstate[i]) * slope)?;
                }
            }
        }

        #[test]
        fn an_lstm_agrees_with_f64_and_its_derivatives(
            (width, x) in (1..40usize).prop_flat_map(|p| (Just(p), prop::collection::vec(-4.0..4.0f32, 7 * p))),
        ) {
            let at = |array: usize| &x[array * width..];
            let (previous, dstate, later) = (&at(4)[..width], &at(5)[..width], &at(6)[..width]);
            let mut gates = at(0)[..4 * width].to_vec();
            let (mut cells, mut state) = (vec![0.0; width], vec![0.0; width]);
            lstm(previous, width, &mut gates, &mut cells, &mut state);
            let mut dcells = later.to_vec();
            lstm_backward(dstate, previous, &cells, width, &mut gates, &mut dcells);
            for i in 0..width {
                let arguments: Vec<f32> = lane(&x[..5 * width], width, i).collect();
                let (c, h) = lstm64(&arguments.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
                check(cells[i], c)?;
                check(state[i], h)?;
                let asked = |v: &[f64]| {
                    let (c, h) = lstm64(v);
                    f64::from(later[i]) * c + f64::from(dstate[i]) * h
                };
                let ours = lane(&gates, width, i).chain([dcells[i]]);
                for (ours, slope) in ours.zip(slopes(&arguments, asked)) {
                    check(ours, slope)?;
                }
            }
        }

        #[test]
        fn a_linear_gate_agrees_with_f64_and_its_derivatives(
            (width, x) in (1..40usize).prop_flat_map(|p| (Just(p), prop::collection::vec(-4.0..4.0f32, 3 * p))),
        ) {
            let (pairs, dy) = x.split_at(2 * width);
            let mut y = vec![0.0; width];
            glu(pairs, width, &mut y);
            let mut gradient = pairs.to_vec();
            glu_backward(dy, width, &mut gradient);
            for i in 0..width {
                let arguments: Vec<f32> = lane(pairs, width, i).collect();
                check(y[i], f64::from(arguments[0]) * s(f64::from(arguments[1])))?;
                for (ours, slope) in lane(&gradient, width, i).zip(slopes(&arguments, |v| v[0] * s(v[1]))) {
                    check(ours, f64::from(dy[i]) * slope)?;
                }
            }
        }
    }
}
