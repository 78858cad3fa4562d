//! The mixers: the only layers that move information across time.

use artifact::config::{DecoderConfig, MixerKind};
use kernels::Threads;
use rayon::prelude::*;

use super::attention::{Attention, AttentionScratch, AttentionTape, Cache};
use super::convolution::{Convolution, ConvolutionScratch, ConvolutionTape, History};
use super::dropout::Dropout;
use super::gru::Gru;
use super::linear::Linear;
use super::lstm::{Lstm, Memory};
use super::norm::{NormTape, RmsNorm};
use super::recurrent::{RecurrentScratch, RecurrentTape};
use super::rope::Rope;
use super::rows::Rows;
use super::session::Span;
use super::time::Time;
use super::{NamedTensor, NamedTensorMut};

/// One of the closed set of mixers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mixer {
    Attention(Attention),
    Gru(Gru),
    Lstm(Lstm),
    Convolution(Convolution),
}

/// What the backward pass needs of the forward pass. What the block's mixer does not use stays empty.
#[derive(Debug, Default)]
pub(super) struct MixerTape {
    norm: NormTape,
    /// The norm's output, where the mixer needs all of it at once. `[N, C]`
    normed: Rows,
    attention: AttentionTape,
    recurrent: RecurrentTape,
    convolution: ConvolutionTape,
}

/// Buffers that all blocks share. What no block's mixer uses stays empty.
#[derive(Debug, Default)]
pub(super) struct MixerScratch {
    /// `[N, C]`
    dnormed: Rows,
    /// What the mixer adds to the residual stream, or its gradient, where there is dropout. `[N, C]`
    branch: Rows,
    attention: AttentionScratch,
    recurrent: RecurrentScratch,
    convolution: ConvolutionScratch,
}

/// What a session carries from row to row.
#[derive(Debug)]
pub(super) enum Carried {
    /// Keys and values: grows with the session.
    Attention(Cache),
    /// h `[P]`
    Gru(Vec<f32>),
    /// h and c
    Lstm(Memory),
    /// The inputs that taps still reach.
    Convolution(History),
}

impl Carried {
    /// Its size: all that a step reads besides the weights.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Attention(cache) => cache.bytes(),
            Self::Gru(state) => size_of_val(state.as_slice()),
            Self::Lstm(memory) => memory.bytes(),
            Self::Convolution(history) => history.bytes(),
        }
    }

    /// As it was after the first `length` of the `of` tokens read; none where that is forgotten.
    pub(super) fn after(&self, length: usize, of: usize) -> Option<Self> {
        match self {
            Self::Attention(cache) => Some(Self::Attention(cache.first(length, of))),
            _ if length != of => None,
            Self::Gru(state) => Some(Self::Gru(state.clone())),
            Self::Lstm(memory) => Some(Self::Lstm(memory.clone())),
            Self::Convolution(history) => Some(Self::Convolution(history.clone())),
        }
    }
}

impl Mixer {
    /// The mixer of a block before training: all matrices zero.
    pub(super) fn new(config: &DecoderConfig, kind: MixerKind, dilation: usize) -> Self {
        match kind {
            MixerKind::Attention => Self::Attention(Attention::zeros(config)),
            MixerKind::Gru => Self::Gru(Gru::new(config)),
            MixerKind::Lstm => Self::Lstm(Lstm::new(config)),
            MixerKind::Convolution => Self::Convolution(Convolution::zeros(config, dilation)),
        }
    }

    pub(super) fn zeros_like(&self) -> Self {
        match self {
            Self::Attention(mixer) => Self::Attention(mixer.zeros_like()),
            Self::Gru(mixer) => Self::Gru(mixer.zeros_like()),
            Self::Lstm(mixer) => Self::Lstm(mixer.zeros_like()),
            Self::Convolution(mixer) => Self::Convolution(mixer.zeros_like()),
        }
    }

    /// Every matrix.
    pub(super) fn matrices(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::Attention(mixer) => mixer.matrices().into(),
            Self::Gru(Gru(mixer)) | Self::Lstm(Lstm(mixer)) => mixer.matrices().into(),
            Self::Convolution(mixer) => mixer.matrices().into(),
        }
    }

    /// x `[N, C]` becomes x + the layer's output for norm(x).
    pub(super) fn forward(
        &self,
        norm: &RmsNorm,
        x: &mut Rows,
        time: Time<'_>,
        tape: &mut MixerTape,
        scratch: &mut MixerScratch,
        dropout: Option<Dropout>,
    ) {
        if let Self::Attention(mixer) = self {
            let tapes = (&mut tape.norm, &mut tape.attention);
            return mixer.forward(norm, x, time, tapes, &mut scratch.attention, dropout);
        }
        let (n, c) = x.dim();
        tape.normed.reset(n, c);
        x.tasks()
            .zip(tape.norm.tasks(n, c))
            .zip(tape.normed.tasks_mut())
            .for_each(|((x, task), normed)| norm.forward_task(x, task, normed));
        let y = if dropout.is_some() { &mut scratch.branch } else { &mut *x };
        if dropout.is_some() {
            y.reset_to_zero(n, c);
        }
        let normed = tape.normed.view();
        match self {
            Self::Attention(_) => unreachable!("attention takes rows through the norm itself"),
            Self::Gru(mixer) => mixer.forward(normed, time, y, &mut tape.recurrent, &mut scratch.recurrent),
            Self::Lstm(mixer) => mixer.forward(normed, time, y, &mut tape.recurrent, &mut scratch.recurrent),
            Self::Convolution(mixer) => {
                mixer.forward(normed, time.batch, y, &mut tape.convolution, &mut scratch.convolution);
            }
        }
        if let Some(dropout) = dropout {
            dropout.apply_all(&mut scratch.branch);
            x.add(&scratch.branch);
        }
    }

    /// dy `[N, C]` becomes dx; spends the tape.
    pub(super) fn backward(
        &self,
        norm: &RmsNorm,
        dx: &mut Rows,
        time: Time<'_>,
        tape: &mut MixerTape,
        scratch: &mut MixerScratch,
        (norm_gradient, gradient): (&mut RmsNorm, &mut Self),
        dropout: Option<Dropout>,
    ) {
        if let (Self::Attention(mixer), Self::Attention(gradient)) = (self, &mut *gradient) {
            let tapes = (&tape.norm, &tape.attention);
            let gradients = (norm_gradient, gradient);
            return mixer.backward(norm, dx, time, tapes, &mut scratch.attention, gradients, dropout);
        }
        let MixerScratch { recurrent, convolution, branch, dnormed, .. } = scratch;
        let dy = if let Some(dropout) = dropout {
            branch.copy_from(dx);
            dropout.apply_all(branch);
            branch.view()
        } else {
            dx.view()
        };
        let normed = tape.normed.view();
        match (self, gradient) {
            (Self::Gru(mixer), Self::Gru(gradient)) => {
                mixer.backward(dy, normed, time, &mut tape.recurrent, dnormed, recurrent, gradient);
            }
            (Self::Lstm(mixer), Self::Lstm(gradient)) => {
                mixer.backward(dy, normed, time, &mut tape.recurrent, dnormed, recurrent, gradient);
            }
            (Self::Convolution(mixer), Self::Convolution(gradient)) => {
                let tape = &mut tape.convolution;
                mixer.backward(dy, normed, time.batch, tape, dnormed, convolution, gradient);
            }
            _ => unreachable!("a gradient has its model's mixers"),
        }
        let tasks = dx.tasks_mut().zip(dnormed.tasks()).zip(tape.norm.tasks_backward());
        let parts: Vec<Vec<f32>> =
            tasks.map(|((dx, dnormed), task)| norm.backward_task(dnormed, task, dx)).collect();
        norm_gradient.add_all(&parts);
    }

    /// A session that has read nothing.
    pub(super) fn start(&self) -> Carried {
        match self {
            Self::Attention(_) => Carried::Attention(Cache::default()),
            Self::Gru(mixer) => Carried::Gru(mixer.start()),
            Self::Lstm(mixer) => Carried::Lstm(mixer.start()),
            Self::Convolution(mixer) => Carried::Convolution(mixer.start()),
        }
    }

    /// The layer's output for the next rows x `[n, C]` of sessions.
    pub(super) fn step(
        &self,
        x: &[f32],
        spans: &[Span],
        rope: &Rope,
        carried: Vec<&mut Carried>,
        threads: Threads,
    ) -> Vec<f32> {
        /// What each session carries, all of this mixer's kind.
        macro_rules! all {
            ($kind:ident) => {{
                let of_kind = |carried| match carried {
                    &mut Carried::$kind(ref mut carried) => carried,
                    _ => unreachable!("a session carries what its model's mixers start with"),
                };
                carried.into_iter().map(of_kind).collect()
            }};
        }
        match self {
            Self::Attention(mixer) => mixer.step(x, spans, rope, all!(Attention), threads),
            Self::Gru(mixer) => mixer.step(x, spans, all!(Gru), threads),
            Self::Lstm(mixer) => mixer.step(x, spans, all!(Lstm), threads),
            Self::Convolution(mixer) => mixer.step(x, spans, all!(Convolution), threads),
        }
    }

    pub(super) fn visit<'a>(&'a self, tensor: NamedTensor<'_, 'a>) {
        match self {
            Self::Attention(mixer) => mixer.visit(tensor),
            Self::Gru(mixer) => mixer.0.visit(tensor),
            Self::Lstm(mixer) => mixer.0.visit(tensor),
            Self::Convolution(mixer) => mixer.visit(tensor),
        }
    }

    pub(super) fn visit_mut<'a>(&'a mut self, tensor: NamedTensorMut<'_, 'a>) {
        match self {
            Self::Attention(mixer) => mixer.visit_mut(tensor),
            Self::Gru(mixer) => mixer.0.visit_mut(tensor),
            Self::Lstm(mixer) => mixer.0.visit_mut(tensor),
            Self::Convolution(mixer) => mixer.visit_mut(tensor),
        }
    }
}
