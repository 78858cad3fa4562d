//! A block: m = x + mixer(norm(x)), y = m + `feed_forward(norm(m))`.

use artifact::config::{DecoderConfig, MixerKind};
use kernels::Threads;

use super::dropout::Dropout;
use super::feed_forward::{FeedForward, FeedForwardScratch, FeedForwardTape};
use super::linear::Linear;
use super::mixer::{Carried, Mixer, MixerScratch, MixerTape};
use super::norm::RmsNorm;
use super::rope::Rope;
use super::rows::Rows;
use super::session::Span;
use super::time::Time;
use super::{NamedTensor, NamedTensorMut};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    mixer_norm: RmsNorm,
    mixer: Mixer,
    feed_forward: FeedForward,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct BlockTape {
    /// The block's input. `[N, C]`
    x: Rows,
    /// Its norm. `[N, C]`
    normed: Rows,
    scales: Vec<f32>,
    mixer: MixerTape,
    feed_forward: FeedForwardTape,
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct BlockScratch {
    mixer: MixerScratch,
    /// `[N, C]`
    dnormed: Rows,
    /// What the mixer adds to the residual stream, or its gradient, where there is dropout. `[N, C]`
    branch: Rows,
    feed_forward: FeedForwardScratch,
}

/// The mixer's part of a block's dropout.
fn mixers(dropout: Dropout) -> Dropout {
    dropout.part(0)
}

/// The feed-forward layer's part of a block's dropout.
fn feed_forwards(dropout: Dropout) -> Dropout {
    dropout.part(1)
}

impl Block {
    /// A block before training: all matrices zero.
    pub(super) fn new(config: &DecoderConfig, kind: MixerKind, dilation: usize) -> Self {
        Self {
            mixer_norm: RmsNorm::new(config.hidden_size, config.rms_norm_eps as f32),
            mixer: Mixer::new(config, kind, dilation),
            feed_forward: FeedForward::zeros(config),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        Self {
            mixer_norm: self.mixer_norm.zeros_like(),
            mixer: self.mixer.zeros_like(),
            feed_forward: self.feed_forward.zeros_like(),
        }
    }

    /// Every matrix.
    pub(super) fn matrices(&mut self) -> Vec<&mut Linear> {
        let mut all = self.mixer.matrices();
        all.extend(self.feed_forward.matrices());
        all
    }

    /// x `[N, C]` becomes y.
    pub(super) fn forward(
        &self,
        x: &mut Rows,
        time: Time<'_>,
        tape: &mut BlockTape,
        scratch: &mut BlockScratch,
        dropout: Option<Dropout>,
    ) {
        let (n, c) = x.view().dim();
        tape.x.copy_from(x);
        tape.normed.reset(n, c);
        tape.scales.resize(n, 0.0);
        self.mixer_norm.forward(x.values(), tape.normed.values_mut(), &mut tape.scales);
        let BlockScratch { mixer, branch, feed_forward, .. } = scratch;
        if let Some(dropout) = dropout.map(mixers) {
            branch.reset_to_zero(n, c);
            self.mixer.forward(tape.normed.view(), time, branch, &mut tape.mixer, mixer);
            dropout.apply_all(branch);
            x.add(branch);
        } else {
            self.mixer.forward(tape.normed.view(), time, x, &mut tape.mixer, mixer);
        }
        self.feed_forward.forward(x, &mut tape.feed_forward, feed_forward, dropout.map(feed_forwards));
    }

    /// dy `[N, C]` becomes dx; spends the tape.
    ///
    /// Forward was y = m + f(norm(m)), m = x + a(norm(x)), so dm = dy + ..., dx = dm + ...
    pub(super) fn backward(
        &self,
        dx: &mut Rows,
        time: Time<'_>,
        tape: &mut BlockTape,
        scratch: &mut BlockScratch,
        gradient: &mut Self,
        dropout: Option<Dropout>,
    ) {
        let BlockScratch { mixer, dnormed, branch, feed_forward } = scratch;
        let of_feed_forward = dropout.map(feed_forwards);
        self.feed_forward.backward(
            dx,
            &mut tape.feed_forward,
            feed_forward,
            &mut gradient.feed_forward,
            of_feed_forward,
        );
        let dy = if let Some(dropout) = dropout.map(mixers) {
            branch.copy_from(dx);
            dropout.apply_all(branch);
            branch.view()
        } else {
            dx.view()
        };
        self.mixer.backward(
            dy,
            tape.normed.view(),
            time,
            &mut tape.mixer,
            dnormed,
            mixer,
            &mut gradient.mixer,
        );
        self.mixer_norm.backward(
            dnormed.values(),
            tape.x.values(),
            &tape.scales,
            dx.values_mut(),
            &mut gradient.mixer_norm,
        );
    }

    /// A session that has read nothing.
    pub(super) fn start(&self) -> Carried {
        self.mixer.start()
    }

    /// The next rows x `[n, C]` of sessions become y.
    pub(super) fn step(
        &self,
        x: &mut [f32],
        spans: &[Span],
        rope: &Rope,
        carried: Vec<&mut Carried>,
        threads: Threads,
    ) {
        let mixed = self.mixer.step(&self.mixer_norm.step(x), spans, rope, carried, threads);
        kernels::add(x, &mixed);
        self.feed_forward.step(x, threads);
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        let c = self.mixer_norm.weight.len();
        tensor("input_layernorm.weight", &[c], &self.mixer_norm.weight);
        self.mixer.visit(tensor);
        self.feed_forward.visit(tensor);
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        let c = self.mixer_norm.weight.len();
        tensor("input_layernorm.weight", &[c], &mut self.mixer_norm.weight);
        self.mixer.visit_mut(tensor);
        self.feed_forward.visit_mut(tensor);
    }
}
