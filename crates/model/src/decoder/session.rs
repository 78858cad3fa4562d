use std::ops::Range;

use kernels::{Threads, project};

use super::Decoder;
use super::mixer::Carried;
use crate::Session;
use crate::language_model::Turn;

/// What a decoder carries of a talk from token to token.
#[derive(Debug)]
pub struct State {
    /// Of the mixer of every block.
    carried: Vec<Carried>,
    length: usize,
    /// Of the next token. `[V]`
    logits: Vec<f32>,
}

/// One talk's rows within a step of several.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) rows: Range<usize>,
    /// Where the first of them stands in its talk.
    pub(super) position: usize,
}

impl Span {
    /// Of `values`, rows of `width`, the span's own.
    pub(super) fn of<'a>(&self, values: &'a [f32], width: usize) -> &'a [f32] {
        &values[self.rows.start * width..self.rows.end * width]
    }

    /// As [`Self::of`] for each span in turn, to change them: spans follow each other without a gap.
    pub(super) fn split<'a>(
        spans: &[Self],
        mut values: &'a mut [f32],
        width: usize,
    ) -> impl Iterator<Item = &'a mut [f32]> {
        spans.iter().map(move |span| {
            let (own, rest) = std::mem::take(&mut values).split_at_mut(span.rows.len() * width);
            values = rest;
            own
        })
    }
}

impl State {
    fn new(model: &Decoder) -> Self {
        let carried = model.blocks.iter().map(super::Block::start).collect();
        Self { carried, length: 0, logits: vec![0.0; model.shape.vocab_size] }
    }

    /// As it was after `length` tokens; none where a mixer cannot go back to it.
    fn after(&self, length: usize) -> Option<Self> {
        if length > self.length {
            return None;
        }
        let carried = self.carried.iter().map(|carried| carried.after(length, self.length));
        // Logits of an earlier token are gone; whoever goes back reads on before it asks for them.
        Some(Self { carried: carried.collect::<Option<_>>()?, length, logits: self.logits.clone() })
    }
}

impl Decoder {
    /// Lets several talks read on, their rows side by side: a weight is read once for all of them, and what a talk gets
    /// does not depend on the others.
    fn step(&self, talks: &mut [(&mut State, &[u32])], threads: Threads) {
        let width = self.shape.hidden_size;
        let mut spans = Vec::with_capacity(talks.len());
        let mut x = Vec::new();
        for (state, tokens) in &*talks {
            assert!(!tokens.is_empty(), "at least one token");
            let most = self.shape.max_position_embeddings;
            assert!(state.length + tokens.len() <= most, "the session fits the context");
            let start = x.len() / width;
            x.extend(tokens.iter().flat_map(|&token| self.embedding_of(token)));
            spans.push(Span { rows: start..x.len() / width, position: state.length });
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let carried = talks.iter_mut().map(|(state, _)| &mut state.carried[index]).collect();
            block.step(&mut x, &spans, &self.rope, carried, threads);
        }
        let last: Vec<f32> =
            spans.iter().flat_map(|span| &x[(span.rows.end - 1) * width..][..width]).copied().collect();
        let mut logits = vec![0.0; talks.len() * self.shape.vocab_size];
        project(self.head().values(), width, &self.norm.step(&last), &mut logits, threads);
        let logits = logits.chunks_exact(self.shape.vocab_size);
        for (((state, tokens), logits), span) in talks.iter_mut().zip(logits).zip(&spans) {
            debug_assert_eq!(span.rows.len(), tokens.len());
            state.length += tokens.len();
            state.logits.copy_from_slice(logits);
        }
    }

    pub(super) fn start(&self) -> Box<dyn Session + '_> {
        Box::new(DecoderSession { model: self, state: State::new(self) })
    }

    pub(super) fn resume_at(&self, session: &dyn Session, length: usize) -> Option<Box<dyn Session + '_>> {
        let state = session.decoder_state()?.after(length)?;
        Some(Box::new(DecoderSession { model: self, state }))
    }

    pub(super) fn step_together(&self, turns: &mut [Turn<'_, '_>]) {
        let mut talks: Vec<(&mut State, &[u32])> = turns
            .iter_mut()
            .map(|turn| {
                let state = turn.session.decoder_state_mut();
                (state.expect("a session of this model"), turn.tokens)
            })
            .collect();
        self.step(&mut talks, Threads::All);
    }
}

/// A talk as a decoder has read it.
struct DecoderSession<'a> {
    model: &'a Decoder,
    state: State,
}

impl Session for DecoderSession<'_> {
    /// On the calling thread: many sessions run side by side.
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.model.step(&mut [(&mut self.state, tokens)], Threads::One);
        &self.state.logits
    }

    fn logits(&self) -> &[f32] {
        &self.state.logits
    }

    fn state_bytes(&self) -> usize {
        self.state.carried.iter().map(Carried::bytes).sum()
    }

    fn len(&self) -> usize {
        self.state.length
    }

    fn decoder_state(&self) -> Option<&State> {
        Some(&self.state)
    }

    fn decoder_state_mut(&mut self) -> Option<&mut State> {
        Some(&mut self.state)
    }
}
