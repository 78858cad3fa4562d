use kernels::{Threads, matvec, product, silu_mul};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::attention::Cache;
use super::linear::Linear;
use super::{Block, Decoder};
use crate::Session;

/// A talk as a decoder has read it: keys and values of every block.
pub(super) struct DecoderSession<'a> {
    model: &'a Decoder,
    caches: Vec<Cache>,
    length: usize,
    /// `[V]`
    logits: Vec<f32>,
}

impl<'a> DecoderSession<'a> {
    pub(super) fn new(model: &'a Decoder) -> Self {
        let caches = model.blocks.iter().map(|_| Cache::default()).collect();
        Self { model, caches, length: 0, logits: vec![0.0; model.config.vocab_size] }
    }
}

impl Session for DecoderSession<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        let model = self.model;
        let (n, width) = (tokens.len(), model.config.hidden_size);
        assert!(n > 0, "at least one token");
        assert!(self.length + n <= model.config.max_position_embeddings, "the session fits the context");
        let mut x: Vec<f32> = tokens.iter().flat_map(|&token| model.embedding_of(token)).copied().collect();
        for (block, cache) in model.blocks.iter().zip(&mut self.caches) {
            step(block, model, &mut x, self.length, cache);
        }
        self.length += n;

        let mut hidden = vec![0.0; width];
        kernels::rms_norm(
            &x[(n - 1) * width..],
            &model.norm.weight,
            model.norm.epsilon,
            &mut hidden,
            &mut [0.0],
        );
        matvec(model.head().values(), &hidden, &mut self.logits);
        &self.logits
    }

    fn len(&self) -> usize {
        self.length
    }
}

/// One block over the new rows x `[n, C]`, the first of which stands at `position`.
fn step(block: &Block, model: &Decoder, x: &mut [f32], position: usize, cache: &mut Cache) {
    let width = model.config.hidden_size;
    let n = x.len() / width;
    let mut normed = vec![0.0; x.len()];
    let mut scales = vec![0.0; n];

    let norm = &block.attention_norm;
    kernels::rms_norm(x, &norm.weight, norm.epsilon, &mut normed, &mut scales);
    let qkv = apply(&block.attention.qkv, &normed, n);
    let mixed_width = model.config.num_attention_heads * model.config.head_dim;
    let mut mixed = vec![0.0; n * mixed_width];
    let rows = qkv.chunks_exact(qkv.len() / n).zip(mixed.chunks_exact_mut(mixed_width));
    for (row, (qkv, mixed)) in rows.enumerate() {
        block.attention.step(qkv, position + row, &model.rope, cache, mixed);
    }
    kernels::add(x, &apply(&block.attention.output, &mixed, n));

    let norm = &block.feed_forward_norm;
    kernels::rms_norm(x, &norm.weight, norm.epsilon, &mut normed, &mut scales);
    let gate_up = apply(&block.feed_forward.gate_up, &normed, n);
    let hidden_width = model.config.intermediate_size;
    let mut hidden = vec![0.0; n * hidden_width];
    silu_mul(&gate_up, hidden_width, &mut hidden);
    kernels::add(x, &apply(&block.feed_forward.down, &hidden, n));
}

/// x Wt for x `[n, inputs]`, on the calling thread: many sessions run side by side.
fn apply(linear: &Linear, x: &[f32], n: usize) -> Vec<f32> {
    let (outputs, inputs) = linear.weight.dim();
    let mut y = vec![0.0; n * outputs];
    if n == 1 {
        matvec(linear.values(), x, &mut y);
    } else {
        let x = ArrayView2::from_shape((n, inputs), x).expect("n rows of the layer's inputs");
        let y = ArrayViewMut2::from_shape((n, outputs), &mut y).expect("n rows of the layer's outputs");
        product(x, linear.weight.t(), 1.0, 0.0, y, Threads::One);
    }
    y
}
