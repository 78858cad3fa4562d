//! Causal self-attention with grouped queries (Ainslie et al. 2023), as `Qwen3Attention`, `Qwen2Attention` and
//! `LlamaAttention` of `transformers` compute it.

mod causal;
mod rotation;
mod step;

use artifact::config::{AttentionBias, DecoderConfig};
use kernels::{Aligned, KeptRows, Role};
use rayon::prelude::*;

use self::causal::{Mixed, Projected};
use self::rotation::HeadNorms;
pub(super) use self::step::Cache;
use super::dropout::Dropout;
use super::linear::Linear;
use super::norm::{NormTape, RmsNorm};
use super::rows::{Rows, columns, with_scratch};
use super::time::Time;
use super::{NamedTensor, NamedTensorMut, rows_per_task};
use crate::Batch;

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

/// What the backward pass needs of the forward pass, beside the norm's; rotation it does again.
#[derive(Debug, Default)]
pub(super) struct AttentionTape {
    /// Before norm and rotation. `[N, (H + 2K) D]`
    qkv: Rows,
    /// Logarithm of each row's sum of exponentials. `[N, H]`
    log_sums: Rows,
    /// Heads' outputs, before the output projection. `[N, H D]`
    mixed: Rows,
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct AttentionScratch {
    /// The weights as products take them: of queries, keys and values, and of the output.
    weights: [Aligned<u16>; 2],
    /// The norms' scales of queries and keys. `[N, H + K]`
    scales: Rows,
    /// Queries and keys after norm and rotation. `[N, (H + K) D]`
    rotated: Rows,
    /// `[N, H D]`
    dmixed: Rows,
    /// `[N, (H + K) D]`
    drotated: Rows,
    /// `[N, (H + 2K) D]`
    dqkv: Rows,
    kept: Kept,
}

/// The factors of the weights' gradients.
#[derive(Debug, Default)]
struct Kept {
    /// The norm's output `[N, C]`
    normed: KeptRows,
    /// `[N, (H + 2K) D]`
    dqkv: KeptRows,
    /// `[N, H D]`
    mixed: KeptRows,
    /// `[N, C]`
    dy: KeptRows,
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

    /// x `[N, C]` becomes x + the layer's output for norm(x). A thread takes some rows through the norm, the projections
    /// and the rotation while they are in its cache.
    pub(super) fn forward(
        &self,
        norm: &RmsNorm,
        x: &mut Rows,
        Time { batch, rope, .. }: Time<'_>,
        (norm_tape, tape): (&mut NormTape, &mut AttentionTape),
        scratch: &mut AttentionScratch,
        dropout: Option<Dropout>,
    ) {
        let ((n, c), heads, positions) = (x.dim(), self.heads, positions(batch));
        let AttentionScratch { weights: [qkv_weight, output_weight], scales, rotated, .. } = scratch;
        let AttentionTape { qkv, log_sums, mixed } = tape;
        qkv.reset(n, heads.all());
        scales.reset(n, heads.queries + heads.keys);
        rotated.reset(n, heads.rotated());
        let projection = self.qkv.prepare(qkv_weight);
        let to = qkv.tasks_mut().zip(rotated.tasks_mut()).zip(scales.tasks_mut());
        let tasks = x.tasks().zip(norm_tape.tasks(n, c)).zip(to).zip(positions.par_chunks(rows_per_task(n)));
        tasks.for_each(|(((x, norm_task), ((qkv, rotated), scales)), positions)| {
            // Products write to the thread's cache; whole rows go on to memory.
            with_scratch([x.len(), qkv.len()], |[normed, projected]| {
                norm.forward_task(x, norm_task, normed);
                projection.apply(normed, 0.0, projected);
                qkv.copy_from_slice(projected);
                rotation::forward(heads, self.norms.as_ref(), rope, positions, projected, rotated, scales);
            });
        });

        let of = Projected { rotated: rotated.view(), qkv: qkv.view() };
        let (to, log_sums) = (mixed.reset(n, heads.queries * heads.width), log_sums.reset(n, heads.queries));
        causal::forward(heads, self.output.precision, batch, of, to, log_sums);

        let output = self.output.prepare(output_weight);
        x.tasks_mut().zip(mixed.tasks()).enumerate().for_each(|(task, (x, mixed))| {
            with_scratch([x.len()], |[branch]| {
                output.apply(mixed, 0.0, branch);
                if let Some(dropout) = dropout {
                    dropout.apply(branch, task * rows_per_task(n) * c);
                }
                kernels::add(x, branch);
            });
        });
    }

    /// dy `[N, C]` becomes dx.
    pub(super) fn backward(
        &self,
        norm: &RmsNorm,
        dx: &mut Rows,
        Time { batch, rope, .. }: Time<'_>,
        (norm_tape, tape): (&NormTape, &AttentionTape),
        scratch: &mut AttentionScratch,
        (norm_gradient, gradient): (&mut RmsNorm, &mut Self),
        dropout: Option<Dropout>,
    ) {
        let ((n, c), heads, precision) = (dx.dim(), self.heads, self.output.precision);
        let positions = positions(batch);
        let AttentionScratch {
            weights: [qkv_weight, output_weight],
            scales,
            rotated,
            dmixed,
            drotated,
            dqkv,
            kept,
        } = scratch;
        let AttentionTape { qkv, log_sums, mixed } = tape;
        let width = heads.queries * heads.width;

        let output = self.output.prepare_backward(output_weight);
        dmixed.reset(n, width);
        let keep =
            KeptRows::tasks([(&mut kept.dy, c), (&mut kept.mixed, width)], precision, n, rows_per_task(n));
        let tasks = dx.tasks().zip(mixed.tasks()).zip(dmixed.tasks_mut()).zip(keep).enumerate();
        let output_bias: Vec<Vec<f32>> = tasks
            .map(|(task, (((dx, mixed), dmixed), [mut keep_dy, mut keep_mixed]))| {
                with_scratch([dx.len(), dmixed.len()], |[dy, branch]| {
                    dy.copy_from_slice(dx);
                    if let Some(dropout) = dropout {
                        dropout.apply(dy, task * rows_per_task(n) * c);
                    }
                    keep_dy.store(dy, Role::Gradient);
                    keep_mixed.store(mixed, Role::Input);
                    output.apply(dy, 0.0, branch);
                    dmixed.copy_from_slice(branch);
                    self.output.bias_part(dy)
                })
            })
            .collect();
        gradient.output.add_kept(&kept.dy, &kept.mixed, &output_bias);

        rotated.reset(n, heads.rotated());
        scales.reset(n, heads.queries + heads.keys);
        let tasks = qkv.tasks().zip(rotated.tasks_mut()).zip(scales.tasks_mut());
        tasks.zip(positions.par_chunks(rows_per_task(n))).for_each(
            |(((qkv, rotated), scales), positions)| {
                rotation::forward(heads, self.norms.as_ref(), rope, positions, qkv, rotated, scales);
            },
        );
        // The values' gradient goes to its place at once; that of queries and keys passes rotation and norm first.
        let of = Projected { rotated: rotated.view(), qkv: qkv.view() };
        let was = Mixed { mixed: mixed.view(), log_sums: log_sums.view() };
        let (to_rotated, to_values) = (drotated.reset(n, heads.rotated()), dqkv.reset(n, heads.all()));
        causal::backward(heads, precision, batch, of, was, dmixed.view(), to_rotated, to_values);

        let projection = self.qkv.prepare_backward(qkv_weight);
        let keep = [(&mut kept.dqkv, heads.all()), (&mut kept.normed, c)];
        let keep = KeptRows::tasks(keep, precision, n, rows_per_task(n));
        let of = qkv.tasks().zip(scales.tasks()).zip(norm_tape.tasks_backward());
        let of = of.zip(positions.par_chunks(rows_per_task(n)));
        let tasks = dx.tasks_mut().zip(of).zip(drotated.tasks_mut().zip(dqkv.tasks_mut())).zip(keep);
        let parts: Vec<[Vec<f32>; 4]> = tasks
            .map(
                |(
                    ((dx, (((qkv, scales), norm_task), positions)), (drotated, dqkv)),
                    [mut keep_dqkv, mut keep_normed],
                )| {
                    let of = (qkv, scales);
                    let [dquery, dkey] =
                        rotation::backward(heads, self.norms.as_ref(), rope, positions, of, drotated, dqkv);
                    keep_dqkv.store(dqkv, Role::Gradient);
                    with_scratch([dx.len()], |[narrow]| {
                        norm.repeat_task(norm_task, narrow);
                        keep_normed.store(narrow, Role::Input);
                        projection.apply(dqkv, 0.0, narrow);
                        [norm.backward_task(narrow, norm_task, dx), self.qkv.bias_part(dqkv), dquery, dkey]
                    })
                },
            )
            .collect();
        let [norm_parts, qkv_bias, dquery, dkey] = columns(parts);
        norm_gradient.add_all(&norm_parts);
        gradient.qkv.add_kept(&kept.dqkv, &kept.normed, &qkv_bias);
        if let Some(norms) = &mut gradient.norms {
            norms.query.add_all(&dquery);
            norms.key.add_all(&dkey);
        }
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

/// The position of each row in its segment. `[N]`
fn positions(batch: &Batch) -> Vec<usize> {
    batch.segments().flat_map(|rows| 0..rows.len()).collect()
}
