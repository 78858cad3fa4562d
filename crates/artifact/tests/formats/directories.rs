//! Small directories that keep the contract, for tests that then break it.

use std::path::Path;

use artifact::checksums;
use artifact::config::{self, DecoderConfig, Family, GenerationConfig, ModelConfig, TransformerConfig};
use artifact::conversation::{Conversation, ConversationWriter, Message, Split};
use artifact::json::{self, LinesWriter};
use artifact::metrics::{self, Row};
use artifact::preprocess::{self, Summary};
use artifact::report::{self, Report, Sample};
use artifact::response::{self, ResponseTemplate};
use artifact::shard::{self, Document, Documents};
use artifact::sources::Sources;
use artifact::tokenizer::{ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig};
use artifact::weights::{self, Tensor};
use serde_json::json;

/// One token a byte, after the special tokens.
pub(crate) fn tokenizer() -> ChatTokenizer {
    // GPT-2 writes a byte as a printable character: itself, or one from 256 on.
    let mut letters = Vec::new();
    let mut next = 256;
    for byte in 0_u32..256 {
        let printable = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        letters.push(char::from_u32(if printable { byte } else { next }).unwrap().to_string());
        next += u32::from(!printable);
    }
    let tokens = SPECIAL.iter().map(|&token| token.to_owned()).chain(letters);
    let vocabulary: serde_json::Map<_, _> = tokens.zip((0..).map(|id: u32| json!(id))).collect();
    let bytewise =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let special = |(id, token)| {
        json!({"id": id, "content": token, "special": true, "normalized": false, "single_word": false,
            "lstrip": false, "rstrip": false})
    };
    let special: Vec<_> = SPECIAL.iter().enumerate().map(special).collect();
    let file = json!({"version": "1.0", "added_tokens": special, "normalizer": {"type": "NFC"},
        "pre_tokenizer": bytewise, "decoder": bytewise,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []}});
    let tokenizer = serde_json::from_value(file).unwrap();
    ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned()).unwrap()
}

pub(crate) fn talk(id: &str, split: Option<Split>, turns: &[&str]) -> Conversation {
    let message = |(index, text): (usize, &&str)| {
        if index % 2 == 0 { Message::user(*text) } else { Message::assistant(*text) }
    };
    Conversation {
        id: id.to_owned(),
        source: "chats".to_owned(),
        topic: None,
        license: None,
        split,
        messages: turns.iter().enumerate().map(message).collect(),
    }
}

fn talks() -> Vec<Conversation> {
    let mut hello = talk("a", Some(Split::Train), &["안녕하세요", "반가워요!"]);
    hello.messages[1].action = Some("utter_hello".to_owned());
    vec![
        hello,
        talk("b", Some(Split::Train), &["뭐 해?", "놀아요.", "나도 😀", "좋네요."]),
        talk("c", Some(Split::Valid), &["안녕", "네, 안녕하세요."]),
        talk("d", Some(Split::Test), &["hello there", "hi", "bye", "잘 가요."]),
        talk("e", Some(Split::Test), &["날씨 어때?", "맑아요."]),
    ]
}

pub(crate) fn lines<T: serde::Serialize>(path: &Path, values: &[T]) {
    let mut writer = LinesWriter::create(path).unwrap();
    for value in values {
        writer.write(value).unwrap();
    }
    writer.flush().unwrap();
}

pub(crate) fn collect(dir: &Path) {
    let mut writer = ConversationWriter::new(dir);
    for talk in talks() {
        writer.write(&talk).unwrap();
    }
    writer.finish().unwrap();
    let sources: Sources = serde_json::from_value(json!({
        "conversations": 5, "seed": 1,
        "sources": [{
            "name": "chats", "format": "jsonl", "sha256": "0".repeat(64), "conversations": 5,
            "splits": [
                {"split": "train", "conversations": 2}, {"split": "valid", "conversations": 1},
                {"split": "test", "conversations": 2},
            ],
            "counts": [{"unit": "lines", "read": 7, "kept": 5, "rejected": [{"reason": "empty", "count": 2}]}],
            "options": [],
        }],
    }))
    .unwrap();
    sources.write(dir).unwrap();
    let hello = ResponseTemplate { action: "utter_hello".to_owned(), text: "반가워요!".to_owned() };
    lines(&dir.join(response::FILE), &[hello]);
}

pub(crate) fn preprocess(dir: &Path) {
    let tokenizer = tokenizer();
    tokenizer.write(dir).unwrap();
    let mut splits = Vec::new();
    for split in Split::ALL {
        let talks: Vec<_> = talks().into_iter().filter(|talk| talk.split == Some(split)).collect();
        let mut documents = Documents::new();
        for talk in &talks {
            let rendered = tokenizer.conversation(&talk.messages).unwrap();
            documents.push(Document { tokens: &rendered.tokens, loss: &rendered.loss });
        }
        shard::write_split(dir, split, &documents, tokenizer.vocab_size()).unwrap();
        if split != Split::Train {
            lines(&dir.join(format!("{split}.jsonl")), &talks);
        }
        let contents: Vec<_> =
            talks.iter().flat_map(|talk| &talk.messages).map(|turn| turn.content.as_str()).collect();
        let bytes = contents.concat().len();
        splits.push(json!({
            "split": split, "conversations": documents.len(), "turns": contents.len(),
            "tokens": documents.tokens.len(), "targets": documents.targets(),
            "longest": documents.iter().map(|document| document.tokens.len()).max(),
            "characters": contents.concat().chars().count(), "bytes": bytes, "content_tokens": bytes,
            "characters_per_token": 0.5, "bytes_per_token": 1.0,
        }));
    }
    let summary: Summary = serde_json::from_value(json!({
        "options": {"vocab_size": 261, "max_tokens": 512, "min_turns": 2, "valid_percent": 5.0, "test_percent": 5.0},
        "read": 6, "kept": 5, "dropped": 1, "drops": [{"reason": "empty", "conversations": 1}],
        "changes": {"empty_turns": 0, "merged_turns": 0, "cut_conversations": 0, "cut_turns": 0},
        "vocabulary": {"size": 261, "special": 5, "merges": 0}, "splits": splits,
    }))
    .unwrap();
    json::write(&dir.join(preprocess::FILE), &summary).unwrap();
}

pub(crate) fn qwen3() -> TransformerConfig {
    serde_json::from_value(json!({
        "vocab_size": 261, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6, "max_position_embeddings": 64,
        "architectures": ["Qwen3ForCausalLM"], "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .unwrap()
}

/// A decoder with every mixer.
pub(crate) fn decoder() -> DecoderConfig {
    serde_json::from_value(json!({
        "vocab_size": 261, "hidden_size": 8, "intermediate_size": 12,
        "mixers": ["convolution", "gru", "lstm", "attention", "convolution"], "mixer_size": 6,
        "kernel_size": 3, "dilations": [1, 4], "num_attention_heads": 2, "head_dim": 6,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .unwrap()
}

pub(crate) fn model(dir: &Path) {
    tokenizer().write(dir).unwrap();
    ModelConfig::Qwen3(qwen3()).write(dir).unwrap();
    let generation = GenerationConfig { eos_token_id: vec![1], ..GenerationConfig::default() };
    json::write(&dir.join(config::GENERATION_FILE), &generation).unwrap();
    write_weights(dir, &qwen3().decoder(Family::Qwen3).tensors());
}

pub(crate) fn write_weights(dir: &Path, tensors: &[(String, Vec<usize>)]) {
    let zeros = vec![0.0; 1 << 16];
    let tensors = tensors.iter().map(|(name, shape)| {
        let data = &zeros[..shape.iter().product()];
        (name.clone(), Tensor { shape, data })
    });
    weights::write(&dir.join(weights::FILE), tensors).unwrap();
}

pub(crate) fn train(dir: &Path) {
    model(dir);
    let row = |step| -> Row {
        serde_json::from_value(json!({
            "kind": "step", "step": step, "epoch": 0.5, "tokens": 10, "seconds": 0.1, "loss_nats_per_token": 2.0,
            "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 100.0,
        }))
        .unwrap()
    };
    lines(&dir.join(metrics::FILE), &[row(1), row(2), row(2)]);
}

pub(crate) fn evaluate(dir: &Path) {
    let report: Report = serde_json::from_value(json!({
        "data": {
            "test_conversations": 2, "conversations": 2, "assistant_turns": 3, "assistant_bytes": 30,
            "action_turns": 4, "recall_turns": 0, "seed": 1,
        },
        "models": [{
            "name": "nano", "model_type": "qwen3", "parameters": 10, "vocab_size": 261, "context_length": 64,
            "loss_nats_per_token": 2.0, "perplexity": 2.0_f64.exp(), "bits_per_byte": 1.5, "action_accuracy": 0.25,
            "counts": {
                "targets": 10, "action_turns": 4, "action_correct": 1, "recall_turns": 0, "recall_correct": 0,
                "reply_tokens": 9, "unfinished_replies": 0, "unanswered": 0,
            },
        }],
        "speed": {},
    }))
    .unwrap();
    report.write(dir).unwrap();
    let sample: Sample = serde_json::from_value(json!({
        "id": "talk-1", "kind": "prompt",
        "turns": [{"user": "안녕", "replies": [{"model": "nano", "text": "네"}]}],
    }))
    .unwrap();
    Sample::write(dir, &[sample]).unwrap();
    fs_err::write(dir.join(report::PAGE_FILE), "<!DOCTYPE html><title>r</title>").unwrap();
}

pub(crate) fn deploy(dir: &Path) {
    fs_err::create_dir(dir.join("model")).unwrap();
    model(&dir.join("model"));
    for name in ["naman", "Containerfile", "MODEL_CARD.md"] {
        fs_err::write(dir.join(name), name).unwrap();
    }
    checksums::write(dir).unwrap();
}
