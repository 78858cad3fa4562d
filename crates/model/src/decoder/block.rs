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
    mixer: MixerTape,
    feed_forward: FeedForwardTape,
}

/// Buffers that all blocks share.
#[derive(Debug, Default)]
pub(super) struct BlockScratch {
    mixer: MixerScratch,
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
        let (of_mixer, of_feed_forward) = (dropout.map(mixers), dropout.map(feed_forwards));
        self.mixer.forward(&self.mixer_norm, x, time, &mut tape.mixer, &mut scratch.mixer, of_mixer);
        self.feed_forward.forward(x, &mut tape.feed_forward, &mut scratch.feed_forward, of_feed_forward);
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
        let (of_mixer, of_feed_forward) = (dropout.map(mixers), dropout.map(feed_forwards));
        let feed_forward = &mut scratch.feed_forward;
        self.feed_forward.backward(
            dx,
            &mut tape.feed_forward,
            feed_forward,
            &mut gradient.feed_forward,
            of_feed_forward,
        );
        let gradients = (&mut gradient.mixer_norm, &mut gradient.mixer);
        self.mixer.backward(
            &self.mixer_norm,
            dx,
            time,
            &mut tape.mixer,
            &mut scratch.mixer,
            gradients,
            of_mixer,
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
