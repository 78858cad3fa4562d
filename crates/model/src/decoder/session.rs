use kernels::matvec;

use super::Decoder;
use super::mixer::Carried;
use crate::Session;

/// A talk as a decoder has read it: what the mixer of every block carries.
pub(super) struct DecoderSession<'a> {
    model: &'a Decoder,
    carried: Vec<Carried>,
    length: usize,
    /// `[V]`
    logits: Vec<f32>,
}

impl<'a> DecoderSession<'a> {
    pub(super) fn new(model: &'a Decoder) -> Self {
        let carried = model.blocks.iter().map(super::Block::start).collect();
        Self { model, carried, length: 0, logits: vec![0.0; model.shape.vocab_size] }
    }
}

impl Session for DecoderSession<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        let model = self.model;
        let (n, width) = (tokens.len(), model.shape.hidden_size);
        assert!(n > 0, "at least one token");
        assert!(self.length + n <= model.shape.max_position_embeddings, "the session fits the context");
        let mut x: Vec<f32> = tokens.iter().flat_map(|&token| model.embedding_of(token)).copied().collect();
        for (block, carried) in model.blocks.iter().zip(&mut self.carried) {
            block.step(&mut x, n, self.length, &model.rope, carried);
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

    fn state_bytes(&self) -> usize {
        self.carried.iter().map(Carried::bytes).sum()
    }

    fn len(&self) -> usize {
        self.length
    }
}
