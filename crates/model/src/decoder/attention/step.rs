//! Attention of a session, row after row, over the keys and values that it keeps.

use kernels::{add_scaled, dot, softmax};

use super::super::rope::Rope;
use super::Attention;
use super::rotation::norm_and_rotate;

/// Keys and values of one attention layer, as far as a session has come.
#[derive(Debug, Default)]
pub(in super::super) struct Cache {
    /// `[t, K D]`
    keys: Vec<f32>,
    /// `[t, K D]`
    values: Vec<f32>,
}

impl Cache {
    pub(in super::super) fn bytes(&self) -> usize {
        size_of_val(self.keys.as_slice()) + size_of_val(self.values.as_slice())
    }
}

impl Attention {
    /// The layer's output for the next rows x `[n, C]` of a session, the first of which stands at `position`.
    pub(in super::super) fn step(
        &self,
        x: &[f32],
        n: usize,
        position: usize,
        rope: &Rope,
        cache: &mut Cache,
    ) -> Vec<f32> {
        let width = self.heads.queries * self.heads.width;
        let qkv = self.qkv.apply(x, n);
        let mut mixed = vec![0.0; n * width];
        let rows = qkv.chunks_exact(self.heads.all()).zip(mixed.chunks_exact_mut(width));
        for (row, (qkv, mixed)) in rows.enumerate() {
            self.step_row(qkv, position + row, rope, cache, mixed);
        }
        self.output.apply(&mixed, n)
    }

    /// One row at `position`, given all rows before it: `mixed` `[H D]` from `qkv` `[(H + 2K) D]`.
    fn step_row(&self, qkv: &[f32], position: usize, rope: &Rope, cache: &mut Cache, mixed: &mut [f32]) {
        let heads = self.heads;
        let (width, kept) = (heads.width, heads.keys * heads.width);
        let mut rotated = vec![0.0; heads.rotated()];
        let mut scales = vec![0.0; heads.queries + heads.keys];
        norm_and_rotate(heads, self.norms.as_ref(), qkv, &mut rotated, &mut scales, rope, position);
        let (queries, keys) = rotated.split_at(heads.queries * width);
        cache.keys.extend_from_slice(keys);
        cache.values.extend_from_slice(&qkv[heads.rotated()..]);

        let mut scores = vec![0.0; position + 1];
        for (head, (query, mixed)) in
            queries.chunks_exact(width).zip(mixed.chunks_exact_mut(width)).enumerate()
        {
            let start = head / heads.group() * width;
            for (score, keys) in scores.iter_mut().zip(cache.keys.chunks_exact(kept)) {
                *score = dot(query, &keys[start..start + width]) * heads.scale();
            }
            softmax(&mut scores);
            mixed.fill(0.0);
            for (score, values) in scores.iter().zip(cache.values.chunks_exact(kept)) {
                add_scaled(mixed, &values[start..start + width], *score);
            }
        }
    }
}
