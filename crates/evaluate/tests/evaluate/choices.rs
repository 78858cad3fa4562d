//! Multiple-choice questions against lm-evaluation-harness.

use artifact::config::{GenerationConfig, TransformerConfig};
use evaluate::choices::ChoiceSet;
use model::chat::Chat;
use model::decoder::Config;
use model::{Decoder, Params};
use serde_json::Value;

use crate::bytes_tokenizer::bytes_tokenizer;

/// The model of `fixtures/choices.py`.
fn chat() -> Chat {
    let tokenizer = bytes_tokenizer();
    let config = TransformerConfig {
        architectures: vec!["Qwen3ForCausalLM".to_owned()],
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        max_position_embeddings: 160,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
        rope_scaling: None,
        hidden_act: "silu".to_owned(),
        bos_token_id: 0,
        eos_token_id: 1,
        pad_token_id: 0,
        torch_dtype: "float32".to_owned(),
    };
    let mut model = Decoder::new(Config::Qwen3(config), 1);
    model.visit_mut(&mut |name, _, values| {
        let first = f64::from(name.bytes().fold(0, |first, byte| (31 * first + u32::from(byte)) % 1009));
        let one = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        for (i, value) in values.iter_mut().enumerate() {
            let i = i as f64;
            *value = (one + 0.4 * (0.7 * i + 1.3 * first + 0.1 * i.sqrt()).sin()) as f32;
        }
    });
    Chat { model: Box::new(model), tokenizer, generation: GenerationConfig::default() }
}

#[test]
fn likelihoods_and_accuracies_are_those_of_the_harness() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/choices.json")).unwrap();
    let questions = fixture["questions"].as_array().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kobest.jsonl");
    let lines = questions.iter().map(|question| {
        let mut question = question.clone();
        question.as_object_mut().unwrap().remove("log_likelihoods");
        format!("{question}\n")
    });
    fs_err::write(&path, lines.collect::<String>()).unwrap();
    let (set, chat) = (ChoiceSet::read(&path).unwrap(), chat());
    for (question, found) in questions.iter().zip(set.log_likelihoods(&chat).unwrap()) {
        let expected: Vec<f64> = question["log_likelihoods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs(),
                "{question}: {found}, expected {expected}"
            );
        }
    }
    let report = set.measure(&chat, 1).unwrap();
    assert_eq!((report.name.as_str(), report.questions), ("kobest", questions.len()));
    assert!((report.accuracy.value - fixture["acc"].as_f64().unwrap()).abs() < 1e-9);
    assert!((report.accuracy_by_length.value - fixture["acc_norm"].as_f64().unwrap()).abs() < 1e-9);
    assert!(report.accuracy.low < report.accuracy.value && report.accuracy.value < report.accuracy.high);
}

#[test]
fn a_set_that_is_none_is_told_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.jsonl");
    let good = r#"{"question": "?", "choices": ["a", "b"], "answer": 1}"#;
    for (bad, expected) in [
        (r#"{"question": "?", "choices": ["a", "b"], "answer": 2}"#, "an answer below"),
        (r#"{"question": "?", "choices": ["a"], "answer": 0}"#, "at least two choices"),
        (r#"{"question": "?", "choices": ["a", ""], "answer": 0}"#, "none empty"),
        (r#"{"question": "?", "answer": 0}"#, "choices"),
        ("", ""),
    ] {
        let text = if bad.is_empty() { String::new() } else { format!("{good}\n{bad}\n") };
        fs_err::write(&path, text).unwrap();
        let message = ChoiceSet::read(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("set.jsonl"), "{message}");
        assert!(bad.is_empty() || message.contains('2'), "{message}");
    }
}
