//! The n-gram model against `KenLM` (Heafield et al. 2013), on figures that `fixtures/ngram_kenlm.py` has written.

use std::collections::BTreeSet;

use artifact::config::NgramConfig;
use artifact::shard::{Document, Documents};
use model::ngram::Estimation;
use model::{LanguageModel, Ngram};
use serde::Deserialize;

const FIXTURE: &str = include_str!("fixtures/ngram_kenlm.json");

/// See `fixtures/ngram_kenlm.py`.
#[derive(Deserialize)]
struct Fixture {
    vocab_size: usize,
    training: Vec<Vec<u32>>,
    held_out: Vec<Vec<u32>>,
    models: Vec<Estimate>,
}

/// What one model of `KenLM` gives.
#[derive(Deserialize)]
struct Estimate {
    order: usize,
    prune: Vec<u32>,
    /// Of each token after the first, document by document.
    log10: Vec<Vec<f64>>,
}

/// [0], the line, [1].
fn document(line: &[u32]) -> Vec<u32> {
    [&[0], line, &[1]].concat()
}

#[test]
fn agrees_with_kenlm() {
    let fixture: Fixture = serde_json::from_str(FIXTURE).unwrap();
    let mut documents = Documents::new();
    for line in &fixture.training {
        let tokens = document(line);
        documents.push(Document { tokens: &tokens, loss: &vec![1; tokens.len()] });
    }
    let seen: BTreeSet<u32> = fixture.training.iter().flatten().copied().chain([1]).collect();
    let unseen = ((fixture.vocab_size - seen.len()) as f64).log10();

    for expected in &fixture.models {
        let config = NgramConfig {
            architectures: Vec::new(),
            vocab_size: fixture.vocab_size,
            order: expected.order,
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
        };
        let model =
            Ngram::fit(&documents, &config, Estimation { prune: &expected.prune, memory: None }).unwrap();
        let mut worst = 0.0_f64;
        for (line, log10) in fixture.held_out.iter().zip(&expected.log10) {
            let tokens = document(line);
            let scores = model.score(&tokens);
            assert_eq!(scores.len(), log10.len());
            for ((token, score), log10) in tokens[1..].iter().zip(scores).zip(log10) {
                // KenLM's <unk> stands for all of them.
                let share = if seen.contains(token) { 0.0 } else { unseen };
                let found = f64::from(score) / std::f64::consts::LN_10 + share;
                worst = worst.max((found - log10).abs());
            }
        }
        let (order, prune) = (expected.order, &expected.prune);
        println!("order {order}, pruned {prune:?}: log10 p differs by at most {worst:.1e}");
        assert!(worst < 1e-4, "order {order}, pruned {prune:?}: log10 p differs by {worst}");
    }
}
