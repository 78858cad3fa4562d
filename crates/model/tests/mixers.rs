//! GRU, LSTM, gated convolution and a decoder of all mixers against PyTorch; what a step of each costs.

use std::collections::BTreeMap;

use artifact::config::{DecoderConfig, MixerKind};
use model::batch::IGNORE;
use model::decoder::Tape;
use model::{Batch, Decoder, LanguageModel, Params};
use serde::Deserialize;

/// The shapes of `fixtures/mixers.py`.
fn config(mixers: &[MixerKind]) -> DecoderConfig {
    serde_json::from_value(serde_json::json!({
        "vocab_size": 15, "hidden_size": 8, "intermediate_size": 10, "mixers": mixers, "mixer_size": 6,
        "kernel_size": 3, "dilations": [1, 2], "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .expect("the shapes of a decoder")
}

/// The formula of `fixtures/mixers.py`.
fn filled(config: &DecoderConfig) -> Decoder {
    let mut model = Decoder::new(config, 0);
    model.visit_mut(&mut |name, _, values| {
        let first = f64::from(name.bytes().fold(0, |first, byte| (31 * first + u32::from(byte)) % 1009));
        for (i, value) in values.iter_mut().enumerate() {
            let i = i as f64;
            let wave = 0.5 * (0.7 * i + 1.3 * first + 0.1 * i.sqrt()).sin();
            *value = (if name.ends_with("norm.weight") { 1.0 + wave } else { wave }) as f32;
        }
    });
    model
}

#[derive(Deserialize)]
struct Case {
    mixers: Vec<MixerKind>,
    nats: f64,
    targets: usize,
    logits: Vec<Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

/// The largest difference, relative to the largest value.
fn relative_error(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1e-30_f32, |top, value| top.max(value.abs()));
    ours.iter().zip(theirs).fold(0.0_f32, |top, (a, b)| top.max((a - b).abs())) / scale
}

#[test]
fn loss_logits_and_gradients_are_those_of_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/mixers.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let model = filled(&config(&case.mixers));
        let batch = Batch {
            tokens: vec![4, 8, 1, 1, 5, 9, 3, 2, 7, 7, 6, 2, 4, 0],
            targets: vec![IGNORE, 1, 0, 5, 9, IGNORE, 2, 7, 7, 14, 3, 4, 4, 11],
            starts: vec![0, 3, 10, 11, 14],
        };
        assert_eq!(batch.targets(), case.targets);
        let mut gradient = model.zeros_like();
        let loss = model.gradient(&batch, 1.0 / case.targets as f32, &mut Tape::default(), &mut gradient);
        assert!((loss.nats / case.nats - 1.0).abs() < 1e-5, "loss {} for {}", loss.nats, case.nats);
        let mut names = Vec::new();
        gradient.visit(&mut |name, _, ours| {
            let error = relative_error(ours, &case.gradients[&name]);
            assert!(error < 1e-4, "{:?}: {name}: relative error {error}", case.mixers);
            names.push(name);
        });
        names.sort();
        assert!(names.iter().eq(case.gradients.keys()));
        for rows in batch.segments() {
            let mut session = model.session();
            for row in rows {
                let error = relative_error(session.feed(&batch.tokens[row..=row]), &case.logits[row]);
                assert!(error < 1e-4, "{:?}: logits: relative error {error}", case.mixers);
            }
        }
    }
}

/// `artifact` writes names and shapes down once more, for whoever makes or checks a directory without this crate.
#[test]
fn tensors_are_those_that_the_configuration_implies() {
    use MixerKind::{Attention, Convolution, Gru, Lstm};
    for tied in [true, false] {
        let config =
            DecoderConfig { tie_word_embeddings: tied, ..config(&[Gru, Convolution, Attention, Lstm]) };
        let mut tensors = Vec::new();
        Decoder::new(&config, 0).visit(&mut |name, shape, values| {
            assert_eq!(values.len(), shape.iter().product::<usize>());
            tensors.push((name, shape.to_vec()));
        });
        let mut expected = config.tensors();
        tensors.sort();
        expected.sort();
        assert_eq!(tensors, expected);
    }
}

/// Training steps of ragged batches, and the same in another order of segments, give the same gradient up to rounding.
#[test]
fn the_order_of_segments_does_not_matter() {
    use MixerKind::{Convolution, Gru, Lstm};
    for mixer in [Gru, Lstm, Convolution] {
        let model = filled(&config(&[mixer, mixer]));
        let segments: [&[u32]; 5] =
            [&[3, 1, 4, 1, 5, 9], &[2, 6], &[5, 3, 5, 8, 9, 7, 9, 3], &[2, 3, 8], &[4, 6]];
        let gradient = |order: [usize; 5]| {
            let mut batch = Batch::new();
            for index in order {
                batch.push(segments[index], &vec![1; segments[index].len()]);
            }
            let mut gradient = model.zeros_like();
            model.gradient(&batch, 1.0, &mut Tape::default(), &mut gradient);
            let mut values = Vec::new();
            gradient.visit(&mut |_, _, tensor| values.extend_from_slice(tensor));
            values
        };
        let error = relative_error(&gradient([2, 4, 0, 3, 1]), &gradient([0, 1, 2, 3, 4]));
        assert!(error < 1e-5, "{mixer:?}: relative error {error}");
    }
}

#[test]
fn empty_segments_change_nothing() {
    use MixerKind::{Attention, Convolution, Gru, Lstm};
    let model = filled(&config(&[Gru, Lstm, Convolution, Attention]));
    let batch = |starts: Vec<usize>| Batch { tokens: vec![3, 1, 4], targets: vec![1, 4, 1], starts };
    let loss = |batch: &Batch| {
        let mut gradient = model.zeros_like();
        (model.gradient(batch, 1.0, &mut Tape::default(), &mut gradient), gradient)
    };
    assert_eq!(loss(&batch(vec![0, 2, 3])), loss(&batch(vec![0, 0, 2, 2, 3, 3])));
    assert!(loss(&Batch::new()).1 == model.zeros_like());
}
