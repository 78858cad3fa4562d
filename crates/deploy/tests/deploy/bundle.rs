//! `deploy bundle`, and the bundle as the person who got it uses it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use artifact::config::{GENERATION_FILE, GenerationConfig, TransformerConfig};
use artifact::conversation::Split;
use artifact::json;
use artifact::report::{HeldOut, ModelReport, Report, Speed};
use artifact::sources::{Format, Source, Sources, SplitCount};
use model::Decoder;
use model::decoder::Config;
use tempfile::TempDir;

use crate::client::{complete, get};
use crate::fake::{END, VOCABULARY, write_tokenizer};

/// A model directory with a network that has learnt nothing.
pub(crate) fn untrained(dir: &Path) -> PathBuf {
    let dir = dir.join("untrained");
    fs_err::create_dir(&dir).unwrap();
    let config = TransformerConfig {
        architectures: vec!["Qwen3ForCausalLM".to_owned()],
        vocab_size: VOCABULARY,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
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
        eos_token_id: END,
        pad_token_id: 0,
        torch_dtype: "float32".to_owned(),
    };
    Decoder::new(Config::Qwen3(config), 1).write(&dir).unwrap();
    let generation =
        GenerationConfig { eos_token_id: vec![END], max_new_tokens: 12, ..GenerationConfig::default() };
    json::write(&dir.join(GENERATION_FILE), &generation).unwrap();
    write_tokenizer(&dir);
    dir
}

fn deploy() -> Command {
    Command::new(env!("CARGO_BIN_EXE_deploy"))
}

fn bundle(model: &Path, out: &Path) -> Output {
    deploy().args(["bundle", "--model"]).arg(model).arg("--out").arg(out).output().unwrap()
}

/// A bundle of an untrained model.
fn bundled() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("bundle");
    succeeds(&bundle(&untrained(dir.path()), &out));
    (dir, out)
}

fn say(bundle: &Path) -> Output {
    Command::new(bundle.join("naman")).args(["chat", "--seed", "1", "--say", "안녕"]).output().unwrap()
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fails(output: &Output, word: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains(word), "{message}");
}

#[test]
fn a_bundle_runs_by_itself() {
    let (_dir, bundle) = bundled();
    let talk = succeeds(&say(&bundle));
    assert!(talk.starts_with("> 안녕\n"), "{talk}");
    assert_eq!(succeeds(&say(&bundle)), talk);
    let files = [
        "Containerfile",
        "MODEL_CARD.md",
        "README.txt",
        "SHA256SUMS",
        "compose.yaml",
        "kubernetes.yaml",
        "naman.service",
        "model/config.json",
    ];
    for file in files {
        assert!(bundle.join(file).is_file(), "{file}");
    }
    let card = fs_err::read_to_string(bundle.join("MODEL_CARD.md")).unwrap();
    assert!(card.contains("Qwen3ForCausalLM") && card.contains("without an evaluation"), "{card}");
}

#[test]
fn a_bundle_is_the_same_each_time() {
    let (dir, first) = bundled();
    let second = dir.path().join("again");
    succeeds(&self::bundle(&dir.path().join("untrained"), &second));
    let sums = |bundle: &Path| fs_err::read_to_string(bundle.join("SHA256SUMS")).unwrap();
    assert_eq!(sums(&first), sums(&second));
    match Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&first)
        .output()
    {
        Ok(output) => {
            succeeds(&output);
        }
        Err(error) => println!("skipped: sha256sum does not start: {error}"),
    }
}

#[test]
fn a_bundle_that_was_changed_does_not_start() {
    let (_dir, bundle) = bundled();
    let weights = bundle.join("model/model.safetensors");
    let whole = fs_err::read(&weights).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs_err::write(&weights, changed).unwrap();
    fails(&say(&bundle), "model.safetensors");
    fs_err::remove_file(&weights).unwrap();
    fails(&say(&bundle), "model.safetensors");
    fs_err::write(&weights, whole).unwrap();
    succeeds(&say(&bundle));

    let foreign = bundle.join("model/added_tokens.json");
    fs_err::write(&foreign, "{}").unwrap();
    fails(&say(&bundle), "added_tokens.json");
    fs_err::remove_file(&foreign).unwrap();

    let sums = bundle.join("SHA256SUMS");
    let text = fs_err::read_to_string(&sums).unwrap();
    fs_err::write(&sums, format!("{}  ../secret\n{text}", "0".repeat(64))).unwrap();
    fails(&say(&bundle), "SHA256SUMS:1");
    fs_err::write(&sums, "").unwrap();
    fails(&say(&bundle), "SHA256SUMS");
}

/// A server that says where it is, and the address.
fn serving(command: &mut Command) -> (Child, SocketAddr) {
    let mut server =
        command.args(["serve", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").and_then(|line| line.strip_suffix('/'));
    (server, address.expect("an address").parse().unwrap())
}

#[test]
fn a_bundle_serves() {
    let (_dir, bundle) = bundled();
    let (mut server, address) = serving(&mut Command::new(bundle.join("naman")));
    assert_eq!(get(address, "/health").status, 200);
    assert_eq!(get(address, "/v1/models").json()["data"][0]["id"], "naman");
    if !cfg!(unix) {
        server.kill().unwrap();
        server.wait().unwrap();
        return;
    }
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = server.wait_with_output().unwrap();
    assert!(output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("/health") && log.contains("stopping"), "{log}");
}

/// In a namespace of its own the whole file system is read-only, the environment is empty, and the user is nobody.
#[cfg(target_os = "linux")]
#[test]
fn a_bundle_needs_nothing_and_writes_nothing() {
    let (dir, bundle) = bundled();
    let open = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(dir.path());
    let script = "mount --make-rprivate / && mount -o remount,bind,ro / && \
                  mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && \
                  { ! touch \"$1/written\" 2> /dev/null; } && \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs env -i \"$1/naman\" serve --port 0";
    let unshared = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&bundle);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let possible =
        unshared("mount --make-rprivate / && mount -o remount,bind,ro / && setpriv --reuid 65534 true");
    if !{ possible }.output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this user may not make namespaces, or there is no unshare, mount or setpriv");
        return;
    }
    let mut server = unshared(script).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let talk = serde_json::json!({ "messages": [{ "role": "user", "content": "안녕" }] });
    assert_eq!(complete(address, &talk).status, 200);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn what_is_no_model_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let out = dir.path().join("bundle");
    fails(&bundle(&dir.path().join("nowhere"), &out), "nowhere");
    let weights = model.join("model.safetensors");
    let whole = fs_err::read(&weights).unwrap();
    fs_err::write(&weights, &whole[..whole.len() / 2]).unwrap();
    fails(&bundle(&model, &out), "model.safetensors");
    assert!(!out.exists());
    fs_err::write(&weights, whole).unwrap();
    fs_err::create_dir(&out).unwrap();
    fails(&bundle(&model, &out), "exists");
    fails(&deploy().args(["chat", "--say", "안녕"]).output().unwrap(), "--model");
}

#[test]
fn the_card_tells_sources_and_figures() {
    let dir = tempfile::tempdir().unwrap();
    let model = untrained(dir.path());
    let parameters = model::chat::Chat::read(&model).unwrap().model.parameters();
    let figures = |name: &str, parameters: usize| ModelReport {
        name: name.to_owned(),
        model_type: "qwen3".to_owned(),
        parameters,
        vocab_size: VOCABULARY,
        context_length: 256,
        loss_nats_per_token: 1.25,
        perplexity: 3.49,
        bits_per_byte: 0.5,
        action_accuracy: Some(0.3125),
        ..ModelReport::default()
    };
    let speed = Speed {
        tokens_per_second: 812.4,
        seconds_to_first_token: 0.01,
        threads: 2,
        evaluation_seconds: 3.0,
        by_context: Vec::new(),
    };
    let report = Report {
        data: HeldOut {
            test_conversations: 1200,
            conversations: 1200,
            assistant_turns: 2400,
            assistant_bytes: 100_000,
            action_turns: 2400,
            recall_turns: 0,
            seed: 1,
        },
        models: vec![figures("mine", parameters), figures("other", parameters + 1)],
        speed: BTreeMap::from([("mine".to_owned(), speed)]),
        ..Report::default()
    };
    let sources = Sources {
        conversations: 5000,
        seed: 1,
        sources: vec![Source {
            name: "ko|daily".to_owned(),
            format: Format::Rasa,
            license: Some("CC0-1.0".to_owned()),
            sha256: "ab".repeat(32),
            conversations: 5000,
            splits: vec![SplitCount { split: Split::Train, conversations: 5000 }],
            counts: Vec::new(),
            options: Vec::new(),
        }],
    };
    report.write(dir.path()).unwrap();
    sources.write(dir.path()).unwrap();
    let out = dir.path().join("bundle");
    let mut command = deploy();
    command.args(["bundle", "--model"]).arg(&model).arg("--out").arg(&out);
    command.arg("--report").arg(dir.path()).arg("--conversations").arg(dir.path());
    succeeds(&command.output().unwrap());
    let card = fs_err::read_to_string(out.join("MODEL_CARD.md")).unwrap();
    for line in [
        "| mine (this one) | 1.250 | 0.500 | 0.312 | - | 812 |",
        "| other | 1.250 | 0.500 | 0.312 | - | - |",
        "1,200 held-out conversations",
    ] {
        assert!(card.contains(line), "{line}\n{card}");
    }
    assert!(card.contains("| ko\\|daily | CC0-1.0 | 5,000 |"), "{card}");
}
