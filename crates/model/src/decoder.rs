//! The decoder: embedding, blocks of norm, mixer, norm and feed-forward with residuals, a last norm and the head.

mod attention;
mod cross_entropy;
mod feed_forward;
mod linear;
mod norm;
mod rope;
mod rows;
mod session;

use std::path::Path;

use artifact::config::Qwen3Config;
use artifact::weights::{self, Tensor, Weights};
use artifact::{Error, Result};
use ndarray::Axis;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::attention::{Attention, AttentionScratch, AttentionTape};
use self::cross_entropy::{CrossEntropyScratch, HeadGradient, cross_entropy};
use self::feed_forward::{FeedForward, FeedForwardTape};
use self::linear::Linear;
use self::norm::RmsNorm;
use self::rope::Rope;
use self::rows::Rows;
use self::session::DecoderSession;
use crate::batch::IGNORE;
use crate::params::Visitor;
use crate::{Batch, LanguageModel, Params, Session};

/// Rows that one thread takes at a time in row-wise layers.
const ROWS_PER_TASK: usize = 64;

/// Values of [`ROWS_PER_TASK`] rows.
fn row_tasks(width: usize) -> usize {
    ROWS_PER_TASK * width
}

/// A neural language model, exactly `Qwen3ForCausalLM`. Its gradient and an optimizer's moments are of the same type.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    config: Qwen3Config,
    /// `[V, C]`
    embedding: Linear,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// `[V, C]`; none where the embedding is the head.
    untied_head: Option<Linear>,
    rope: Rope,
}

#[derive(Debug, Clone, PartialEq)]
struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

/// What a forward pass leaves for the backward pass, and every buffer of a training step; kept between steps.
#[derive(Debug, Default)]
pub struct Tape {
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
    // The backward pass's own:
    /// `[N, C]`
    dx: Rows,
    /// `[N, C]`
    dnormed: Rows,
    /// `[M, C]`
    dlast: Rows,
    /// `[N, F]`
    dfeed_forward: Rows,
    dattention: AttentionScratch,
}

#[derive(Debug, Default)]
struct BlockTape {
    /// The block's input. `[N, C]`
    x: Rows,
    /// Its norm. `[N, C]`
    normed: Rows,
    scales: Vec<f32>,
    attention: AttentionTape,
    /// After the mixer. `[N, C]`
    middle: Rows,
    /// Its norm. `[N, C]`
    middle_normed: Rows,
    middle_scales: Vec<f32>,
    feed_forward: FeedForwardTape,
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

impl Block {
    fn zeros(config: &Qwen3Config) -> Self {
        let norm = RmsNorm::new(config.hidden_size, config.rms_norm_eps as f32);
        Self {
            attention_norm: norm.clone(),
            attention: Attention::zeros(config),
            feed_forward_norm: norm,
            feed_forward: FeedForward::zeros(config),
        }
    }

    fn zeros_like(&self) -> Self {
        Self {
            attention_norm: self.attention_norm.zeros_like(),
            attention: self.attention.zeros_like(),
            feed_forward_norm: self.feed_forward_norm.zeros_like(),
            feed_forward: self.feed_forward.zeros_like(),
        }
    }
}

impl Decoder {
    /// Random weights for a seed: normal with deviation 0.02 for the embedding and 0.5 / sqrt(inputs) for matrices, those
    /// that write to the residual stream divided by sqrt(2 blocks) (Radford et al. 2019, GPT-2).
    pub fn new(config: &Qwen3Config, seed: u64) -> Self {
        let mut model = Self::zeros(config);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let residual = 1.0 / (2.0 * config.num_hidden_layers as f32).sqrt();
        model.visit_mut(&mut |name, shape, values| {
            let &[_, inputs] = shape else { return };
            let deviation = match name.rsplit('.').nth(1) {
                Some("embed_tokens" | "lm_head") => 0.02,
                Some("o_proj" | "down_proj") => 0.5 / (inputs as f32).sqrt() * residual,
                _ => 0.5 / (inputs as f32).sqrt(),
            };
            values.fill_with(|| normal(&mut random) * deviation);
        });
        model
    }

    fn zeros(config: &Qwen3Config) -> Self {
        Self {
            embedding: Linear::zeros(config.vocab_size, config.hidden_size),
            blocks: (0..config.num_hidden_layers).map(|_| Block::zeros(config)).collect(),
            norm: RmsNorm::new(config.hidden_size, config.rms_norm_eps as f32),
            untied_head: (!config.tie_word_embeddings)
                .then(|| Linear::zeros(config.vocab_size, config.hidden_size)),
            rope: Rope::new(config.rope_theta, config.head_dim, config.max_position_embeddings),
            config: config.clone(),
        }
    }

    /// Reads `model.safetensors` of a model directory.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a tensor is missing, left over or of another shape than the configuration says.
    pub fn read(dir: &Path, config: &Qwen3Config) -> Result<Self> {
        let path = dir.join(weights::FILE);
        let mut weights = Weights::read(&path)?;
        let mut model = Self::zeros(config);
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
        artifact::config::ModelConfig::Qwen3(self.config.clone()).write(dir)?;
        let mut shapes = Vec::new();
        self.visit(&mut |name, shape, values| shapes.push((name, shape.to_vec(), values)));
        let tensors = shapes.iter().map(|(name, shape, data)| (name.clone(), Tensor { shape, data }));
        weights::write(&dir.join(weights::FILE), tensors)
    }

    /// The architecture's shapes.
    pub fn config(&self) -> &Qwen3Config {
        &self.config
    }

    /// The same shapes, all zero: an empty gradient, or an optimizer's moments.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        Self {
            config: self.config.clone(),
            embedding: self.embedding.zeros_like(),
            blocks: self.blocks.iter().map(Block::zeros_like).collect(),
            norm: self.norm.zeros_like(),
            untied_head: self.untied_head.as_ref().map(Linear::zeros_like),
            rope: self.rope.clone(),
        }
    }

    /// The loss over a batch.
    pub fn loss(&self, batch: &Batch, tape: &mut Tape) -> Loss {
        self.forward(batch, tape);
        let head = self.head().weight.view();
        let nats = cross_entropy(tape.hidden.view(), head, &tape.targets, None, &mut tape.cross_entropy);
        total(&nats)
    }

    /// The loss over a batch; adds `scale` times the gradient of its sum to `gradient`.
    pub fn gradient(&self, batch: &Batch, scale: f32, tape: &mut Tape, gradient: &mut Self) -> Loss {
        self.forward(batch, tape);
        let loss = self.backward_head(scale, tape, gradient);

        // The last norm saw only the rows with a target.
        let (n, width) = (batch.len(), self.config.hidden_size);
        tape.dx.reset_to_zero(n, width);
        for (from, &row) in tape.dlast.values().chunks_exact(width).zip(&tape.rows) {
            tape.dx.values_mut()[row * width..(row + 1) * width].copy_from_slice(from);
        }
        for ((block, of_block), gradient) in
            self.blocks.iter().zip(&mut tape.blocks).zip(&mut gradient.blocks).rev()
        {
            // Forward was y = m + f(norm(m)), m = x + a(norm(x)), so dm = dy + ..., dx = dm + ...
            block.feed_forward.backward(
                tape.dx.view(),
                of_block.middle_normed.view(),
                &mut of_block.feed_forward,
                &mut tape.dnormed,
                &mut tape.dfeed_forward,
                &mut gradient.feed_forward,
            );
            block.feed_forward_norm.backward(
                tape.dnormed.values(),
                of_block.middle.values(),
                &of_block.middle_scales,
                tape.dx.values_mut(),
                &mut gradient.feed_forward_norm,
            );
            block.attention.backward(
                tape.dx.view(),
                of_block.normed.view(),
                batch,
                &self.rope,
                &of_block.attention,
                &mut tape.dnormed,
                &mut tape.dattention,
                &mut gradient.attention,
            );
            block.attention_norm.backward(
                tape.dnormed.values(),
                of_block.x.values(),
                &of_block.scales,
                tape.dx.values_mut(),
                &mut gradient.attention_norm,
            );
        }
        for (&token, dx) in batch.tokens.iter().zip(tape.dx.values().chunks_exact(width)) {
            let row = gradient.embedding.weight.index_axis_mut(Axis(0), token as usize);
            kernels::add(row.into_slice().expect("rows of the embedding are contiguous"), dx);
        }
        loss
    }

    /// Loss and gradient of the head and the last norm: `tape.dlast` from `tape.hidden`.
    fn backward_head(&self, scale: f32, tape: &mut Tape, gradient: &mut Self) -> Loss {
        let (m, width) = (tape.targets.len(), self.config.hidden_size);
        let dhead = gradient.untied_head.as_mut().unwrap_or(&mut gradient.embedding);
        let to = HeadGradient { scale, hidden: tape.dnormed.reset(m, width), head: dhead.weight.view_mut() };
        let head = self.head().weight.view();
        let nats = cross_entropy(tape.hidden.view(), head, &tape.targets, Some(to), &mut tape.cross_entropy);
        tape.dlast.reset_to_zero(m, width);
        self.norm.backward(
            tape.dnormed.values(),
            tape.last.values(),
            &tape.hidden_scales,
            tape.dlast.values_mut(),
            &mut gradient.norm,
        );
        total(&nats)
    }

    /// Everything up to the head: fills the tape, `hidden` for the rows with a target.
    fn forward(&self, batch: &Batch, tape: &mut Tape) {
        let (n, width) = (batch.len(), self.config.hidden_size);
        tape.blocks.resize_with(self.blocks.len(), BlockTape::default);
        tape.x.reset(n, width);
        for (x, &token) in tape.x.values_mut().chunks_exact_mut(width).zip(&batch.tokens) {
            x.copy_from_slice(self.embedding_of(token));
        }
        for (block, of_block) in self.blocks.iter().zip(&mut tape.blocks) {
            of_block.x.copy_from(&tape.x);
            of_block.normed.reset(n, width);
            of_block.scales.resize(n, 0.0);
            block.attention_norm.forward(tape.x.values(), of_block.normed.values_mut(), &mut of_block.scales);
            let normed = of_block.normed.view();
            block.attention.forward(normed, batch, &self.rope, &mut tape.x, &mut of_block.attention);

            of_block.middle.copy_from(&tape.x);
            of_block.middle_normed.reset(n, width);
            of_block.middle_scales.resize(n, 0.0);
            let middle_normed = of_block.middle_normed.values_mut();
            block.feed_forward_norm.forward(tape.x.values(), middle_normed, &mut of_block.middle_scales);
            block.feed_forward.forward(
                of_block.middle_normed.view(),
                &mut tape.x,
                &mut of_block.feed_forward,
            );
        }

        tape.rows.clear();
        tape.rows.extend((0..n).filter(|&row| batch.targets[row] != IGNORE));
        tape.targets.clear();
        tape.targets.extend(tape.rows.iter().map(|&row| batch.targets[row]));
        let m = tape.rows.len();
        tape.last.reset(m, width);
        for (last, &row) in tape.last.values_mut().chunks_exact_mut(width).zip(&tape.rows) {
            last.copy_from_slice(&tape.x.values()[row * width..(row + 1) * width]);
        }
        tape.hidden.reset(m, width);
        tape.hidden_scales.resize(m, 0.0);
        self.norm.forward(tape.last.values(), tape.hidden.values_mut(), &mut tape.hidden_scales);
    }

    fn head(&self) -> &Linear {
        self.untied_head.as_ref().unwrap_or(&self.embedding)
    }

    /// A token's row of the embedding. `[C]`
    fn embedding_of(&self, token: u32) -> &[f32] {
        let width = self.config.hidden_size;
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
        let (c, f) = (self.config.hidden_size, self.config.intermediate_size);
        let vocabulary = self.config.vocab_size;
        visitor("model.embed_tokens.weight".to_owned(), &[vocabulary, c], self.embedding.values());
        for (index, block) in self.blocks.iter().enumerate() {
            let mut tensor = |name: &str, shape: &[usize], values: &'a [f32]| {
                visitor(format!("model.layers.{index}.{name}.weight"), shape, values);
            };
            let (attention, feed_forward) = (&block.attention, &block.feed_forward);
            tensor("input_layernorm", &[c], &block.attention_norm.weight);
            for (name, start, end) in attention.projections() {
                let rows = &attention.qkv.values()[start * c..end * c];
                tensor(&format!("self_attn.{name}"), &[end - start, c], rows);
            }
            let [head_width] = [attention.query_norm.weight.len()];
            tensor("self_attn.q_norm", &[head_width], &attention.query_norm.weight);
            tensor("self_attn.k_norm", &[head_width], &attention.key_norm.weight);
            tensor("self_attn.o_proj", attention.output.weight.shape(), attention.output.values());
            tensor("post_attention_layernorm", &[c], &block.feed_forward_norm.weight);
            let (gate, up) = feed_forward.gate_up.values().split_at(f * c);
            tensor("mlp.gate_proj", &[f, c], gate);
            tensor("mlp.up_proj", &[f, c], up);
            tensor("mlp.down_proj", &[c, f], feed_forward.down.values());
        }
        visitor("model.norm.weight".to_owned(), &[c], &self.norm.weight);
        if let Some(head) = &self.untied_head {
            visitor("lm_head.weight".to_owned(), &[vocabulary, c], head.values());
        }
    }

    fn visit_mut<'a>(&'a mut self, visitor: Visitor<'_, &'a mut [f32]>) {
        let (c, f) = (self.config.hidden_size, self.config.intermediate_size);
        let vocabulary = self.config.vocab_size;
        visitor("model.embed_tokens.weight".to_owned(), &[vocabulary, c], self.embedding.values_mut());
        for (index, block) in self.blocks.iter_mut().enumerate() {
            let mut tensor = |name: &str, shape: &[usize], values: &'a mut [f32]| {
                visitor(format!("model.layers.{index}.{name}.weight"), shape, values);
            };
            let (attention, feed_forward) = (&mut block.attention, &mut block.feed_forward);
            tensor("input_layernorm", &[c], &mut block.attention_norm.weight);
            let projections = attention.projections();
            let mut rest = attention.qkv.values_mut();
            for (name, start, end) in projections {
                let (rows, below) = rest.split_at_mut((end - start) * c);
                rest = below;
                tensor(&format!("self_attn.{name}"), &[end - start, c], rows);
            }
            let head_width = attention.query_norm.weight.len();
            tensor("self_attn.q_norm", &[head_width], &mut attention.query_norm.weight);
            tensor("self_attn.k_norm", &[head_width], &mut attention.key_norm.weight);
            let (outputs, inputs) = attention.output.weight.dim();
            tensor("self_attn.o_proj", &[outputs, inputs], attention.output.values_mut());
            tensor("post_attention_layernorm", &[c], &mut block.feed_forward_norm.weight);
            let (gate, up) = feed_forward.gate_up.values_mut().split_at_mut(f * c);
            tensor("mlp.gate_proj", &[f, c], gate);
            tensor("mlp.up_proj", &[f, c], up);
            tensor("mlp.down_proj", &[c, f], feed_forward.down.values_mut());
        }
        visitor("model.norm.weight".to_owned(), &[c], &mut self.norm.weight);
        if let Some(head) = &mut self.untied_head {
            visitor("lm_head.weight".to_owned(), &[vocabulary, c], head.values_mut());
        }
    }
}

impl LanguageModel for Decoder {
    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context_length(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn parameters(&self) -> usize {
        self.count()
    }

    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        let mut batch = Batch::new();
        batch.push(tokens, &vec![1; tokens.len()]);
        let mut tape = Tape::default();
        self.forward(&batch, &mut tape);
        let head = self.head().weight.view();
        let nats = cross_entropy(tape.hidden.view(), head, &tape.targets, None, &mut tape.cross_entropy);
        nats.into_iter().map(|nats| -nats).collect()
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(DecoderSession::new(self))
    }
}
