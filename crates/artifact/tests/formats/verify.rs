//! `verify` accepts directories that keep the contract, and names what breaks it.

use std::path::Path;

use artifact::config::{Family, ModelConfig};
use artifact::conversation::Split;
use artifact::shard::{self, Documents};
use artifact::verify::{STAGES, verify};
use fs_err as fs;
use serde_json::{Value, json};

use crate::directories;

/// A directory as `stage` writes it.
fn written(stage: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write: fn(&Path) = match stage {
        "collect" => directories::collect,
        "preprocess" => directories::preprocess,
        "model" => directories::model,
        "train" => directories::train,
        "evaluate" => directories::evaluate,
        "deploy" => directories::deploy,
        _ => unreachable!("a stage of the list"),
    };
    write(dir.path());
    dir
}

/// Breaks a directory, and checks that a problem names `file` and tells `parts`.
#[track_caller]
fn check(stage: &str, break_it: impl FnOnce(&Path), file: &str, parts: &[&str]) {
    let dir = written(stage);
    break_it(dir.path());
    let problems: Vec<_> = verify(stage, dir.path()).unwrap().iter().map(ToString::to_string).collect();
    let file = dir.path().join(file).display().to_string();
    let told = problems
        .iter()
        .any(|problem| problem.starts_with(&file) && parts.iter().all(|part| problem.contains(part)));
    assert!(told, "no problem of {file} tells {parts:?} in {problems:#?}");
}

/// Changes a JSON file.
fn edit(dir: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = dir.join(file);
    let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// Replaces text in a file.
fn replace(dir: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(dir.join(file)).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(dir.join(file), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn accepts_what_keeps_the_contract() {
    for stage in STAGES {
        assert_eq!(verify(stage, written(stage).path()).unwrap(), [], "{stage}");
    }
}

#[test]
fn names_every_required_file_that_is_missing() {
    for (stage, files) in [
        ("collect", &["conversations-00000.jsonl", "sources.json"][..]),
        (
            "preprocess",
            &[
                "tokenizer.json",
                "tokenizer_config.json",
                "chat_template.jinja",
                "train-00000.safetensors",
                "valid-00000.safetensors",
                "test-00000.safetensors",
                "valid.jsonl",
                "test.jsonl",
                "preprocess.json",
            ],
        ),
        ("model", &["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]),
        ("train", &["metrics.jsonl", "model.safetensors", "chat_template.jinja"]),
        ("evaluate", &["report.json", "samples.jsonl", "report.html"]),
        ("deploy", &["model/config.json", "naman", "Containerfile", "MODEL_CARD.md", "SHA256SUMS"]),
    ] {
        for file in files {
            check(stage, |dir| fs::remove_file(dir.join(file)).unwrap(), file, &["found none"]);
        }
        let empty = tempfile::tempdir().unwrap();
        let problems = verify(stage, empty.path()).unwrap();
        assert!(problems.len() >= files.len().min(3), "{stage}: {problems:?}");
    }
}

#[test]
fn refuses_what_is_no_stage_and_no_directory() {
    let error = verify("bake", Path::new(".")).unwrap_err().to_string();
    assert!(error.contains("`bake`") && error.contains("preprocess"), "{error}");
    let error = verify("collect", Path::new("no-such-directory")).unwrap_err().to_string();
    assert!(error.contains("no-such-directory"), "{error}");
}

#[test]
fn every_file_may_be_garbage() {
    for stage in STAGES {
        let names: Vec<_> =
            fs::read_dir(written(stage).path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        for name in names {
            // What people, not programs, read may hold anything.
            if ["naman", "Containerfile", "MODEL_CARD.md", "model"].iter().any(|free| name == *free) {
                continue;
            }
            for garbage in [&b""[..], b"{", b"\xFF\xFE\x00\x01", b"[]", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}"]
            {
                let dir = written(stage);
                let path = dir.path().join(&name);
                fs::write(&path, garbage).unwrap();
                let problems = verify(stage, dir.path()).unwrap();
                // An empty list of lines is legal, an empty list of documents then disagrees elsewhere.
                let blank = garbage.is_empty()
                    && ["metrics.jsonl", "responses.jsonl", "samples.jsonl"].iter().any(|free| name == *free);
                assert!(blank || !problems.is_empty(), "{stage}: {name:?} as {garbage:?}");
            }
        }
    }
}

#[test]
fn conversations_must_be_whole_and_counted() {
    let file = "conversations-00000.jsonl";
    check("collect", |dir| replace(dir, file, r#""id":"b""#, r#""id":"a""#), file, &[":2:", "`a`"]);
    check(
        "collect",
        |dir| replace(dir, file, r#""split":"valid""#, r#""split":"dev""#),
        file,
        &[":3:", "dev"],
    );
    check("collect", |dir| replace(dir, file, r#""role":"user""#, r#""role":"bot""#), file, &[":1:", "bot"]);
    check(
        "collect",
        |dir| replace(dir, file, r#""source":"chats""#, r#""source":"x""#),
        file,
        &[":1:", "`x`"],
    );
    check("collect", |dir| replace(dir, file, "utter_hello", "utter_bye"), file, &[":1:", "utter_bye"]);
    check(
        "collect",
        |dir| fs::rename(dir.join(file), dir.join("conversations-00001.jsonl")).unwrap(),
        file,
        &["conversations-00001.jsonl in its place"],
    );
    let count =
        |dir: &Path| edit(dir, "sources.json", |value| value["sources"][0]["conversations"] = json!(9));
    check("collect", count, "sources.json", &["conversations 5 of source `chats`", "found 9"]);
    let split = |dir: &Path| {
        edit(dir, "sources.json", |value| value["sources"][0]["splits"][0]["conversations"] = json!(3));
    };
    check("collect", split, "sources.json", &["train conversations 2", "found 3"]);
    let read =
        |dir: &Path| edit(dir, "sources.json", |value| value["sources"][0]["counts"][0]["read"] = json!(8));
    check("collect", read, "sources.json", &["lines read 7", "found 8"]);
}

/// Writes the test split anew, after a change.
fn with_test_split(dir: &Path, change: impl FnOnce(&mut Documents)) {
    let mut documents = shard::read_split(dir, Split::Test).unwrap();
    change(&mut documents);
    shard::write_split(dir, Split::Test, &documents, 1 << 16).unwrap();
}

#[test]
fn held_out_tokens_must_be_what_the_text_renders_to() {
    let shard = "test-00000.safetensors";
    let token = |dir: &Path| with_test_split(dir, |documents| documents.tokens[3] += 1);
    check("preprocess", token, shard, &["document 0 as test.jsonl:1 renders", "token 3"]);
    let loss = |dir: &Path| with_test_split(dir, |documents| documents.loss[1] = 1);
    check("preprocess", loss, shard, &["document 0", "loss flag 1: 0, found 1"]);
    let longer = |dir: &Path| replace(dir, "test.jsonl", "맑아요.", "맑아요!!");
    check("preprocess", longer, shard, &["document 1 as test.jsonl:2"]);
    let beyond = |dir: &Path| with_test_split(dir, |documents| documents.tokens[2] = 261);
    check("preprocess", beyond, shard, &["tokens below 261", "found 261 at 2"]);
    let fewer = |dir: &Path| {
        with_test_split(dir, |documents| {
            documents.starts.pop();
            let end = documents.starts[1];
            documents.tokens.truncate(end);
            documents.loss.truncate(end);
        });
    };
    check("preprocess", fewer, "test.jsonl", &["one conversation a document", "1 too many"]);
    let line = fs::read_to_string(written("preprocess").path().join("valid.jsonl")).unwrap();
    let more = |dir: &Path| fs::write(dir.join("test.jsonl"), line.replace("valid", "test")).unwrap();
    check("preprocess", more, "test.jsonl", &["1 too few"]);
}

#[test]
fn held_out_text_must_be_legal() {
    check(
        "preprocess",
        |dir| replace(dir, "test.jsonl", r#""split":"test""#, r#""split":"train""#),
        "test.jsonl",
        &[":1:", "split test", "found train"],
    );
    check(
        "preprocess",
        |dir| replace(dir, "test.jsonl", r#""id":"d""#, r#""id":"c""#),
        "test.jsonl",
        &[":1:", "`c`"],
    );
    check("preprocess", |dir| replace(dir, "valid.jsonl", "{", "["), "valid.jsonl", &[":1:"]);
}

#[test]
fn figures_must_be_those_of_the_shards() {
    for name in ["conversations", "tokens", "targets", "longest", "turns", "characters", "bytes"] {
        let one_more = |dir: &Path| {
            edit(dir, "preprocess.json", |value| {
                let figure = &mut value["splits"][2][name];
                *figure = json!(figure.as_u64().unwrap() + 1);
                // Kept and read grow along, so that only the shards object.
                if name == "conversations" {
                    value["kept"] = json!(6);
                    value["read"] = json!(7);
                }
            });
        };
        check("preprocess", one_more, "preprocess.json", &[name, "of test"]);
    }
    let read = |dir: &Path| edit(dir, "preprocess.json", |value| value["read"] = json!(10));
    check("preprocess", read, "preprocess.json", &["read"]);
    let size = |dir: &Path| edit(dir, "preprocess.json", |value| value["vocabulary"]["size"] = json!(300));
    check("preprocess", size, "preprocess.json", &["261", "found 300"]);
}

#[test]
fn a_template_must_render_and_leave_targets() {
    let write =
        |text: &'static str| move |dir: &Path| fs::write(dir.join("chat_template.jinja"), text).unwrap();
    let file = "chat_template.jinja";
    check("model", write("{{ raise_exception('no') }}"), file, &["no"]);
    check("model", write("{{ messages | length }}"), file, &["rewrites earlier turns"]);
    check("model", write("<|endoftext|>"), file, &["training targets"]);
    check("model", write("{% for m in messages %}{% for n in messages %}"), file, &[]);
    let endless = "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}";
    check("model", write(endless), file, &[]);
    let no_end =
        |dir: &Path| edit(dir, "tokenizer_config.json", |value| value["eos_token"] = json!("<|none|>"));
    check("model", no_end, "tokenizer_config.json", &["eos_token", "found none"]);
}

#[test]
fn weights_must_be_those_of_the_configuration() {
    let file = "model.safetensors";
    let rewritten = |change: fn(&mut Vec<(String, Vec<usize>)>)| {
        move |dir: &Path| {
            let mut tensors = directories::qwen3().decoder(Family::Qwen3).tensors();
            change(&mut tensors);
            directories::write_weights(dir, &tensors);
        }
    };
    check(
        "model",
        rewritten(|tensors| drop(tensors.pop())),
        file,
        &["model.norm.weight", "none of that name"],
    );
    let other = |tensors: &mut Vec<(String, Vec<usize>)>| tensors[2].1 = vec![8, 12];
    check("model", rewritten(other), file, &["layers.0.self_attn.q_proj.weight", "[12, 8]", "found [8, 12]"]);
    let more = |tensors: &mut Vec<(String, Vec<usize>)>| tensors.push(("lm_head.weight".to_owned(), vec![2]));
    check("model", rewritten(more), file, &["no other tensors", "lm_head.weight"]);
    let untied = |dir: &Path| edit(dir, "config.json", |value| value["tie_word_embeddings"] = json!(false));
    check("model", untied, file, &["lm_head.weight"]);
    let cut = |dir: &Path| {
        let bytes = fs::read(dir.join(file)).unwrap();
        fs::write(dir.join(file), &bytes[..bytes.len() - 1]).unwrap();
    };
    check("model", cut, file, &["as its header says"]);
}

#[test]
fn weights_of_mixers_must_be_those_of_the_configuration() {
    let written = |change: fn(&mut Vec<(String, Vec<usize>)>)| {
        move |dir: &Path| {
            directories::model(dir);
            ModelConfig::Decoder(directories::decoder()).write(dir).unwrap();
            let mut tensors = directories::decoder().tensors();
            change(&mut tensors);
            directories::write_weights(dir, &tensors);
        }
    };
    let whole = tempfile::tempdir().unwrap();
    written(|_| {})(whole.path());
    assert_eq!(verify("model", whole.path()).unwrap(), []);

    let file = "model.safetensors";
    let other = |tensors: &mut Vec<(String, Vec<usize>)>| {
        let conv = tensors.iter_mut().find(|(name, _)| name.ends_with("0.mixer.conv.weight")).unwrap();
        conv.1.reverse();
    };
    check("model", written(other), file, &["layers.0.mixer.conv.weight", "[12, 8, 3]", "found [3, 8, 12]"]);
    let without =
        |tensors: &mut Vec<(String, Vec<usize>)>| tensors.retain(|(name, _)| !name.contains("bias_hh"));
    check("model", written(without), file, &["layers.2.mixer.bias_hh", "none of that name"]);
}

#[test]
fn a_model_must_fit_its_tokenizer() {
    let smaller = |dir: &Path| edit(dir, "config.json", |value| value["vocab_size"] = json!(260));
    check("model", smaller, "config.json", &["at least 261", "found 260"]);
    let end = |dir: &Path| edit(dir, "config.json", |value| value["eos_token_id"] = json!(7));
    check("model", end, "config.json", &["eos_token_id 1", "found 7"]);
    let stop = |dir: &Path| edit(dir, "generation_config.json", |value| value["eos_token_id"] = json!([5]));
    check("model", stop, "generation_config.json", &["eos_token_id 1"]);
    let cold = |dir: &Path| edit(dir, "generation_config.json", |value| value["temperature"] = json!(0.0));
    check("model", cold, "generation_config.json", &["temperature above 0"]);
}

#[test]
fn metrics_must_go_forward() {
    let swapped = |dir: &Path| replace(dir, "metrics.jsonl", r#""step":1"#, r#""step":5"#);
    check("train", swapped, "metrics.jsonl", &[":2:", "step 5 or a later one", "found 2"]);
    // JSON has no NaN; serde writes null for it.
    let nan = |dir: &Path| {
        replace(dir, "metrics.jsonl", r#""loss_nats_per_token":2.0"#, r#""loss_nats_per_token":null"#);
    };
    check("train", nan, "metrics.jsonl", &[":1:"]);
}

#[test]
fn a_report_must_agree_with_itself() {
    let model = |key: &'static str, value: Value| {
        move |dir: &Path| edit(dir, "report.json", |report| report["models"][0][key] = value)
    };
    check(
        "evaluate",
        model("action_accuracy", json!(0.5)),
        "report.json",
        &["action_accuracy as 1 of 4", "0.5"],
    );
    check("evaluate", model("context_recall", json!(0.5)), "report.json", &["context_recall"]);
    check("evaluate", model("perplexity", json!(3.0)), "report.json", &["perplexity"]);
    check("evaluate", model("bits_per_byte", json!(-1.0)), "report.json", &["bits_per_byte"]);
    check(
        "evaluate",
        |dir| edit(dir, "report.json", |report| report["models"] = json!([])),
        "report.json",
        &["at least one"],
    );
    check(
        "evaluate",
        |dir| replace(dir, "samples.jsonl", "nano", "micro"),
        "samples.jsonl",
        &[":1:", "found micro"],
    );
    check(
        "evaluate",
        |dir| fs::write(dir.join("report.html"), "hello").unwrap(),
        "report.html",
        &["doctype"],
    );
}

#[test]
fn a_bundle_must_be_what_its_sums_say() {
    let append = |dir: &Path| fs::write(dir.join("naman"), "another program").unwrap();
    check("deploy", append, "naman", &["SHA-256"]);
    check(
        "deploy",
        |dir| fs::write(dir.join("model/notes.txt"), "x").unwrap(),
        "model/notes.txt",
        &["SHA256SUMS"],
    );
    check("deploy", |dir| replace(dir, "SHA256SUMS", "  naman", "  ../naman"), "SHA256SUMS", &["../naman"]);
    check(
        "deploy",
        |dir| replace(dir, "SHA256SUMS", "  naman", "  /etc/hostname"),
        "SHA256SUMS",
        &["/etc/hostname"],
    );
    check(
        "deploy",
        |dir| replace(dir, "SHA256SUMS", "  naman", "  gone"),
        "SHA256SUMS",
        &["gone, which is not there"],
    );
    check(
        "deploy",
        |dir| edit(dir, "model/config.json", |value| value["head_dim"] = json!(7)),
        "model/config.json",
        &["even head_dim"],
    );
}

#[cfg(unix)]
#[test]
fn links_and_pipes_do_not_lead_out_of_the_directory() {
    use fs_err::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    directories::preprocess(outside.path());
    for file in ["tokenizer.json", "train-00000.safetensors", "valid.jsonl", "preprocess.json"] {
        let link = |dir: &Path| {
            fs::remove_file(dir.join(file)).unwrap();
            symlink(outside.path().join(file), dir.join(file)).unwrap();
        };
        check("preprocess", link, file, &["inside the directory"]);
    }
    let endless = |dir: &Path| {
        fs::remove_file(dir.join("preprocess.json")).unwrap();
        symlink("preprocess.json", dir.join("preprocess.json")).unwrap();
    };
    check("preprocess", endless, "preprocess.json", &[]);
    let pipe = |dir: &Path| {
        let path = dir.join("test.jsonl");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    check("preprocess", pipe, "test.jsonl", &["regular file"]);
    let link = |dir: &Path| {
        fs::remove_dir_all(dir.join("model")).unwrap();
        symlink(outside.path(), dir.join("model")).unwrap();
    };
    check("deploy", link, "model", &["directory"]);
    let link = |dir: &Path| symlink("/etc/hostname", dir.join("model/hostname")).unwrap();
    check("deploy", link, "model/hostname", &["link"]);
}

#[test]
fn a_file_that_no_memory_holds_is_not_read() {
    let huge = |dir: &Path| {
        let file = fs::File::options().write(true).open(dir.join("train-00000.safetensors")).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    check("preprocess", huge, "train-00000.safetensors", &["at most 1 GiB"]);
}

#[test]
fn many_problems_of_one_file_are_told_by_a_few() {
    let dir = written("collect");
    fs::write(dir.path().join("conversations-00000.jsonl"), "x\n".repeat(1000)).unwrap();
    let problems = verify("collect", dir.path()).unwrap();
    assert!(problems.len() < 20, "{}", problems.len());
    assert!(problems.iter().any(|problem| problem.found.contains("990 problems more")), "{problems:?}");
}
