//! The decoder against finite differences, and against itself token by token.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use artifact::config::{DecoderConfig, Family, MixerKind, ModelConfig, RopeScaling, TransformerConfig};
use model::batch::IGNORE;
use model::decoder::{Config, Dropout, Tape};
use model::{Batch, Decoder, LanguageModel, Params, Precision};
use proptest::prelude::*;

fn config(tied: bool) -> TransformerConfig {
    TransformerConfig {
        architectures: vec!["Qwen3ForCausalLM".to_owned()],
        vocab_size: 31,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        max_position_embeddings: 128,
        rms_norm_eps: 1e-6,
        rope_theta: 10000.0,
        tie_word_embeddings: tied,
        attention_bias: false,
        mlp_bias: false,
        rope_scaling: None,
        hidden_act: "silu".to_owned(),
        bos_token_id: 0,
        eos_token_id: 1,
        pad_token_id: 0,
        torch_dtype: "float32".to_owned(),
    }
}

fn gradient(
    model: &Decoder,
    batch: &Batch,
    scale: f32,
    dropout: Option<Dropout>,
) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut gradient = model.zeros_like();
    let loss = model.gradient_with(batch, scale, &mut Tape::default(), &mut gradient, dropout);
    let mut tensors = Vec::new();
    gradient.visit(&mut |name, _, values| tensors.push((name, values.to_vec())));
    (loss.nats, tensors)
}

/// A configuration of each family that others load, with and without biases and rescaled frequencies.
fn any_transformer() -> impl Strategy<Value = Config> {
    let heads = (1..4usize, 1..3usize, 1..4usize);
    let options = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (0..3u8, 1..3usize, heads, 1..3usize, options).prop_map(
        |(family, blocks, (group, keys, half), width, (tied, attention_bias, mlp_bias, scaled))| {
            let scaling = RopeScaling::Llama3 {
                factor: 4.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_position_embeddings: 16,
            };
            let of = |family: &str| TransformerConfig {
                architectures: vec![format!("{family}ForCausalLM")],
                num_hidden_layers: blocks,
                num_attention_heads: group * keys,
                num_key_value_heads: keys,
                head_dim: 2 * half,
                hidden_size: 8 * width,
                intermediate_size: 12 * width,
                attention_bias,
                mlp_bias,
                rope_scaling: scaled.then_some(scaling),
                ..config(tied)
            };
            match family {
                0 => Config::Qwen3(of("Qwen3")),
                1 => Config::Qwen2(of("Qwen2")),
                _ => Config::Llama(of("Llama")),
            }
        },
    )
}

/// Of any family, or with any mixers in its blocks.
fn any_config() -> impl Strategy<Value = Config> {
    let mixer = prop::sample::select(vec![
        MixerKind::Attention,
        MixerKind::Gru,
        MixerKind::Lstm,
        MixerKind::Convolution,
    ]);
    let mixers = prop::option::of(prop::collection::vec(mixer, 1..3));
    let shape = (1..14usize, 1..6usize, prop::collection::vec(1..9usize, 1..3));
    (any_transformer(), mixers, shape).prop_map(
        |(transformer, mixers, (state, taps, dilations))| match mixers {
            None => transformer,
            Some(mixers) => Config::Naman(DecoderConfig {
                architectures: vec!["NamanDecoder".to_owned()],
                mixers,
                mixer_size: state,
                kernel_size: taps,
                dilations,
                ..transformer.shape()
            }),
        },
    )
}

/// Away from the small values of initialisation, where norms bend sharply and gradients drown in rounding.
fn any_model() -> impl Strategy<Value = Decoder> {
    (any_config(), any::<u64>()).prop_map(|(config, seed)| {
        let mut model = Decoder::new(config, seed);
        model.visit_mut(&mut |name, shape, values| {
            let factor = match (name.contains("embed_tokens"), shape.len()) {
                (true, _) => 40.0,
                (false, 2..) => 3.0,
                _ => 0.9,
            };
            for (i, value) in values.iter_mut().enumerate() {
                let bias = if name.contains("bias") { (i as f32).sin() / 2.0 } else { 0.0 };
                *value = *value * factor + bias;
            }
        });
        model
    })
}

fn any_batch() -> impl Strategy<Value = Batch> {
    prop::collection::vec(prop::collection::vec((0..31u32, 0..2u8), 2..90), 1..4).prop_map(|segments| {
        let mut batch = Batch::new();
        for segment in segments {
            let (tokens, mut loss): (Vec<u32>, Vec<u8>) = segment.into_iter().unzip();
            loss[1] = 1;
            batch.push(&tokens, &loss);
        }
        batch
    })
}

/// Every tensor, bit for bit.
fn bits(model: &Decoder) -> Vec<(String, Vec<u32>)> {
    let mut tensors = Vec::new();
    model.visit(&mut |name, _, values| {
        tensors.push((name, values.iter().map(|value| value.to_bits()).collect()));
    });
    tensors
}

/// A segment between neighbours of some lengths that have no targets.
fn among(batch: &Batch, segment: std::ops::Range<usize>, before: &[usize], after: &[usize]) -> Batch {
    let mut all = Batch { tokens: Vec::new(), targets: Vec::new(), starts: vec![0] };
    let neighbour = |all: &mut Batch, length: usize| {
        all.tokens.extend((0..length as u32).map(|i| (i * i + length as u32) % 31));
        all.targets.extend(std::iter::repeat_n(IGNORE, length));
        all.starts.push(all.tokens.len());
    };
    for &length in before {
        neighbour(&mut all, length);
    }
    all.tokens.extend(&batch.tokens[segment.clone()]);
    all.targets.extend(&batch.targets[segment]);
    all.starts.push(all.tokens.len());
    for &length in after {
        neighbour(&mut all, length);
    }
    all
}

/// Asserts that 1, 2 and 3 threads find the same loss and gradient.
fn same_bits(model: &Decoder, batch: &Batch) {
    let found = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut gradient = model.zeros_like();
            let loss = model.gradient(batch, 0.5, &mut Tape::default(), &mut gradient);
            (loss.nats.to_bits(), bits(&gradient))
        })
    };
    let one = found(1);
    for threads in [2, 3] {
        let more = found(threads);
        assert_eq!(one.0, more.0, "the loss of {threads} threads");
        for (one, more) in one.1.iter().zip(&more.1) {
            assert!(one == more, "{} of {threads} threads", one.0);
        }
    }
}

/// A batch and a model of each mixer at sizes that are worth several threads, of products and of everything else.
fn large() -> (Batch, Vec<Decoder>) {
    let mut batch = Batch::new();
    for length in [300, 70, 129, 2] {
        let tokens: Vec<u32> = (0..=length).map(|i| (i * i / 3 + 5 * i + length) % 700).collect();
        batch.push(&tokens, &vec![1; tokens.len()]);
    }
    let qwen3 = TransformerConfig {
        vocab_size: 700,
        hidden_size: 128,
        intermediate_size: 200,
        head_dim: 32,
        max_position_embeddings: 512,
        attention_bias: true,
        ..config(true)
    };
    let mixers = [MixerKind::Attention, MixerKind::Gru, MixerKind::Lstm, MixerKind::Convolution];
    let of =
        |mixer| DecoderConfig { mixers: vec![mixer; 2], mixer_size: 100, ..qwen3.decoder(Family::Llama) };
    let mut models: Vec<Decoder> = mixers.iter().map(|&mixer| Decoder::new(&of(mixer), 3)).collect();
    models.push(Decoder::new(Config::Qwen3(qwen3), 3));
    (batch, models)
}

#[test]
fn every_mixer_has_the_same_bits_for_any_number_of_threads() {
    let (batch, models) = large();
    for mut model in models {
        same_bits(&model, &batch);
        model.set_precision(Precision::Bf16);
        same_bits(&model, &batch);
    }
}

/// Of rounding factors to 8 bits: 0.1 % of the loss, 2 % of a tensor's gradient.
#[test]
fn bfloat16_stays_near_f32() {
    let (batch, models) = large();
    let scale = 1.0 / batch.targets() as f32;
    for mut model in models {
        let (exact, gradients) = gradient(&model, &batch, scale, None);
        model.set_precision(Precision::Bf16);
        let (rounded, others) = gradient(&model, &batch, scale, None);
        assert!(
            (exact - rounded).abs() > 0.0 && (rounded / exact - 1.0).abs() < 1e-3,
            "{rounded} for {exact}"
        );
        for ((name, exact), (_, rounded)) in gradients.iter().zip(&others) {
            let size = |values: &mut dyn Iterator<Item = f32>| {
                values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
            };
            let error = size(&mut exact.iter().zip(rounded).map(|(a, b)| a - b));
            let size = size(&mut exact.iter().copied());
            assert!(error < 0.02 * size, "{name}: {error} of {size}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Along each tensor's own gradient g the loss rises by |g| a unit length.
    #[test]
    fn gradients_agree_with_finite_differences(
        model in any_model(),
        batch in any_batch(),
        rate in prop::option::of(0.1..0.5_f32),
    ) {
        let dropout = rate.map(|rate| Dropout::new(rate, 5));
        let scale = 1.0 / batch.targets() as f32;
        let (_, gradients) = gradient(&model, &batch, scale, dropout);
        let whole: f64 = gradients.iter().flat_map(|(_, g)| g).map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        for (name, direction) in &gradients {
            let length = direction.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            let moved = |step: f64| {
                let mut model = model.clone();
                model.visit_mut(&mut |found, _, values| {
                    if found == *name {
                        for (value, g) in values.iter_mut().zip(direction) {
                            *value += (step * f64::from(*g) / length) as f32;
                        }
                    }
                });
                gradient(&model, &batch, scale, dropout).0 * f64::from(scale)
            };
            // Tensors that hardly matter are below what f32 can show.
            if length > 0.03 * whole {
                let slope = |step: f64| (moved(step) - moved(-step)) / (2.0 * step);
                let (slope, coarser) = (slope(1e-3), slope(2e-3));
                // 0.003 is what rounding of the loss makes of a slope over this step; where a coarser step finds another
                // slope, the loss bends too sharply for either to be exact.
                let tolerance = 0.03 * length + 0.003 + (slope - coarser).abs();
                prop_assert!((slope - length).abs() < tolerance, "{name}: {slope} for {length}");
            }
        }
    }

    #[test]
    fn a_session_gives_the_probabilities_of_a_forward_pass(
        model in any_model(),
        tokens in prop::collection::vec(0..31u32, 2..40),
        piece in 1..8usize,
    ) {
        let scores = model.score(&tokens);
        let mut session = model.session();
        let mut next = 0;
        while next + 1 < tokens.len() {
            let end = tokens.len().min(next + piece);
            let logits = session.feed(&tokens[next..end]).to_vec();
            next = end;
            if next < tokens.len() {
                let sum: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
                let score = f64::from(logits[tokens[next] as usize]) - sum.ln();
                prop_assert!((score - f64::from(scores[next - 1])).abs() < 1e-4);
            }
        }
    }

    /// A segment's loss is the same alone and among any others, up to rounding: how a product adds depends on how many
    /// rows it has, so that bits do.
    #[test]
    fn segments_do_not_see_each_other(model in any_model(), batch in any_batch()) {
        let nats = |batch: &Batch| model.loss(batch, &mut Tape::default()).nats;
        for rows in batch.segments() {
            let alone = nats(&among(&batch, rows.clone(), &[], &[]));
            for (before, after) in [(&[95, 91][..], &[][..]), (&[3, 1], &[92, 17, 98])] {
                let among = nats(&among(&batch, rows.clone(), before, after));
                prop_assert!((alone - among).abs() < 1e-5 * alone.abs());
            }
        }
    }

    #[test]
    fn loss_and_gradient_have_the_same_bits_for_any_number_of_threads(
        model in any_model(),
        batch in any_batch(),
    ) {
        same_bits(&model, &batch);
    }

    #[test]
    fn weights_survive_their_file(model in any_model()) {
        let dir = tempfile::tempdir().unwrap();
        model.write(dir.path()).unwrap();
        let read = Decoder::read(dir.path(), model.config()).unwrap();
        prop_assert_eq!(bits(&read), bits(&model));
        prop_assert_eq!(read.config(), model.config());
        prop_assert!(ModelConfig::read(dir.path()).unwrap() == model.config().clone().into_model_config());
    }
}

#[test]
fn a_tape_may_serve_batches_of_any_size() {
    let model = Decoder::new(Config::Qwen3(config(true)), 3);
    let mut tape = Tape::default();
    let sizes = [5, 80, 1, 30];
    for size in sizes {
        let mut batch = Batch::new();
        let tokens: Vec<u32> = (0..=size).map(|i| i * 7 % 31).collect();
        batch.push(&tokens, &vec![1; tokens.len()]);
        let (mut kept, mut fresh) = (model.zeros_like(), model.zeros_like());
        let loss = model.gradient(&batch, 1.0, &mut tape, &mut kept);
        assert_eq!(loss, model.gradient(&batch, 1.0, &mut Tape::default(), &mut fresh));
        assert_eq!(kept, fresh);
    }
}
