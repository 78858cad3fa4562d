//! Ten steps of training replay those of PyTorch.

use artifact::config::ModelConfig;
use artifact::conversation::Split;
use artifact::metrics::Row;
use artifact::shard::{Document, Documents, write_split};
use model::decoder::Config;
use model::{Decoder, Params};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Bench, tokenizer};

/// `fixtures/steps.json`.
#[derive(Deserialize)]
struct Fixture {
    options: Map<String, Value>,
    documents: Vec<Talk>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Talk {
    tokens: Vec<u32>,
    loss: Vec<u8>,
}

#[derive(Deserialize)]
struct Run {
    config: ModelConfig,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    loss: f64,
    norm: f64,
    rate: f64,
}

/// The formula of `model`'s `fixtures/mixers.py`.
fn filled(config: &ModelConfig) -> Decoder {
    let mut model = match config.clone() {
        ModelConfig::Qwen3(config) => Decoder::new(Config::Qwen3(config), 0),
        ModelConfig::Decoder(config) => Decoder::new(Config::Naman(config), 0),
        other => panic!("{other:?}"),
    };
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

#[test]
fn steps_are_those_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/steps.json")).unwrap();
    let (bench, tokenizer) = (Bench::new(), tokenizer());
    let mut documents = Documents::new();
    for talk in &fixture.documents {
        documents.push(Document { tokens: &talk.tokens, loss: &talk.loss });
    }
    write_split(&bench.path("data"), Split::Train, &documents, tokenizer.vocab_size()).unwrap();
    // All documents in one batch, whose order does not matter.
    let mut options = "--precision f32 --batch-tokens 4096 --valid-every 1000".to_owned();
    for (name, value) in &fixture.options {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        options.extend([" --", name, " ", &value]);
    }

    assert_eq!(fixture.runs.len(), 4);
    for (index, run) in fixture.runs.iter().enumerate() {
        let (start, out) = (format!("start-{index}"), format!("out-{index}"));
        let dir = bench.model(&start, &tokenizer, &run.config);
        filled(&run.config).write(&dir).unwrap();
        bench.succeed(&start, &out, &options);
        let rows = bench.rows(&out);
        let mut steps = rows.iter().filter_map(|row| match row {
            Row::Step(row) => Some(row),
            Row::Validation(_) => None,
        });
        for (t, theirs) in run.steps.iter().enumerate() {
            let ours = steps.next().expect("as many steps");
            let (loss, norm) = (ours.loss_nats_per_token, ours.gradient_norm);
            assert!((loss - theirs.loss).abs() < 1e-4, "{out}, step {t}: loss {loss} for {}", theirs.loss);
            assert!(
                (norm / theirs.norm - 1.0).abs() < 1e-4,
                "{out}, step {t}: norm {norm} for {}",
                theirs.norm
            );
            assert!(
                (ours.learning_rate - theirs.rate).abs() < 1e-9,
                "{out}, step {t}: {}",
                ours.learning_rate
            );
        }
        assert!(steps.next().is_none());
    }
}
