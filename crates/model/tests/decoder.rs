//! The decoder against finite differences, and against itself token by token.

use artifact::config::{DecoderConfig, Family, MixerKind, TransformerConfig};
use model::decoder::{Config, Tape};
use model::{Batch, Decoder, LanguageModel, Params};
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

fn gradient(model: &Decoder, batch: &Batch, scale: f32) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut gradient = model.zeros_like();
    let loss = model.gradient(batch, scale, &mut Tape::default(), &mut gradient);
    let mut tensors = Vec::new();
    gradient.visit(&mut |name, _, values| tensors.push((name, values.to_vec())));
    (loss.nats, tensors)
}

/// A decoder whose blocks have any mixers; a Qwen3 where all attend.
fn any_model() -> impl Strategy<Value = Decoder> {
    let mixer = prop::sample::select(vec![
        MixerKind::Attention,
        MixerKind::Gru,
        MixerKind::Lstm,
        MixerKind::Convolution,
    ]);
    let mixers = prop::collection::vec(mixer, 1..3);
    let heads = (1..4usize, 1..3usize, 1..4usize);
    let shape = (1..3usize, 1..14usize, 1..6usize, prop::collection::vec(1..9usize, 1..3));
    (mixers, heads, shape, any::<bool>(), any::<u64>()).prop_map(
        |(mixers, (group, keys, half), (width, state, taps, dilations), tied, seed)| {
            let qwen3 = TransformerConfig {
                num_hidden_layers: mixers.len(),
                num_attention_heads: group * keys,
                num_key_value_heads: keys,
                head_dim: 2 * half,
                hidden_size: 8 * width,
                intermediate_size: 12 * width,
                ..config(tied)
            };
            let mut model = if mixers.iter().all(|mixer| *mixer == MixerKind::Attention) {
                Decoder::new(Config::Qwen3(qwen3), seed)
            } else {
                let config = DecoderConfig {
                    architectures: vec!["NamanDecoder".to_owned()],
                    mixers,
                    mixer_size: state,
                    kernel_size: taps,
                    dilations,
                    ..qwen3.decoder(Family::Qwen3)
                };
                Decoder::new(&config, seed)
            };
            // Away from the small values of initialisation, where norms bend sharply and gradients drown in rounding.
            model.visit_mut(&mut |name, shape, values| {
                let factor = match (name.contains("embed_tokens"), shape.len()) {
                    (true, _) => 40.0,
                    (false, 2..) => 3.0,
                    _ => 0.9,
                };
                for (i, value) in values.iter_mut().enumerate() {
                    *value =
                        *value * factor + if name.contains("bias") { (i as f32).sin() / 2.0 } else { 0.0 };
                }
            });
            model
        },
    )
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Along each tensor's own gradient g the loss rises by |g| a unit length.
    #[test]
    fn gradients_agree_with_finite_differences(model in any_model(), batch in any_batch()) {
        let scale = 1.0 / batch.targets() as f32;
        let (_, gradients) = gradient(&model, &batch, scale);
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
                model.loss(&batch, &mut Tape::default()).mean()
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

    /// A segment's loss is the same alone and among others.
    #[test]
    fn segments_do_not_see_each_other(model in any_model(), batch in any_batch()) {
        let together = model.loss(&batch, &mut Tape::default()).nats;
        let apart: f64 = batch.segments().map(|rows| {
            let alone = Batch {
                tokens: batch.tokens[rows.clone()].to_vec(),
                targets: batch.targets[rows.clone()].to_vec(),
                starts: vec![0, rows.len()],
            };
            model.loss(&alone, &mut Tape::default()).nats
        }).sum();
        prop_assert!((together - apart).abs() < 1e-5 * together.abs());
    }

    #[test]
    fn weights_survive_their_file(model in any_model()) {
        let dir = tempfile::tempdir().unwrap();
        model.write(dir.path()).unwrap();
        prop_assert_eq!(Decoder::read(dir.path(), model.config()).unwrap(), model);
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
