//! Causal self-attention with grouped queries (Ainslie et al. 2023), as `Qwen3Attention`, `Qwen2Attention` and
//! `LlamaAttention` of `transformers` compute it.

mod causal;
mod rotation;
mod step;

use artifact::config::{AttentionBias, DecoderConfig};
use ndarray::ArrayView2;

use self::causal::{Mixed, Projected};
use self::rotation::HeadNorms;
pub(super) use self::step::Cache;
use super::linear::Linear;
use super::norm::RmsNorm;
use super::rows::Rows;
use super::time::Time;
use super::{NamedTensor, NamedTensorMut};

/// Attention: the mixer of the Transformer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attention {
    heads: Heads,
    /// Query, key and value projections, one product. `[(H + 2K) D, C]`
    qkv: Linear,
    /// `[C, H D]`
    output: Linear,
    norms: Option<HeadNorms>,
}

/// The shape of the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heads {
    /// H
    queries: usize,
    /// K
    keys: usize,
    /// D
    width: usize,
}

impl Heads {
    /// Queries and keys together: (H + K) D.
    fn rotated(self) -> usize {
        (self.queries + self.keys) * self.width
    }

    /// Queries, keys and values together: (H + 2K) D.
    fn all(self) -> usize {
        self.rotated() + self.keys * self.width
    }

    /// Query heads that share a key head: H / K.
    fn group(self) -> usize {
        self.queries / self.keys
    }

    /// Divides the scores: 1 / sqrt(D).
    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct AttentionTape {
    /// Before norm and rotation. `[N, (H + 2K) D]`
    qkv: Rows,
    /// The norms' scales of queries and keys. `[N, H + K]`
    scales: Rows,
    /// Queries and keys after norm and rotation. `[N, (H + K) D]`
    rotated: Rows,
    /// Logarithm of each row's sum of exponentials. `[N, H]`
    log_sums: Rows,
    /// Heads' outputs, before the output projection. `[N, H D]`
    mixed: Rows,
}

/// Buffers of the backward pass, shared by all blocks.
#[derive(Debug, Default)]
pub(super) struct AttentionScratch {
    /// `[N, H D]`
    dmixed: Rows,
    /// `[N, (H + K) D]`
    drotated: Rows,
    /// `[N, (H + 2K) D]`
    dqkv: Rows,
}

impl Attention {
    pub(super) fn zeros(config: &DecoderConfig) -> Self {
        let heads = Heads {
            queries: config.num_attention_heads,
            keys: config.num_key_value_heads,
            width: config.head_dim,
        };
        let norm = || RmsNorm::new(heads.width, config.rms_norm_eps as f32);
        let qkv = Linear::zeros(heads.all(), config.hidden_size);
        let output = Linear::zeros(config.hidden_size, heads.queries * heads.width);
        let (qkv, output) = match config.attention_bias {
            AttentionBias::None => (qkv, output),
            AttentionBias::QueryKeyValue => (qkv.with_bias(), output),
            AttentionBias::All => (qkv.with_bias(), output.with_bias()),
        };
        Self { heads, qkv, output, norms: config.qk_norm.then(|| HeadNorms { query: norm(), key: norm() }) }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            heads: self.heads,
            qkv: self.qkv.zeros_like(),
            output: self.output.zeros_like(),
            norms: self.norms.as_ref().map(HeadNorms::zeros_like),
        }
    }

    pub(super) fn matrices(&mut self) -> [&mut Linear; 2] {
        [&mut self.qkv, &mut self.output]
    }

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(
        &self,
        x: ArrayView2<'_, f32>,
        Time { batch, rope, .. }: Time<'_>,
        y: &mut Rows,
        tape: &mut AttentionTape,
    ) {
        let (n, heads) = (x.dim().0, self.heads);
        self.qkv.forward(x, 0.0, tape.qkv.reset(n, heads.all()));
        let AttentionTape { qkv, scales, rotated, log_sums, mixed } = tape;
        rotation::forward(heads, self.norms.as_ref(), batch, rope, qkv, rotated, scales);
        let of = Projected { rotated: rotated.view(), qkv: qkv.view() };
        let log_sums = log_sums.reset(n, heads.queries);
        causal::forward(
            heads,
            self.output.precision,
            batch,
            of,
            mixed.reset(n, heads.queries * heads.width),
            log_sums,
        );
        self.output.forward(mixed.view(), 1.0, y.view_mut());
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        Time { batch, rope, .. }: Time<'_>,
        tape: &AttentionTape,
        dx: &mut Rows,
        scratch: &mut AttentionScratch,
        gradient: &mut Self,
    ) {
        let (n, heads) = (x.dim().0, self.heads);
        let AttentionScratch { dmixed, drotated, dqkv } = scratch;
        let AttentionTape { qkv, scales, rotated, log_sums, mixed } = tape;
        let to = dmixed.reset(n, heads.queries * heads.width);
        self.output.backward(dy, mixed.view(), 0.0, to, &mut gradient.output);

        // The values' gradient goes to its place at once; that of queries and keys passes rotation and norm first.
        let of = Projected { rotated: rotated.view(), qkv: qkv.view() };
        let was = Mixed { mixed: mixed.view(), log_sums: log_sums.view() };
        let (drotated_zero, dqkv_zero) =
            (drotated.reset_to_zero(n, heads.rotated()), dqkv.reset_to_zero(n, heads.all()));
        causal::backward(
            heads,
            self.output.precision,
            batch,
            of,
            was,
            dmixed.view(),
            drotated_zero,
            dqkv_zero,
        );

        let norms = self.norms.as_ref().zip(gradient.norms.as_mut());
        rotation::backward(heads, norms, batch, rope, (qkv, scales), drotated, dqkv);
        self.qkv.backward(dqkv.view(), x, 0.0, dx.reset(n, x.dim().1), &mut gradient.qkv);
    }

    /// The rows of the fused projection, part after part.
    fn projections(heads: Heads) -> [(&'static str, usize); 3] {
        let keys = heads.keys * heads.width;
        [
            ("self_attn.q_proj", heads.queries * heads.width),
            ("self_attn.k_proj", keys),
            ("self_attn.v_proj", keys),
        ]
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        self.qkv.visit(&Self::projections(self.heads), tensor);
        if let Some(norms) = &self.norms {
            tensor("self_attn.q_norm.weight", &[self.heads.width], &norms.query.weight);
            tensor("self_attn.k_norm.weight", &[self.heads.width], &norms.key.weight);
        }
        self.output.visit(&[("self_attn.o_proj", self.output.weight.dim().0)], tensor);
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        self.qkv.visit_mut(&Self::projections(self.heads), tensor);
        if let Some(norms) = &mut self.norms {
            tensor("self_attn.q_norm.weight", &[self.heads.width], &mut norms.query.weight);
            tensor("self_attn.k_norm.weight", &[self.heads.width], &mut norms.key.weight);
        }
        let outputs = self.output.weight.dim().0;
        self.output.visit_mut(&[("self_attn.o_proj", outputs)], tensor);
    }
}
