//! Attention of sessions, row after row, over the keys and values that each keeps.

use kernels::{Threads, add_scaled, dot, softmax};
use rayon::prelude::*;

use super::super::rope::Rope;
use super::super::session::Span;
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

    /// The first `length` of `of` tokens.
    pub(in super::super) fn first(&self, length: usize, of: usize) -> Self {
        let end = self.keys.len().checked_div(of).unwrap_or(0) * length;
        Self { keys: self.keys[..end].to_vec(), values: self.values[..end].to_vec() }
    }
}

impl Attention {
    /// The layer's output for the next rows x `[n, C]` of sessions.
    pub(in super::super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        rope: &Rope,
        caches: Vec<&mut Cache>,
        threads: Threads,
    ) -> Vec<f32> {
        let (all, width) = (self.heads.all(), self.heads.queries * self.heads.width);
        let qkv = self.qkv.apply(x, threads);
        let mut mixed = vec![0.0; qkv.len() / all * width];
        let mut talks: Vec<_> = spans.iter().zip(caches).zip(Span::split(spans, &mut mixed, width)).collect();
        let mix = |((span, cache), mixed): &mut ((&Span, &mut Cache), &mut [f32])| {
            let rows = span.of(&qkv, all).chunks_exact(all).zip(mixed.chunks_exact_mut(width));
            for (position, (qkv, mixed)) in (span.position..).zip(rows) {
                self.step_row(qkv, position, rope, cache, mixed);
            }
        };
        match threads {
            Threads::One => talks.iter_mut().for_each(mix),
            Threads::All => talks.par_iter_mut().for_each(mix),
        }
        self.output.apply(&mixed, threads)
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
