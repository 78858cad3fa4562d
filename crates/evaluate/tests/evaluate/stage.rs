//! The whole stage with a real model directory.

use std::path::Path;

use artifact::config::{GENERATION_FILE, GenerationConfig, TransformerConfig};
use artifact::json::{self, LinesWriter};
use artifact::metrics::{self, Row, StepRow, ValidationRow};
use artifact::report::{PAGE_FILE, Report, Sample};
use model::Decoder;
use model::decoder::Config;
use tempfile::TempDir;

use crate::bytes_tokenizer::bytes_tokenizer;
use crate::held_out::{arguments, conversations, data};

/// A random Transformer of the smallest shapes, with the metrics of 300 steps.
fn model_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = bytes_tokenizer();
    let end = tokenizer.eos().unwrap();
    let config = TransformerConfig {
        architectures: vec!["Qwen3ForCausalLM".to_owned()],
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        max_position_embeddings: 256,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
        rope_scaling: None,
        hidden_act: "silu".to_owned(),
        bos_token_id: 0,
        eos_token_id: end,
        pad_token_id: 0,
        torch_dtype: "float32".to_owned(),
    };
    Decoder::new(Config::Qwen3(config), 1).write(dir.path()).unwrap();
    tokenizer.write(dir.path()).unwrap();
    let generation = GenerationConfig { eos_token_id: vec![end], ..GenerationConfig::default() };
    json::write(&dir.path().join(GENERATION_FILE), &generation).unwrap();

    let mut file = LinesWriter::create(&dir.path().join(metrics::FILE)).unwrap();
    for step in 1..=300 {
        let (epoch, tokens, seconds) = (step as f64 / 100.0, 1000 * step, step as f64);
        let loss_nats_per_token = 6.0 - step as f64 / 100.0;
        let (learning_rate, gradient_norm, tokens_per_second) = (1e-3, 1.0, 1000.0);
        let step_row = StepRow {
            step,
            epoch,
            tokens,
            seconds,
            loss_nats_per_token,
            learning_rate,
            gradient_norm,
            tokens_per_second,
        };
        file.write(&Row::Step(step_row)).unwrap();
        if step % 100 == 0 {
            let (bits_per_byte, best, answers) = (None, true, Vec::new());
            let validation = ValidationRow {
                step,
                epoch,
                tokens,
                seconds,
                loss_nats_per_token,
                bits_per_byte,
                best,
                answers,
                peak_memory_bytes: Some(step << 20),
            };
            file.write(&Row::Validation(validation)).unwrap();
        }
    }
    file.flush().unwrap();
    dir
}

fn run(data: &Path, model: &Path) -> anyhow::Result<std::process::ExitCode> {
    evaluate::run(arguments(
        data,
        &["--max-new-tokens", "8", "--model", &format!("tiny={}", model.display())],
    ))
}

#[test]
fn writes_a_report_that_others_can_read() {
    let (data, model) = (data(&conversations()), model_dir());
    run(data.path(), model.path()).unwrap();
    let out = data.path().join("report");
    let report = Report::read(&out).unwrap();
    let tiny = &report.models[0];
    assert_eq!((tiny.name.as_str(), tiny.model_type.as_str(), tiny.context_length), ("tiny", "qwen3", 256));
    // Random weights know nothing: about as likely as any of V tokens.
    assert!(
        (tiny.loss_nats_per_token - (tiny.vocab_size as f64).ln()).abs() < 0.5,
        "{}",
        tiny.loss_nats_per_token
    );
    assert_eq!((tiny.counts.action_turns, tiny.counts.recall_turns), (3, 1));
    assert!(report.speed["tiny"].tokens_per_second > 0.0);
    let training = tiny.training.as_ref().unwrap();
    assert_eq!((training.tokens, training.peak_memory_bytes), (300_000, Some(300 << 20)));
    assert!((training.tokens_per_second - 1000.0).abs() < 1e-9 && (training.seconds - 300.0).abs() < 1e-9);
    // f32 weights; keys and values of one head of 8 for each token of the context.
    let memory = tiny.memory.as_ref().unwrap();
    assert_eq!(memory.model_bytes, 4 * tiny.parameters);
    assert_eq!((memory.talk_bytes, memory.talk_tokens), (2 * 4 * 8 * 256, 256));
    assert_eq!(report.ranking.len(), 8);
    assert!(report.ranking.iter().all(|ranking| ranking.models == ["tiny"]));

    // Means of three steps, and every validation.
    let valid = tiny.learning_curve.iter().filter_map(|p| Some((p.step, p.valid_loss_nats_per_token?)));
    assert_eq!(valid.collect::<Vec<_>>(), [(100, 5.0), (200, 4.0), (300, 3.0)]);
    let train: Vec<_> = tiny.learning_curve.iter().filter_map(|p| p.train_loss_nats_per_token).collect();
    assert_eq!(train.len(), 100);
    assert!((train[0] - 5.98).abs() < 1e-9);

    // Four questions, all of them as one talk, and three held-out conversations.
    assert_eq!(Sample::read(&out).unwrap().len(), 8);
    let page = fs_err::read_to_string(out.join(PAGE_FILE)).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
}

#[test]
fn a_damaged_model_is_told_and_leaves_no_report() {
    let data = data(&conversations());
    let fails = |damage: &dyn Fn(&Path), expected: &[&str]| {
        let model = model_dir();
        damage(model.path());
        let message = format!("{:#}", run(data.path(), model.path()).unwrap_err());
        assert!(expected.iter().all(|part| message.contains(part)), "{message}");
        assert!(!data.path().join("report").exists());
    };
    let cut = |path: &Path, bytes: usize| {
        let whole = fs_err::read(path).unwrap();
        fs_err::write(path, &whole[..whole.len() - bytes]).unwrap();
    };
    fails(&|dir| cut(&dir.join("model.safetensors"), 100), &["model `tiny`", "model.safetensors"]);
    fails(&|dir| cut(&dir.join("metrics.jsonl"), 10), &["model `tiny`", "metrics.jsonl:303"]);
    fails(&|dir| cut(&dir.join("config.json"), 10), &["model `tiny`", "config.json"]);
    fails(
        &|dir| fs_err::remove_file(dir.join("tokenizer.json")).unwrap(),
        &["model `tiny`", "tokenizer.json"],
    );
    let infinite = |dir: &Path| {
        // The tensors follow the header: f32 infinity in every place.
        let path = dir.join("model.safetensors");
        let mut bytes = fs_err::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[header..]
            .chunks_exact_mut(4)
            .for_each(|value| value.copy_from_slice(&f32::INFINITY.to_le_bytes()));
        fs_err::write(&path, bytes).unwrap();
    };
    fails(&infinite, &["model `tiny`", "the held-out loss is"]);
}
