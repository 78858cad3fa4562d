//! Whole runs of the binary on a tiny model: what it writes, and what a kill leaves.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod replay;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use artifact::config::{
    Bm25Config, GENERATION_FILE, GenerationConfig, ModelConfig, NgramConfig, TransformerConfig,
};
use artifact::conversation::{Message, Split};
use artifact::metrics::{self, Row};
use artifact::shard::{Document, Documents, write_split};
use artifact::tokenizer::{ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig};
use artifact::{json, weights};
use fs_err as fs;
use model::decoder::Config;
use model::{Bm25, Decoder, Ngram};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// Special tokens, then one token a byte.
fn tokenizer() -> ChatTokenizer {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let tokens = SPECIAL.into_iter().map(str::to_owned).chain(alphabet.into_iter().map(String::from));
    let vocabulary: [(String, u32); 261] = tokens.zip(0..).collect::<Vec<_>>().try_into().unwrap();
    let bpe = BPE::builder().vocab_and_merges(vocabulary, Vec::new());
    let mut tokenizer = Tokenizer::new(bpe.build().unwrap());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let specials: Vec<AddedToken> = SPECIAL.iter().map(|text| AddedToken::from(*text, true)).collect();
    tokenizer.add_special_tokens(specials).unwrap();
    ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned()).unwrap()
}

/// Short talks of few words, so that a tiny model has something to learn.
fn documents(tokenizer: &ChatTokenizer, from: usize, count: usize) -> Documents {
    let mut documents = Documents::new();
    for index in from..from + count {
        let messages = [
            Message::user(format!("{} 더하기 1", index % 9)),
            Message::assistant(format!("{}", index % 9 + 1)),
        ];
        let rendered = tokenizer.conversation(&messages).unwrap();
        documents.push(Document { tokens: &rendered.tokens, loss: &rendered.loss });
    }
    documents
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        let tokenizer = tokenizer();
        let data = bench.path("data");
        fs::create_dir(&data).unwrap();
        tokenizer.write(&data).unwrap();
        for (split, from, count) in [(Split::Train, 0, 200), (Split::Valid, 3, 20), (Split::Test, 5, 5)] {
            write_split(&data, split, &documents(&tokenizer, from, count), tokenizer.vocab_size()).unwrap();
        }
        let config = TransformerConfig {
            architectures: vec!["Qwen3ForCausalLM".to_owned()],
            vocab_size: tokenizer.vocab_size(),
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 16,
            max_position_embeddings: 64,
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
        let model = bench.model("model", &tokenizer, &ModelConfig::Qwen3(config.clone()));
        Decoder::new(Config::Qwen3(config), 1).write(&model).unwrap();
        let config = NgramConfig {
            architectures: vec!["NamanNgram".to_owned()],
            vocab_size: tokenizer.vocab_size(),
            order: 3,
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
        };
        let model = bench.model("ngram", &tokenizer, &ModelConfig::Ngram(config.clone()));
        Ngram::new(&config).write(&model).unwrap();
        let config = Bm25Config {
            architectures: vec!["NamanBm25".to_owned()],
            vocab_size: tokenizer.vocab_size(),
            k1: 1.2,
            b: 0.75,
            reply_prefix_token_ids: vec![tokenizer.token_id("<|assistant|>").unwrap()],
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
        };
        let model = bench.model("bm25", &tokenizer, &ModelConfig::Bm25(config.clone()));
        Bm25::fit(Documents::new(), &config).write(&model).unwrap();
        bench
    }

    fn model(&self, name: &str, tokenizer: &ChatTokenizer, config: &ModelConfig) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir(&dir).unwrap();
        tokenizer.write(&dir).unwrap();
        config.write(&dir).unwrap();
        let generation =
            GenerationConfig { eos_token_id: vec![1], max_new_tokens: 8, ..GenerationConfig::default() };
        json::write(&dir.join(GENERATION_FILE), &generation).unwrap();
        dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, model: &str, out: &str, options: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.current_dir(self.dir.path()).args(["--data", "data", "--model", model, "--out", out]);
        command
            .args(["--lang", "en", "--threads", "2", "--prompt", "4 더하기 1"])
            .args(options.split_whitespace());
        command
    }

    fn succeed(&self, model: &str, out: &str, options: &str) -> String {
        let Output { status, stderr, .. } = self.command(model, out, options).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{stderr}");
        stderr
    }

    fn fail(&self, model: &str, out: &str, options: &str) -> String {
        let Output { status, stderr, .. } = self.command(model, out, options).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{stderr}");
        assert!(!self.path(out).exists(), "nothing is published");
        stderr
    }

    fn start(&self, out: &str, options: &str) -> Child {
        self.command("model", out, options).stderr(Stdio::null()).spawn().unwrap()
    }

    fn weights(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join(weights::FILE)).unwrap()
    }

    /// The rows of `metrics.jsonl` without their times.
    fn rows(&self, out: &str) -> Vec<Row> {
        let mut rows = metrics::read(&self.path(out)).unwrap();
        for row in &mut rows {
            match row {
                Row::Step(row) => (row.seconds, row.tokens_per_second) = (0.0, 0.0),
                Row::Validation(row) => (row.seconds, row.peak_memory_bytes) = (0.0, None),
            }
        }
        rows
    }

    fn files(&self, out: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(out)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Waits until `path` exists, or the program has ended.
fn wait_for(path: &Path, child: &mut Child) {
    let began = Instant::now();
    while !path.exists() && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_mins(1), "no {} after a minute", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

const OPTIONS: &str = "--steps 120 --batch-tokens 256 --valid-every 40 --learning-rate 0.003";

#[test]
fn learns_and_publishes_a_whole_model_directory() {
    let bench = Bench::new();
    let told = bench.succeed("model", "out", OPTIONS);
    assert!(told.contains("going on") || told.contains("goes on"), "{told}");
    let expected = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "metrics.jsonl",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(bench.files("out"), expected);
    assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), 5, "nothing else is left beside it");

    let rows = bench.rows("out");
    let losses: Vec<f64> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Validation(row) => Some(row.loss_nats_per_token),
            Row::Step(_) => None,
        })
        .collect();
    assert_eq!((rows.len(), losses.len()), (123, 3));
    assert!(losses[2] < 1.5, "{losses:?}");
    let Some(Row::Validation(last)) = rows.last() else { panic!("{:?}", rows.last()) };
    assert_eq!(last.answers[0].prompt, "4 더하기 1");
    assert!(last.bits_per_byte.unwrap() > 0.0);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let bench = Bench::new();
    let options = format!("{OPTIONS} --average 0.9 --dropout 0.1 --checkpoint-every 0");
    bench.succeed("model", "straight", &options);

    let mut child = bench.start("killed", &options);
    wait_for(&bench.path("killed.partial/checkpoint/state.json"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("killed").exists(), "killed after its first checkpoint, not at its end");
    // Then at any moment, a few times over.
    for milliseconds in [60, 75, 90, 110, 135] {
        let mut child = bench.start("killed", &options);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        if bench.path("killed").exists() {
            break;
        }
    }
    if !bench.path("killed").exists() {
        let told = bench.succeed("model", "killed", &options);
        assert!(told.contains("going on after step"), "{told}");
    }
    assert!(bench.weights("killed") == bench.weights("straight"), "the weights differ");
    assert_eq!(bench.rows("killed"), bench.rows("straight"));
    assert_eq!(bench.files("killed"), bench.files("straight"));
}

#[test]
fn without_validation_documents_the_last_weights_are_published() {
    let bench = Bench::new();
    bench.succeed("model", "validated", "--steps 10 --publish last");
    write_split(&bench.path("data"), Split::Valid, &Documents::new(), 261).unwrap();
    let told = bench.succeed("model", "out", "--steps 10");
    assert!(told.contains("no validation documents"), "{told}");
    assert!(bench.weights("out") == bench.weights("validated"), "the weights differ");
    assert_eq!(bench.rows("out").len(), 10);
}

#[test]
fn another_run_does_not_take_over_a_checkpoint() {
    let bench = Bench::new();
    let options = format!("{OPTIONS} --average 0.9 --dropout 0.1 --checkpoint-every 0");
    let mut child = bench.start("out", &options);
    wait_for(&bench.path("out.partial/checkpoint/state.json"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let error = bench.fail("model", "out", &format!("{options} --seed 5"));
    assert!(error.contains("seed was 0 and is 5") && error.contains("hint:"), "{error}");
}

#[test]
fn follows_the_clock() {
    let bench = Bench::new();
    let began = Instant::now();
    bench.succeed("model", "out", "--minutes 0.02 --batch-tokens 256");
    assert!(began.elapsed() >= Duration::from_millis(1200));
    let rows = bench.rows("out");
    let validations = rows.iter().filter(|row| matches!(row, Row::Validation(_))).count();
    assert!((2..=11).contains(&validations), "{validations}");
}

#[test]
fn counts_an_ngram_model() {
    let bench = Bench::new();
    bench.succeed("ngram", "out", "");
    let rows = bench.rows("out");
    let [Row::Validation(row)] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(row.loss_nats_per_token < 2.0, "{row:?}");
    assert_eq!(bench.files("out").len(), 7);
    let error = bench.fail("ngram", "second", "--steps 3");
    assert!(error.contains("takes no budget"), "{error}");
    let error = bench.fail("ngram", "second", "--prune 0 1 0");
    assert!(error.contains("never fall"), "{error}");
    let error = bench.fail("model", "second", "--steps 1 --prune 0 1");
    assert!(error.contains("--prune is for n-gram models"), "{error}");
    bench.succeed("ngram", "pruned", "--prune 0 0 200");
    let size = |name: &str| fs::metadata(bench.path(name).join("model.safetensors")).unwrap().len();
    assert!(size("pruned") < size("out"));
}

#[test]
fn indexes_a_retrieval_model() {
    let bench = Bench::new();
    bench.succeed("bm25", "out", "");
    let rows = bench.rows("out");
    let [Row::Validation(row)] = rows.as_slice() else { panic!("{rows:?}") };
    // Each sum occurs in training, word for word.
    assert_eq!(row.answers[0].reply, "5");
    assert!(row.loss_nats_per_token < 2.0, "{row:?}");
    assert!(artifact::verify::verify("train", &bench.path("out")).unwrap().is_empty());
    let error = bench.fail("bm25", "second", "--steps 3");
    assert!(error.contains("takes no budget"), "{error}");
}

#[test]
fn refuses_what_cannot_be() {
    let bench = Bench::new();
    let error = bench.fail("model", "out", "");
    assert!(error.contains("exactly one of --steps"), "{error}");
    let error = bench.fail("nowhere", "out", "--steps 1");
    assert!(error.contains("nowhere"), "{error}");
    let error = bench.fail("model", "out", "--steps 50 --learning-rate 1e30 --clip 1e30 --warmup 0");
    assert!(error.contains("diverged") && error.contains("--learning-rate"), "{error}");

    let tokens = bench.path("data/train-00000.safetensors");
    let bytes = fs::read(&tokens).unwrap();
    fs::write(&tokens, &bytes[..bytes.len() / 2]).unwrap();
    let error = bench.fail("model", "second", "--steps 1");
    assert!(error.contains("train-00000.safetensors"), "{error}");
}

#[test]
fn data_and_model_must_share_a_vocabulary() {
    let bench = Bench::new();
    let path = bench.path("data/tokenizer.json");
    let text = fs::read_to_string(&path).unwrap();
    // Two tokens change places.
    let swapped =
        text.replacen("\"a\"", "\"#\"", 1).replacen("\"b\"", "\"a\"", 1).replacen("\"#\"", "\"b\"", 1);
    assert_ne!(swapped, text);
    fs::write(&path, swapped).unwrap();
    let error = bench.fail("model", "out", "--steps 1");
    assert!(error.contains("data/tokenizer.json") && error.contains("vocabulary"), "{error}");
}
