//! Qwen3, Qwen2 and Llama against `transformers`: directories as it writes them, losses, logits and gradients.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::collections::BTreeMap;
use std::path::Path;

use artifact::config::{self, ModelConfig};
use artifact::weights::{self, Tensor};
use model::batch::IGNORE;
use model::decoder::Tape;
use model::{Batch, Decoder, LanguageModel, Model, Params};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    name: String,
    config: Value,
    nats: f64,
    targets: usize,
    logits: Vec<Vec<f32>>,
    gradients: BTreeMap<String, Gradient>,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    every: usize,
    values: Vec<f32>,
}

/// Rows whose logits are kept.
const KEPT: [usize; 9] = [0, 4, 5, 12, 25, 40, 70, 84, 85];

/// The formula of `fixtures/families.py`.
fn wave(name: &str, count: usize) -> Vec<f32> {
    let first = f64::from(name.bytes().fold(0, |first, byte| (31 * first + u32::from(byte)) % 1009));
    let one = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
    let value = |i: f64| one + 0.4 * (0.7 * i + 1.3 * first + 0.1 * i.sqrt()).sin();
    (0..count).map(|i| value(i as f64) as f32).collect()
}

/// The segments of `fixtures/families.py`.
fn batch() -> Batch {
    let rows = 0..86_u32;
    Batch {
        tokens: rows.clone().map(|row| (7 * row + row * row / 5) % 23).collect(),
        targets: rows.map(|row| if row % 4 == 2 { IGNORE } else { (11 * row + 3) % 23 }).collect(),
        starts: vec![0, 5, 85, 86],
    }
}

/// The largest difference, relative to the largest value.
fn relative_error(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1e-30_f32, |top, value| top.max(value.abs()));
    ours.iter().zip(theirs).fold(0.0_f32, |top, (a, b)| top.max((a - b).abs())) / scale
}

/// Reads the directory that `transformers` would write for a case.
fn read(case: &Case, dir: &Path) -> Decoder {
    fs_err::write(dir.join(config::FILE), case.config.to_string()).unwrap();
    let config = ModelConfig::read(dir).unwrap();
    let shapes = config.decoder().unwrap().tensors();
    assert!(shapes.iter().all(|(name, _)| case.gradients.contains_key(name)), "{}: {shapes:?}", case.name);
    assert_eq!(shapes.len(), case.gradients.len(), "{}", case.name);
    let values: Vec<Vec<f32>> =
        shapes.iter().map(|(name, shape)| wave(name, shape.iter().product())).collect();
    let tensors = shapes.iter().zip(&values);
    let tensors = tensors.map(|((name, shape), data)| (name.clone(), Tensor { shape, data }));
    weights::write(&dir.join(weights::FILE), tensors).unwrap();
    match Model::read(dir).unwrap() {
        Model::Decoder(model) => *model,
        Model::Ngram(_) | Model::Bm25(_) => panic!("a decoder"),
    }
}

#[test]
fn losses_logits_and_gradients_are_those_of_transformers() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/families.json")).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        let model = read(&case, dir.path());
        let batch = batch();
        let name = &case.name;
        assert_eq!(batch.targets(), case.targets);

        let mut gradient = model.zeros_like();
        let loss = model.gradient(&batch, 1.0 / case.targets as f32, &mut Tape::default(), &mut gradient);
        assert!((loss.nats / case.nats - 1.0).abs() < 1e-5, "{name}: loss {} for {}", loss.nats, case.nats);
        gradient.visit(&mut |tensor, _, ours| {
            let theirs = &case.gradients[&tensor];
            let values: Vec<f32> = ours.iter().copied().step_by(theirs.every).collect();
            let error = relative_error(&values, &theirs.values);
            assert!(error < 1e-4, "{name}: {tensor}: relative error {error}");
            let norm = ours.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            assert!((norm / theirs.norm - 1.0).abs() < 1e-4, "{name}: {tensor}: norm {norm}");
        });

        let mut kept = KEPT.iter().zip(&case.logits).peekable();
        for rows in batch.segments() {
            let mut session = model.session();
            for row in rows {
                let ours = session.feed(&batch.tokens[row..=row]);
                if let Some((_, theirs)) = kept.next_if(|(kept, _)| **kept == row) {
                    let error = relative_error(ours, theirs);
                    assert!(error < 1e-4, "{name}: logits of row {row}: relative error {error}");
                }
            }
        }
        assert!(kept.next().is_none());

        // What we write, we read as the same model.
        let again = tempfile::tempdir().unwrap();
        model.write(again.path()).unwrap();
        assert_eq!(Decoder::read(again.path(), model.config()).unwrap(), model, "{name}");
        let config = ModelConfig::read(again.path()).unwrap();
        assert_eq!(config, ModelConfig::read(dir.path()).unwrap(), "{name}");
    }
}
