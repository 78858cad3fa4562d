//! The mixers: the only layers that move information across time.

use artifact::config::{DecoderConfig, MixerKind};
use kernels::Threads;
use ndarray::ArrayView2;

use super::attention::{Attention, AttentionScratch, AttentionTape, Cache};
use super::convolution::{Convolution, ConvolutionScratch, ConvolutionTape, History};
use super::gru::Gru;
use super::linear::Linear;
use super::lstm::{Lstm, Memory};
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
    attention: AttentionTape,
    recurrent: RecurrentTape,
    convolution: ConvolutionTape,
}

/// Buffers that all blocks share. What no block's mixer uses stays empty.
#[derive(Debug, Default)]
pub(super) struct MixerScratch {
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

    /// y += the layer's output for x `[N, C]`.
    pub(super) fn forward(
        &self,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        y: &mut Rows,
        tape: &mut MixerTape,
        scratch: &mut MixerScratch,
    ) {
        match self {
            Self::Attention(mixer) => mixer.forward(x, time, y, &mut tape.attention),
            Self::Gru(mixer) => mixer.forward(x, time, y, &mut tape.recurrent, &mut scratch.recurrent),
            Self::Lstm(mixer) => mixer.forward(x, time, y, &mut tape.recurrent, &mut scratch.recurrent),
            Self::Convolution(mixer) => {
                mixer.forward(x, time.batch, y, &mut tape.convolution, &mut scratch.convolution);
            }
        }
    }

    /// dx `[N, C]` from dy `[N, C]`, given the forward pass's x; spends the tape.
    pub(super) fn backward(
        &self,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        time: Time<'_>,
        tape: &mut MixerTape,
        dx: &mut Rows,
        scratch: &mut MixerScratch,
        gradient: &mut Self,
    ) {
        match (self, gradient) {
            (Self::Attention(mixer), Self::Attention(gradient)) => {
                mixer.backward(dy, x, time, &tape.attention, dx, &mut scratch.attention, gradient);
            }
            (Self::Gru(mixer), Self::Gru(gradient)) => {
                mixer.backward(dy, x, time, &mut tape.recurrent, dx, &mut scratch.recurrent, gradient);
            }
            (Self::Lstm(mixer), Self::Lstm(gradient)) => {
                mixer.backward(dy, x, time, &mut tape.recurrent, dx, &mut scratch.recurrent, gradient);
            }
            (Self::Convolution(mixer), Self::Convolution(gradient)) => {
                let (tape, scratch) = (&mut tape.convolution, &mut scratch.convolution);
                mixer.backward(dy, x, time.batch, tape, dx, scratch, gradient);
            }
            _ => unreachable!("a gradient has its model's mixers"),
        }
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
