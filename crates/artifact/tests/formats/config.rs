//! Configurations of our own and of `transformers`, and shapes that cannot be.

use std::path::Path;

use artifact::config::{
    AttentionBias, FILE, Family, GENERATION_FILE, GenerationConfig, MixerKind, ModelConfig, RopeScaling,
    TransformerConfig,
};
use fs_err as fs;
use serde_json::{Value, json};

use crate::directories;

fn read(value: &Value) -> artifact::Result<ModelConfig> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), value.to_string()).unwrap();
    ModelConfig::read(dir.path())
}

fn bm25() -> Value {
    json!({"model_type": "naman_bm25", "vocab_size": 9, "k1": 1.2, "b": 0.75, "reply_prefix_token_ids": [4],
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0})
}

fn ours() -> Value {
    serde_json::to_value(ModelConfig::Qwen3(directories::qwen3())).unwrap()
}

#[track_caller]
fn check_error(key: &str, value: Value, parts: &[&str]) {
    let mut config = ours();
    config[key] = value;
    let error = read(&config).expect_err(key).to_string();
    for part in parts.iter().chain([&FILE]) {
        assert!(error.contains(part), "no {part} in {error}");
    }
}

#[test]
fn reads_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let ngram = json!({"model_type": "naman_ngram", "vocab_size": 9, "order": 4, "bos_token_id": 0, "eos_token_id": 1,
        "pad_token_id": 0});
    let decoder = ModelConfig::Decoder(directories::decoder());
    for config in
        [ModelConfig::Qwen3(directories::qwen3()), decoder, read(&ngram).unwrap(), read(&bm25()).unwrap()]
    {
        config.write(dir.path()).unwrap();
        assert_eq!(ModelConfig::read(dir.path()).unwrap(), config);
    }
}

#[test]
fn is_written_as_transformers_names_it() {
    let ours = ours();
    assert_eq!(ours["model_type"], "qwen3");
    assert_eq!(ours["architectures"], json!(["Qwen3ForCausalLM"]));
    assert_eq!((&ours["hidden_act"], &ours["torch_dtype"]), (&json!("silu"), &json!("float32")));
}

/// As `transformers` 5.24 writes a small `Qwen3ForCausalLM`.
const TRANSFORMERS_5: &str = r#"{
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
  "dtype": "bfloat16", "eos_token_id": 1, "head_dim": 16, "hidden_act": "silu", "hidden_size": 32,
  "initializer_range": 0.02, "intermediate_size": 64, "layer_types": ["full_attention"],
  "max_position_embeddings": 64, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 2,
  "num_hidden_layers": 1, "num_key_value_heads": 1, "pad_token_id": null, "rms_norm_eps": 1e-06,
  "rope_parameters": {"rope_theta": 12345.0, "rope_type": "default"}, "sliding_window": null,
  "tie_word_embeddings": true, "transformers_version": "5.24.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 300
}"#;

#[test]
fn reads_what_newer_transformers_write() {
    let config = read(&serde_json::from_str(TRANSFORMERS_5).unwrap()).unwrap();
    let ModelConfig::Qwen3(config) = config else { panic!("{config:?}") };
    assert!((config.rope_theta - 12345.0).abs() < f64::EPSILON);
    assert_eq!((config.torch_dtype.as_str(), config.pad_token_id), ("bfloat16", 0));
}

/// Meta's Llama 3.1 as its `config.json` describes it, but small; in the older form.
fn llama() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 10,
        "eos_token_id": [11, 12, 13], "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 64,
        "max_position_embeddings": 128, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-5,
        "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32, "rope_type": "llama3"},
        "rope_theta": 500_000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true,
        "vocab_size": 300,
    })
}

#[test]
fn a_llama_is_read_in_both_forms() {
    let older = read(&llama()).unwrap();
    let ModelConfig::Llama(config) = &older else { panic!("{older:?}") };
    assert_eq!(
        (config.head_dim, config.bos_token_id, config.eos_token_id, config.pad_token_id),
        (8, 10, 11, 10)
    );
    let scaling = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 32,
    };
    assert_eq!(config.rope_scaling, Some(scaling));
    let decoder = older.decoder().unwrap();
    assert!(!decoder.qk_norm && decoder.attention_bias == AttentionBias::None);

    let mut newer = llama();
    newer["rope_parameters"] = newer["rope_scaling"].take();
    newer["rope_parameters"]["rope_theta"] = newer["rope_theta"].take();
    newer["dtype"] = newer["torch_dtype"].take();
    newer["head_dim"] = json!(8);
    assert_eq!(read(&newer).unwrap(), older);

    let mut biased = llama();
    (biased["attention_bias"], biased["mlp_bias"]) = (json!(true), json!(true));
    biased["num_key_value_heads"].take();
    let biased = read(&biased).unwrap().decoder().unwrap();
    assert!(biased.attention_bias == AttentionBias::All && biased.mlp_bias);
    assert_eq!(biased.num_key_value_heads, 4);

    for (key, value, part) in [
        ("factor", json!(0.5), "factor of 1"),
        ("low_freq_factor", json!(4.0), "low_freq_factor above 0 and below"),
        ("high_freq_factor", json!("4"), "f64"),
        ("original_max_position_embeddings", json!(0), "original_max_position_embeddings of 1"),
        ("partial_rotary_factor", json!(0.5), "partial_rotary_factor of 0.5"),
    ] {
        let mut config = llama();
        config["rope_scaling"][key] = value;
        let error = read(&config).expect_err(key).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_qwen2_has_biases_of_queries_keys_and_values() {
    let mut config = llama();
    config["model_type"] = json!("qwen2");
    for key in ["architectures", "rope_scaling", "rope_theta", "bos_token_id", "attention_bias"] {
        config.as_object_mut().unwrap().remove(key);
    }
    let ModelConfig::Qwen2(qwen2) = read(&config).unwrap() else { panic!("{config}") };
    assert_eq!(qwen2.architectures, ["Qwen2ForCausalLM"]);
    assert_eq!((qwen2.bos_token_id, qwen2.rope_theta.to_bits()), (11, 10_000.0_f64.to_bits()));
    let decoder = qwen2.decoder(Family::Qwen2);
    assert!(!decoder.qk_norm && decoder.attention_bias == AttentionBias::QueryKeyValue);
}

#[test]
fn refuses_what_it_would_compute_wrongly() {
    check_error("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0}), &["rope_scaling of type yarn"]);
    check_error("rope_parameters", json!({"rope_type": "linear"}), &["rope_parameters of type linear"]);
    check_error("use_sliding_window", json!(true), &["use_sliding_window"]);
    check_error("layer_types", json!(["sliding_attention"]), &["layer_types", "sliding_attention"]);
    check_error("hidden_act", json!("gelu"), &["silu", "gelu"]);
    check_error("model_type", json!("mamba"), &["mamba", "qwen3"]);
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    for key in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"] {
        check_error(key, json!(0), &[key, "found 0"]);
        check_error(key, json!(u64::MAX), &[key, "found 18446744073709551615"]);
        check_error(key, json!(-1), &["-1"]);
        check_error(key, json!("8"), &["expected usize"]);
    }
    check_error("num_key_value_heads", json!(0), &["num_key_value_heads of 1"]);
    check_error("num_key_value_heads", json!(4), &["multiple of num_key_value_heads", "2 and 4"]);
    check_error("head_dim", json!(7), &["even head_dim", "found 7"]);
    check_error("max_position_embeddings", json!(1 << 30), &["max_position_embeddings"]);
    check_error("rms_norm_eps", json!(-1e-6), &["rms_norm_eps"]);
    check_error("rope_theta", json!(0.0), &["rope_theta"]);
    check_error("eos_token_id", json!(261), &["eos_token_id below the vocab_size of 261"]);
}

#[test]
fn a_decoder_of_our_own_has_a_mixer_in_each_block() {
    let mut config = serde_json::to_value(ModelConfig::Decoder(directories::decoder())).unwrap();
    assert_eq!(config["model_type"], "naman_decoder");
    assert_eq!(config["architectures"], json!(["NamanDecoder"]));
    // What only other mixers need may be left out.
    for key in
        ["kernel_size", "dilations", "num_attention_heads", "num_key_value_heads", "head_dim", "rope_theta"]
    {
        config.as_object_mut().unwrap().remove(key);
    }
    config["mixers"] = json!(["gru", "lstm"]);
    let ModelConfig::Decoder(gru) = read(&config).unwrap() else { panic!("{config}") };
    assert_eq!(gru.blocks().collect::<Vec<_>>(), [(MixerKind::Gru, 1), (MixerKind::Lstm, 1)]);

    // Each block that convolves has the next dilation, and the first comes again.
    config["mixers"] = json!(["convolution", "gru", "convolution", "convolution"]);
    config["dilations"] = json!([1, 4]);
    let ModelConfig::Decoder(decoder) = read(&config).unwrap() else { panic!("{config}") };
    assert_eq!(decoder.blocks().map(|(_, dilation)| dilation).collect::<Vec<_>>(), [1, 1, 4, 1]);

    for (key, value, parts) in [
        ("mixers", json!([]), ["number of mixers of 1", "found 0"]),
        ("mixers", json!(["rnn"]), ["rnn", "convolution"]),
        ("mixer_size", json!(0), ["mixer_size of 1", "found 0"]),
        ("mixer_size", json!(u64::MAX), ["mixer_size of 1", "found 18446744073709551615"]),
        ("kernel_size", json!(0), ["kernel_size of 1", "found 0"]),
        ("dilations", json!([]), ["number of dilations", "found 0"]),
        ("dilations", json!([1, 0]), ["dilations of 1 to 21", "found 0"]),
        ("dilations", json!([1, 22]), ["dilations of 1 to 21", "found 22"]),
        ("head_dim", json!(7), ["even head_dim", "found 7"]),
    ] {
        let mut config = config.clone();
        config[key] = value;
        let error = read(&config).expect_err(key).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn constants_of_bm25_have_their_limits() {
    for (key, value) in [
        ("k1", json!(-0.1)),
        ("b", json!(1.5)),
        ("reply_prefix_token_ids", json!([])),
        ("reply_prefix_token_ids", json!([9])),
        ("vocab_size", json!(0)),
        ("eos_token_id", json!(9)),
    ] {
        let mut config = bm25();
        config[key] = value;
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains(key), "{key}: {error}");
    }
}

/// Against what PyTorch counts in its GRU, LSTM and Conv1d of these shapes, with an output projection of 256 x 192.
#[test]
fn mixers_have_as_many_parameters_as_pytorch_counts() {
    let of = |mixers: Value| {
        let mut config = serde_json::to_value(ModelConfig::Decoder(directories::decoder())).unwrap();
        for (key, value) in [("hidden_size", 256), ("mixer_size", 192), ("kernel_size", 5)] {
            config[key] = json!(value);
        }
        config["mixers"] = mixers;
        let ModelConfig::Decoder(config) = read(&config).unwrap() else { panic!("{config}") };
        config.parameters()
    };
    for (mixer, parameters) in [("gru", GRU), ("lstm", LSTM), ("convolution", CONV1D)] {
        let block = of(json!([mixer, mixer])) - of(json!([mixer]));
        // Two norms and a feed-forward of 12.
        assert_eq!(block - 2 * 256 - 3 * 12 * 256, parameters + 256 * 192, "{mixer}");
    }
}

/// `sum(p.numel() for p in torch.nn.GRU(256, 192).parameters())`
const GRU: usize = 259200;
/// `torch.nn.LSTM(256, 192)`
const LSTM: usize = 345600;
/// `torch.nn.Conv1d(256, 384, 5)`
const CONV1D: usize = 491904;

#[test]
fn refuses_a_size_that_no_machine_holds() {
    let mut config = ours();
    for (key, value) in [("vocab_size", 1 << 24), ("hidden_size", 1 << 17), ("num_hidden_layers", 1 << 12)] {
        config[key] = json!(value);
    }
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("2^37 parameters"), "{error}");
}

#[test]
fn names_what_is_absent() {
    let mut config = ours();
    config.as_object_mut().unwrap().remove("hidden_size");
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("missing field `hidden_size`"), "{error}");
    let error = ModelConfig::read(Path::new("no-such-model")).unwrap_err().to_string();
    assert!(error.contains("no-such-model/config.json"), "{error}");
}

#[test]
fn an_order_of_counts_has_its_limits() {
    for (key, value) in [("order", 0), ("order", 7), ("vocab_size", 0)] {
        let mut config = json!({"model_type": "naman_ngram", "vocab_size": 9, "order": 4, "bos_token_id": 0,
            "eos_token_id": 1, "pad_token_id": 0});
        config[key] = json!(value);
        assert!(read(&config).unwrap_err().to_string().contains("order of 1 to 6"), "{key} {value}");
    }
}

/// Against what PyTorch counts in a `Qwen3ForCausalLM` of these shapes.
#[test]
fn names_as_many_tensors_as_pytorch_counts() {
    let config: TransformerConfig = serde_json::from_value(json!({
        "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .unwrap();
    let tensors = config.decoder(Family::Qwen3).tensors();
    let parameters: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert_eq!((tensors.len(), parameters), (68, 5_771_264));
}

#[test]
fn generation_settings_are_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let read = |value: Value| {
        fs::write(dir.path().join(GENERATION_FILE), value.to_string()).unwrap();
        GenerationConfig::read(dir.path())
    };
    // One end token is written as a number; what is absent has its default.
    let config = read(json!({"eos_token_id": 1, "transformers_version": "5.24.0"})).unwrap();
    assert_eq!(config, GenerationConfig { eos_token_id: vec![1], ..GenerationConfig::default() });
    assert_eq!(read(json!({"eos_token_id": [1, 2]})).unwrap().eos_token_id, [1, 2]);
    for (key, value) in [
        ("temperature", json!(0.0)),
        ("temperature", json!(-1.0)),
        ("temperature", json!(1e300)),
        ("top_p", json!(0.0)),
        ("top_p", json!(1.1)),
        ("min_p", json!(1.0)),
        ("repetition_penalty", json!(0.0)),
        ("max_new_tokens", json!(0)),
        ("eos_token_id", json!("end")),
    ] {
        let error = read(json!({ key: value })).expect_err(key).to_string();
        assert!(error.contains(GENERATION_FILE), "{error}");
    }
}
