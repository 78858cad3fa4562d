//! The decoder against `transformers`, against finite differences, and against itself token by token.

use artifact::config::{DecoderConfig, Family, MixerKind, TransformerConfig};
use model::batch::IGNORE;
use model::decoder::{Config, Tape};
use model::{Batch, Decoder, LanguageModel, Params};
use proptest::prelude::*;
use serde::Deserialize;

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

/// The largest difference, relative to the largest value.
fn relative_error(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1e-30_f32, |top, value| top.max(value.abs()));
    ours.iter().zip(theirs).fold(0.0_f32, |top, (a, b)| top.max((a - b).abs())) / scale
}

fn gradient(model: &Decoder, batch: &Batch, scale: f32) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut gradient = model.zeros_like();
    let loss = model.gradient(batch, scale, &mut Tape::default(), &mut gradient);
    let mut tensors = Vec::new();
    gradient.visit(&mut |name, _, values| tensors.push((name, values.to_vec())));
    (loss.nats, tensors)
}

#[derive(Deserialize)]
struct Case {
    tie_word_embeddings: bool,
    nats: f64,
    targets: usize,
    logits: Vec<Vec<Vec<f32>>>,
    gradients: std::collections::BTreeMap<String, Vec<f32>>,
}

/// The formula of `fixtures/qwen3.py`.
fn filled(config: &TransformerConfig) -> Decoder {
    let mut model = Decoder::new(Config::Qwen3(config.clone()), 0);
    // PyTorch's order of a block's tensors differs from ours; the formula counts in PyTorch's.
    let of_block = [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "self_attn.q_norm",
        "self_attn.k_norm",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
        "input_layernorm",
        "post_attention_layernorm",
    ];
    let mut order = vec!["model.embed_tokens.weight".to_owned()];
    for layer in 0..config.num_hidden_layers {
        order.extend(of_block.iter().map(|name| format!("model.layers.{layer}.{name}.weight")));
    }
    order.extend(["model.norm.weight".to_owned(), "lm_head.weight".to_owned()]);
    model.visit_mut(&mut |name, _, values| {
        let index = order.iter().position(|known| *known == name).expect("a tensor of Qwen3") as f64;
        let norm = name.ends_with("norm.weight");
        for (i, value) in values.iter_mut().enumerate() {
            let i = i as f64;
            let wave = 0.3 * (0.7 * i + 1.3 * index + 0.1 * i.sqrt()).sin();
            *value = (if norm { 1.0 + wave } else { wave }) as f32;
        }
    });
    model
}

#[test]
fn loss_logits_and_gradients_are_those_of_transformers() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/qwen3.json")).unwrap();
    for case in cases {
        let model = filled(&config(case.tie_word_embeddings));
        let batch = Batch {
            tokens: vec![1, 5, 9, 3, 2, 7, 7, 4, 8, 1],
            targets: vec![5, 9, IGNORE, 2, 7, 7, 30, IGNORE, 1, 0],
            starts: vec![0, 7, 10],
        };
        let (nats, gradients) = gradient(&model, &batch, 1.0 / case.targets as f32);
        assert!((nats / case.nats - 1.0).abs() < 1e-5, "loss {nats} for {}", case.nats);
        assert_eq!(gradients.len(), case.gradients.len());
        for (name, ours) in &gradients {
            let error = relative_error(ours, &case.gradients[name]);
            assert!(error < 1e-4, "{name}: relative error {error}");
        }
        for (rows, logits) in batch.segments().zip(&case.logits) {
            let mut session = model.session();
            for (row, theirs) in rows.zip(logits) {
                let error = relative_error(session.feed(&batch.tokens[row..=row]), theirs);
                assert!(error < 1e-4, "logits: relative error {error}");
            }
        }
    }
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
    let model = filled(&config(true));
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
