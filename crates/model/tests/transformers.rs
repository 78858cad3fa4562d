//! `transformers` loads our directories: the same tokens, logits and greedy replies.
//!
//! A random model is checked, or the one that the environment variable `NAMAN_TEST_MODEL` names. `NAMAN_PYTHON` names
//! a Python with torch and transformers, `python3` by default; where it has none the test says so and passes.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, too")]

use std::path::{Path, PathBuf};
use std::process::Command;

use artifact::config::{GENERATION_FILE, GenerationConfig, TransformerConfig};
use artifact::conversation::Message;
use artifact::json;
use artifact::tokenizer::{ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig};
use model::chat::Chat;
use model::decoder::Config;
use model::{Decoder, Params};
use serde::Serialize;

/// The script's way to say that torch or transformers is not installed.
const NOT_INSTALLED: i32 = 77;

const MAX_NEW_TOKENS: usize = 40;

const TALKS: [&[&str]; 20] = [
    &["안녕하세요"],
    &["오늘 날씨가 어때요?"],
    &["너 이름이 뭐야?"],
    &["축구 규칙 좀 알려줘"],
    &["김치찌개 어떻게 끓여?"],
    &["제주도 가고 싶다"],
    &["비 오는데 우산이 없어ㅠㅠ"],
    &["고마워!"],
    &["잘 자"],
    &["너 사람이야?"],
    &["야구 볼까 축구 볼까"],
    &["점심 메뉴 추천해 줘"],
    &["ㅎㅇ"],
    &["Hello, who are you?"],
    &["숫자 12345와 기호 !?#%도 읽어?"],
    &["저는 민준이라고 해요", "민준님, 반가워요.", "제 이름이 뭐라고 했죠?"],
    &["나 부산 살아", "부산에 사시는군요.", "내가 어디 산다고 했지?"],
    &["오늘 너무 더워", "시원한 물 한 잔 어떠세요?", "좋아"],
    &["이모지도 돼? 🙂🇰🇷", "네, 돼요.", "👍"],
    &["안녕", "안녕하세요.", "이제 갈게", "조심히 가세요.", "응 다음에 봐"],
];

#[derive(Serialize)]
struct Case {
    messages: Vec<Message>,
    prompt: Vec<u32>,
    logits: Vec<f32>,
    reply: String,
    max_new_tokens: usize,
}

/// A model directory with random weights and a tokenizer of the 256 bytes.
fn random_model(dir: &Path) -> PathBuf {
    // Bytes that GPT-2's alphabet shows as themselves, then those it moves above 255 (Radford et al. 2019).
    let printable = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let moved = (0..256).filter(|byte| !printable(byte)).count() as u32;
    let alphabet =
        (0..256).filter(printable).chain(256..256 + moved).map(|code| char::from_u32(code).unwrap());
    let mut vocabulary = serde_json::Map::new();
    for token in SPECIAL.iter().map(|token| (*token).to_owned()).chain(alphabet.map(String::from)) {
        vocabulary.insert(token, vocabulary.len().into());
    }
    let vocab_size = vocabulary.len();
    let special = SPECIAL.iter().enumerate().map(|(id, content)| {
        serde_json::json!({
            "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false,
        })
    });
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": special.collect::<Vec<_>>(),
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    });
    let tokenizer = tokenizer.to_string().parse().unwrap();
    let tokenizer = ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned()).unwrap();
    tokenizer.write(dir).unwrap();

    let config = TransformerConfig {
        architectures: vec!["Qwen3ForCausalLM".to_owned()],
        vocab_size,
        hidden_size: 64,
        intermediate_size: 160,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        max_position_embeddings: 256,
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
    let mut model = Decoder::new(Config::Qwen3(config), 7);
    model.visit_mut(&mut |_, _, values| {
        for value in values {
            *value *= 3.0;
        }
    });
    model.write(dir).unwrap();
    let generation = GenerationConfig { eos_token_id: vec![1], ..GenerationConfig::default() };
    json::write(&dir.join(GENERATION_FILE), &generation).unwrap();
    dir.to_owned()
}

#[test]
fn transformers_computes_what_we_compute() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("NAMAN_TEST_MODEL")
        .map_or_else(|| random_model(scratch.path()), |dir| Path::new("../..").join(dir));
    let chat = Chat::read(&dir).unwrap();
    let greedy =
        GenerationConfig { do_sample: false, max_new_tokens: MAX_NEW_TOKENS, ..chat.generation.clone() };
    let cases: Vec<Case> = TALKS
        .iter()
        .map(|turns| {
            let messages: Vec<Message> = turns
                .iter()
                .enumerate()
                .map(
                    |(turn, text)| {
                        if turn % 2 == 0 { Message::user(*text) } else { Message::assistant(*text) }
                    },
                )
                .collect();
            let (prompt, _) = chat.prompt(&messages).unwrap();
            let logits = chat.model.session().feed(&prompt).to_vec();
            let reply = chat.reply(&messages, &greedy, 0).unwrap().collect();
            Case { messages, prompt, logits, reply, max_new_tokens: MAX_NEW_TOKENS }
        })
        .collect();
    let expected = scratch.path().join("expected.json");
    json::write(&expected, &cases).unwrap();

    let python = std::env::var("NAMAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/transformers_load.py");
    let output = match Command::new(&python).arg(script).arg(&dir).arg(&expected).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("skipped: {python}: {error}"),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_INSTALLED) {
        return eprintln!("skipped: {python} has no torch and transformers: {told}");
    }
    assert!(output.status.success(), "{told}");
    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
}
