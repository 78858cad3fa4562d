//! The decoder: embedding, blocks of norm, mixer, norm and feed-forward with residuals, a last norm and the head.

mod attention;
mod block;
mod config;
mod convolution;
mod cross_entropy;
mod dropout;
mod feed_forward;
mod gru;
mod linear;
mod lstm;
mod mixer;
mod norm;
mod recurrent;
mod rope;
mod rows;
mod session;
mod time;

use std::path::Path;

use artifact::config::{DecoderConfig, MixerKind};
use artifact::weights::{self, Tensor, Weights};
use artifact::{Error, Result};
use kernels::Precision;
use ndarray::{ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::block::{Block, BlockScratch, BlockTape};
pub use self::config::Config;
pub(crate) use self::cross_entropy::rows_of_logits;
use self::cross_entropy::{CrossEntropyScratch, HeadGradient, cross_entropy, predict};
pub use self::dropout::Dropout;
use self::linear::Linear;
use self::norm::RmsNorm;
use self::rope::Rope;
use self::rows::Rows;
pub use self::session::State;
use self::time::{Steps, Time};
use crate::batch::IGNORE;
use crate::language_model::Turn;
use crate::params::Visitor;
use crate::{Batch, LanguageModel, Params, Prediction, Session};

/// Takes a tensor's name within its block, its shape, and its values.
type NamedTensor<'v, 'a> = &'v mut dyn FnMut(&str, &[usize], &'a [f32]);
/// As [`NamedTensor`], to change the values.
type NamedTensorMut<'v, 'a> = &'v mut dyn FnMut(&str, &[usize], &'a mut [f32]);

/// Rows that one thread takes at a time in row-wise layers.
const ROWS_PER_TASK: usize = 64;

/// Rows of N that one thread takes through several layers: the more, the less often it reads the layers' weights, but
/// enough tasks for eight threads. Does not depend on the number of threads, lest sums have another order.
fn rows_per_task(n: usize) -> usize {
    (n / 8).next_multiple_of(32).clamp(ROWS_PER_TASK, 256)
}

/// Values of [`ROWS_PER_TASK`] rows.
fn row_tasks(width: usize) -> usize {
    ROWS_PER_TASK * width
}

/// A neural language model. Its gradient and an optimizer's moments are of the same type.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    config: Config,
    shape: DecoderConfig,
    /// `[V, C]`
    embedding: Linear,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// `[V, C]`; none where the embedding is the head.
    untied_head: Option<Linear>,
    rope: Rope,
}

/// What a forward pass leaves for the backward pass, and every buffer of a training step; kept between steps.
#[derive(Debug, Default)]
pub struct Tape {
    steps: Steps,
    blocks: Vec<BlockTape>,
    /// The residual stream. `[N, C]`
    x: Rows,
    /// Rows that have a target. `[M]`
    rows: Vec<usize>,
    /// Their targets. `[M]`
    targets: Vec<u32>,
    /// The last norm's input at those rows. `[M, C]`
    last: Rows,
    /// The last norm's output at those rows. `[M, C]`
    hidden: Rows,
    hidden_scales: Vec<f32>,
    cross_entropy: CrossEntropyScratch,
    scratch: BlockScratch,
    // The backward pass's own:
    /// `[N, C]`
    dx: Rows,
    /// `[M, C]`
    dhidden: Rows,
    /// `[M, C]`
    dlast: Rows,
}

/// The loss over a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// Sum over the targets, in nats.
    pub nats: f64,
    /// The number of targets.
    pub targets: usize,
}

impl Loss {
    /// Nats a target; 0 of none.
    pub fn mean(&self) -> f64 {
        if self.targets == 0 { 0.0 } else { self.nats / self.targets as f64 }
    }
}

impl Decoder {
    /// Random weights for a seed: normal with deviation 0.02 for the embedding and 0.5 / sqrt(inputs) for matrices, those
    /// that write to the residual stream divided by sqrt(2 blocks) (Radford et al. 2019, GPT-2).
    pub fn new(config: impl Into<Config>, seed: u64) -> Self {
        let mut model = Self::untrained(config.into());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let residual = 1.0 / (2.0 * model.blocks.len() as f32).sqrt();
        model.visit_mut(&mut |name, shape, values| {
            let [_, inputs @ ..] = shape else { return };
            if inputs.is_empty() {
                return;
            }
            let inputs = inputs.iter().product::<usize>() as f32;
            let deviation = match name.rsplit('.').nth(1) {
                Some("embed_tokens" | "lm_head") => 0.02,
                Some("o_proj" | "down_proj" | "output") => 0.5 / inputs.sqrt() * residual,
                _ => 0.5 / inputs.sqrt(),
            };
            values.fill_with(|| normal(&mut random) * deviation);
        });
        model
    }

    /// All matrices zero.
    fn untrained(config: Config) -> Self {
        let shape = config.shape();
        // Only attention turns by positions.
        let attends = shape.mixers.contains(&MixerKind::Attention);
        let positions = if attends { shape.max_position_embeddings } else { 0 };
        Self {
            embedding: Linear::zeros(shape.vocab_size, shape.hidden_size),
            blocks: shape.blocks().map(|(kind, dilation)| Block::new(&shape, kind, dilation)).collect(),
            norm: RmsNorm::new(shape.hidden_size, shape.rms_norm_eps as f32),
            untied_head: (!shape.tie_word_embeddings)
                .then(|| Linear::zeros(shape.vocab_size, shape.hidden_size)),
            rope: Rope::new(&shape, positions),
            config,
            shape,
        }
    }

    /// Reads `model.safetensors` of a model directory.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a tensor is missing, left over or of another shape than the configuration says.
    pub fn read(dir: &Path, config: impl Into<Config>) -> Result<Self> {
        let path = dir.join(weights::FILE);
        let mut weights = Weights::read(&path)?;
        let mut model = Self::untrained(config.into());
        let mut result = Ok(());
        model.visit_mut(&mut |name, shape, values| {
            if result.is_ok() {
                result = weights.take(&path, &name, shape).map(|read| values.copy_from_slice(&read));
            }
        });
        result?;
        if let Some(name) = weights.remaining().next() {
            return Err(Error::malformed(
                &path,
                "only the tensors that config.json implies",
                format!("`{name}`"),
            ));
        }
        Ok(model)
    }

    /// Writes `config.json` and `model.safetensors` into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        self.config.clone().into_model_config().write(dir)?;
        let mut shapes = Vec::new();
        self.visit(&mut |name, shape, values| shapes.push((name, shape.to_vec(), values)));
        let tensors = shapes.iter().map(|(name, shape, data)| (name.clone(), Tensor { shape, data }));
        weights::write(&dir.join(weights::FILE), tensors)
    }

    /// The configuration that the model is written with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The architecture's shapes.
    pub fn shape(&self) -> &DecoderConfig {
        &self.shape
    }

    /// The same shapes, all zero: an empty gradient, or an optimizer's moments.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        Self {
            config: self.config.clone(),
            shape: self.shape.clone(),
            embedding: self.embedding.zeros_like(),
            blocks: self.blocks.iter().map(Block::zeros_like).collect(),
            norm: self.norm.zeros_like(),
            untied_head: self.untied_head.as_ref().map(Linear::zeros_like),
            rope: self.rope.clone(),
        }
    }

    /// Rounds the factors of the products that [`Self::loss`] and [`Self::gradient`] make. Weights stay f32.
    pub fn set_precision(&mut self, precision: Precision) {
        let blocks = self.blocks.iter_mut().flat_map(Block::matrices);
        for linear in blocks.chain([&mut self.embedding]).chain(&mut self.untied_head) {
            linear.precision = precision;
        }
    }

    /// The loss over a batch.
    pub fn loss(&self, batch: &Batch, tape: &mut Tape) -> Loss {
        self.forward(batch, tape, None);
        let nats =
            cross_entropy(tape.hidden.view(), self.head(), &tape.targets, None, &mut tape.cross_entropy);
        total(&nats)
    }

    /// The loss over a batch; adds `scale` times the gradient of its sum to `gradient`.
    pub fn gradient(&self, batch: &Batch, scale: f32, tape: &mut Tape, gradient: &mut Self) -> Loss {
        self.gradient_with(batch, scale, tape, gradient, None)
    }

    /// As [`Self::gradient`], of the network that dropout leaves.
    pub fn gradient_with(
        &self,
        batch: &Batch,
        scale: f32,
        tape: &mut Tape,
        gradient: &mut Self,
        dropout: Option<Dropout>,
    ) -> Loss {
        self.forward(batch, tape, dropout);
        let loss = self.backward_head(scale, tape, gradient);

        // The last norm saw only the rows with a target.
        let (n, width) = (batch.len(), self.shape.hidden_size);
        tape.dx.reset(n, width);
        tape.dx.tasks_mut().enumerate().for_each(|(task, dx)| {
            let first = task * rows_per_task(n);
            let below = |end: usize| tape.rows.partition_point(|&row| row < end);
            let targets = below(first)..below(first + rows_per_task(n));
            dx.fill(0.0);
            let from = tape.dlast.values()[targets.start * width..].chunks_exact(width);
            for (&row, from) in tape.rows[targets].iter().zip(from) {
                dx[(row - first) * width..][..width].copy_from_slice(from);
            }
        });
        let time = Time { batch, rope: &self.rope, steps: &tape.steps };
        let blocks = self.blocks.iter().zip(&mut tape.blocks).zip(&mut gradient.blocks);
        for (index, ((block, of_block), gradient)) in blocks.enumerate().rev() {
            let dropout = dropout.map(|dropout| dropout.part(index as u64));
            block.backward(&mut tape.dx, time, of_block, &mut tape.scratch, gradient, dropout);
        }
        gradient.add_to_embedding(&batch.tokens, tape.dx.view());
        loss
    }

    /// Adds each token's row of dx `[N, C]` to its embedding, in their order; threads share the columns.
    fn add_to_embedding(&mut self, tokens: &[u32], dx: ArrayView2<'_, f32>) {
        const COLUMNS_PER_TASK: usize = 64;
        let mut embedding = self.embedding.weight.view_mut();
        let embedding = embedding.axis_chunks_iter_mut(Axis(1), COLUMNS_PER_TASK).into_par_iter();
        embedding.zip(dx.axis_chunks_iter(Axis(1), COLUMNS_PER_TASK)).for_each(|(mut embedding, dx)| {
            for (&token, dx) in tokens.iter().zip(dx.rows()) {
                let row = embedding.row_mut(token as usize).into_slice();
                let (row, dx) = row.zip(dx.to_slice()).expect("columns of a row are contiguous");
                kernels::add(row, dx);
            }
        });
    }

    /// Loss and gradient of the head and the last norm: `tape.dlast` from `tape.hidden`.
    fn backward_head(&self, scale: f32, tape: &mut Tape, gradient: &mut Self) -> Loss {
        let (m, width) = (tape.targets.len(), self.shape.hidden_size);
        let dhead = gradient.untied_head.as_mut().unwrap_or(&mut gradient.embedding);
        let to = HeadGradient { scale, hidden: tape.dhidden.reset(m, width), head: dhead };
        let nats =
            cross_entropy(tape.hidden.view(), self.head(), &tape.targets, Some(to), &mut tape.cross_entropy);
        tape.dlast.reset_to_zero(m, width);
        self.norm.backward(
            tape.dhidden.values(),
            tape.last.values(),
            &tape.hidden_scales,
            tape.dlast.values_mut(),
            &mut gradient.norm,
        );
        total(&nats)
    }

    /// Everything up to the head: fills the tape, `hidden` for the rows with a target.
    fn forward(&self, batch: &Batch, tape: &mut Tape, dropout: Option<Dropout>) {
        let (n, width) = (batch.len(), self.shape.hidden_size);
        tape.blocks.resize_with(self.blocks.len(), BlockTape::default);
        tape.x.reset(n, width);
        tape.x.tasks_mut().zip(batch.tokens.par_chunks(rows_per_task(n))).for_each(|(x, tokens)| {
            for (x, &token) in x.chunks_exact_mut(width).zip(tokens) {
                x.copy_from_slice(self.embedding_of(token));
            }
        });
        tape.steps.reset(batch);
        let time = Time { batch, rope: &self.rope, steps: &tape.steps };
        for (index, (block, of_block)) in self.blocks.iter().zip(&mut tape.blocks).enumerate() {
            let dropout = dropout.map(|dropout| dropout.part(index as u64));
            block.forward(&mut tape.x, time, of_block, &mut tape.scratch, dropout);
        }

        tape.rows.clear();
        tape.rows.extend((0..n).filter(|&row| batch.targets[row] != IGNORE));
        tape.targets.clear();
        tape.targets.extend(tape.rows.iter().map(|&row| batch.targets[row]));
        let m = tape.rows.len();
        tape.last.reset(m, width);
        tape.last.tasks_mut().zip(tape.rows.par_chunks(rows_per_task(m))).for_each(|(last, rows)| {
            for (last, &row) in last.chunks_exact_mut(width).zip(rows) {
                last.copy_from_slice(&tape.x.values()[row * width..(row + 1) * width]);
            }
        });
        tape.hidden.reset(m, width);
        tape.hidden_scales.resize(m, 0.0);
        self.norm.forward(tape.last.values(), tape.hidden.values_mut(), &mut tape.hidden_scales);
    }

    fn head(&self) -> &Linear {
        self.untied_head.as_ref().unwrap_or(&self.embedding)
    }

    /// A token's row of the embedding. `[C]`
    fn embedding_of(&self, token: u32) -> &[f32] {
        let width = self.shape.hidden_size;
        &self.embedding.values()[token as usize * width..][..width]
    }
}

/// Sums in f64, in the order of the rows.
fn total(nats: &[f32]) -> Loss {
    Loss { nats: nats.iter().map(|&value| f64::from(value)).sum(), targets: nats.len() }
}

/// A standard normal value (Box & Muller 1958).
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

impl Params for Decoder {
    fn visit<'a>(&'a self, visitor: Visitor<'_, &'a [f32]>) {
        let (v, c) = (self.shape.vocab_size, self.shape.hidden_size);
        visitor("model.embed_tokens.weight".to_owned(), &[v, c], self.embedding.values());
        for (index, block) in self.blocks.iter().enumerate() {
            block.visit(&mut |name, shape, values| {
                visitor(format!("model.layers.{index}.{name}"), shape, values);
            });
        }
        visitor("model.norm.weight".to_owned(), &[c], &self.norm.weight);
        if let Some(head) = &self.untied_head {
            visitor("lm_head.weight".to_owned(), &[v, c], head.values());
        }
    }

    fn visit_mut<'a>(&'a mut self, visitor: Visitor<'_, &'a mut [f32]>) {
        let (v, c) = (self.shape.vocab_size, self.shape.hidden_size);
        visitor("model.embed_tokens.weight".to_owned(), &[v, c], self.embedding.values_mut());
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.visit_mut(&mut |name, shape, values| {
                visitor(format!("model.layers.{index}.{name}"), shape, values);
            });
        }
        visitor("model.norm.weight".to_owned(), &[c], &mut self.norm.weight);
        if let Some(head) = &mut self.untied_head {
            visitor("lm_head.weight".to_owned(), &[v, c], head.values_mut());
        }
    }
}

impl LanguageModel for Decoder {
    fn vocab_size(&self) -> usize {
        self.shape.vocab_size
    }

    fn context_length(&self) -> usize {
        self.shape.max_position_embeddings
    }

    fn parameters(&self) -> usize {
        self.count()
    }

    fn memory_bytes(&self) -> usize {
        size_of::<f32>() * self.count()
    }

    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        let predictions = self.predict(tokens, &vec![1; tokens.len()]);
        predictions.into_iter().map(|prediction| prediction.log_probability).collect()
    }

    fn predict(&self, tokens: &[u32], loss: &[u8]) -> Vec<Prediction> {
        let mut batch = Batch::new();
        batch.push(tokens, loss);
        let mut tape = Tape::default();
        self.forward(&batch, &mut tape, None);
        predict(tape.hidden.view(), self.head(), &tape.targets, &mut tape.cross_entropy)
    }

    fn session(&self) -> Box<dyn Session + '_> {
        self.start()
    }

    fn resume(&self, session: &dyn Session, length: usize) -> Option<Box<dyn Session + '_>> {
        self.resume_at(session, length)
    }

    fn feed_together(&self, turns: &mut [Turn<'_, '_>]) {
        self.step_together(turns);
    }
}
