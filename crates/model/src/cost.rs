//! What a decoder costs, from its shapes: parameters, operations, memory.
//!
//! Operations are those of matrix products and of attention, a multiplication and an addition each; norms, gates and
//! biases are small beside them.

use artifact::config::{DecoderConfig, MixerKind};

use crate::decoder::rows_of_logits;

/// Bytes of an f32, of which everything is made.
const F32: usize = size_of::<f32>();

/// The parameters of everything but the blocks: embedding, last norm, and head where it is not the embedding.
pub fn outside_blocks(config: &DecoderConfig) -> usize {
    count(config, |name| !name.starts_with("model.layers."))
}

/// The parameters of a block.
pub fn of_block(config: &DecoderConfig, block: usize) -> usize {
    let prefix = format!("model.layers.{block}.");
    count(config, |name| name.starts_with(&prefix))
}

fn count(config: &DecoderConfig, wanted: impl Fn(&str) -> bool) -> usize {
    let tensors = config.tensors().into_iter().filter(|(name, _)| wanted(name));
    tensors.map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

/// Weights that a token is multiplied with: all matrices, and the embedding only where it is the head too.
fn multiplied(config: &DecoderConfig) -> usize {
    let looked_up = |name: &str| name == "model.embed_tokens.weight" && !config.tie_word_embeddings;
    let matrices = config.tensors().into_iter().filter(|(name, shape)| shape.len() > 1 && !looked_up(name));
    matrices.map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

/// Values that the queries of all attention blocks hold, H D each.
fn queries(config: &DecoderConfig) -> usize {
    attending(config) * config.num_attention_heads * config.head_dim
}

fn attending(config: &DecoderConfig) -> usize {
    config.mixers.iter().filter(|mixer| **mixer == MixerKind::Attention).count()
}

/// Floating-point operations to generate a token at `position` of its talk. Attention looks at all `position + 1` tokens
/// so far, once for scores and once for the weighted sum; nothing else grows.
pub fn generation_flops(config: &DecoderConfig, position: usize) -> usize {
    2 * multiplied(config) + flops_per_earlier_token(config) * (position + 1)
}

/// What each token of the context adds to the operations of a later one.
pub fn flops_per_earlier_token(config: &DecoderConfig) -> usize {
    4 * queries(config)
}

/// Floating-point operations to train on a target in a segment of `length` tokens, forward and backward, on average.
///
/// Backward has two products for each one of forward, attention five for its two: it computes the scores again.
pub fn training_flops(config: &DecoderConfig, length: usize) -> usize {
    // The mean number of tokens that a token looks at is (length + 1) / 2.
    6 * multiplied(config) + 7 * queries(config) * (length + 1)
}

/// Bytes of weights, gradient and the optimizer's two moments.
pub fn training_state_bytes(config: &DecoderConfig) -> usize {
    4 * F32 * config.parameters()
}

/// Bytes that a training step holds beside them for a batch of `rows` tokens, all of them targets: what the forward pass
/// leaves for the backward pass, and the buffers of both. In f32: bfloat16 takes less.
pub fn activation_bytes(config: &DecoderConfig, rows: usize) -> usize {
    let (c, f) = (config.hidden_size, config.intermediate_size);
    // In each block: the inputs of its two norms, with their scales; gate and up.
    let blocks: usize = config.mixers.iter().map(|&mixer| 2 * c + 2 + 2 * f + kept(config, mixer)).sum();
    // Shared by the blocks: both factors of the feed-forward layer's gradients; the gradient of the norm's output, where
    // a mixer needs all of it at once; buffers of each kind of mixer.
    let mut kinds = config.mixers.clone();
    kinds.sort_by_key(|kind| *kind as u8);
    kinds.dedup();
    let normed = if kinds.iter().any(|&kind| kind != MixerKind::Attention) { c } else { 0 };
    let shared: usize =
        2 * c + 3 * f + normed + kinds.iter().map(|&mixer| buffers(config, mixer)).sum::<usize>();
    // Residual stream and its gradient; of targets the last norm's input and output, and their gradients.
    let ends = 6 * c + 1;
    let convolves = kinds.contains(&MixerKind::Convolution);
    let weight = if convolves { 2 * config.mixer_size * config.kernel_size * c } else { 0 };
    // Logits and their gradient, and the hidden states of the same rows.
    let loss = rows_of_logits(config.vocab_size).min(rows) * (2 * config.vocab_size + c);
    F32 * (rows * (blocks + shared + ends) + weight + loss)
}

/// Values a row that a mixer keeps for its backward pass.
fn kept(config: &DecoderConfig, mixer: MixerKind) -> usize {
    let (h, k) = (config.num_attention_heads, config.num_key_value_heads);
    let (c, d, p) = (config.hidden_size, config.head_dim, config.mixer_size);
    match mixer {
        // Projections, sums of exponentials, and heads' outputs.
        MixerKind::Attention => (h + 2 * k) * d + h + h * d,
        // The norm's output, and gates, candidates or cells, and states.
        MixerKind::Gru => c + 5 * p,
        MixerKind::Lstm => c + 6 * p,
        // The norm's output, pairs, and their product.
        MixerKind::Convolution => c + 3 * p,
    }
}

/// Values a row of the buffers that all mixers of a kind share.
fn buffers(config: &DecoderConfig, mixer: MixerKind) -> usize {
    let (h, k) = (config.num_attention_heads, config.num_key_value_heads);
    let (c, d, p) = (config.hidden_size, config.head_dim, config.mixer_size);
    match mixer {
        // Queries and keys after norm and rotation, with scales; their gradients, and those of what is kept; both factors
        // of the projections' gradients.
        MixerKind::Attention => 2 * (h + k) * d + (h + k) + 2 * (h + 2 * k) * d + 2 * h * d + 2 * c,
        // Input and output in the order of steps; gradients of states, states before each row; of a GRU the gradient of
        // the state's part of the gates, which an LSTM's own gates hold.
        MixerKind::Gru => 2 * c + 5 * p,
        MixerKind::Lstm => 2 * c + 2 * p,
        // What each tap sees, and the product's gradient.
        MixerKind::Convolution => config.kernel_size * c + p,
    }
}

/// Bytes of the weights.
pub fn weight_bytes(config: &DecoderConfig) -> usize {
    F32 * config.parameters()
}

/// Bytes that a talk carries however long it is: states, and the inputs that a convolution's taps still reach.
pub fn fixed_state_bytes(config: &DecoderConfig) -> usize {
    let p = config.mixer_size;
    let values = config.blocks().map(|(mixer, dilation)| match mixer {
        MixerKind::Attention => 0,
        MixerKind::Gru => p,
        MixerKind::Lstm => 2 * p,
        MixerKind::Convolution => (config.kernel_size - 1) * dilation * config.hidden_size,
    });
    F32 * values.sum::<usize>()
}

/// Bytes of keys and values that each token adds to what a talk carries.
pub fn state_bytes_per_token(config: &DecoderConfig) -> usize {
    F32 * attending(config) * 2 * config.num_key_value_heads * config.head_dim
}
