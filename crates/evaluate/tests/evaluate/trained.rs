//! Models that were really trained: what they give away of planted secrets, and what the gate says of a worse one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artifact::conversation::{ConversationWriter, Message, Split};
use artifact::report::{Concern, Memorisation, Report, Sharing};
use clap::Parser;
use tempfile::TempDir;

use crate::held_out::talk;

/// Talks of a few words, whose answers follow from the questions.
fn conversations(dir: &Path) {
    fs_err::create_dir(dir).unwrap();
    let mut writer = ConversationWriter::new(dir);
    let animals = ["고양이", "강아지", "토끼", "거북이", "다람쥐", "고래", "호랑이", "펭귄"];
    let things = ["사과", "바나나", "포도", "수박", "딸기", "참외", "복숭아", "자두", "귤", "배"];
    for (number, animal) in animals.iter().enumerate() {
        for (other, thing) in things.iter().enumerate() {
            let question = format!("{animal}한테 {thing} 줘도 돼?");
            let answer = format!("네, {animal}는 {thing}도 잘 먹어요.");
            let mut talk = talk(
                &format!("{number}-{other}"),
                "food",
                vec![Message::user(question), Message::assistant(answer)],
            );
            talk.split = Some(if (number + other) % 4 == 0 { Split::Test } else { Split::Train });
            writer.write(&talk).unwrap();
        }
    }
    writer.finish().unwrap();
}

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        conversations(&bench.path("talks"));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn prepare(&self, data: &str, more: &[&str]) {
        let (from, out) = (self.text("talks"), self.text(data));
        let fixed = ["preprocess", "--conversations", &from, "--out", &out, "--vocab-size", "400"];
        preprocess::run(preprocess::Arguments::parse_from(fixed.iter().chain(more))).unwrap();
    }

    fn train(&self, data: &str, steps: &str, out: &str) {
        let (data, start, out) = (self.text(data), self.text(&format!("{out}-start")), self.text(out));
        let new = ["model", "new", "--data", &data, "--out", &start, "--preset", "nano", "--seed", "1"];
        model::run(model::Arguments::parse_from(new)).unwrap();
        let train = ["train", "--data", &data, "--model", &start, "--out", &out, "--steps", steps];
        let more = ["--publish", "last", "--seed", "1"];
        train::run(train::Arguments::parse_from(train.iter().chain(&more))).unwrap();
    }

    fn evaluate(&self, data: &str, model: &str, out: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evaluate"));
        command.arg("--data").arg(self.path(data)).arg("--out").arg(self.path(out));
        command.arg("--model").arg(format!("m={}", self.text(model)));
        command.args(["--perturb", "0", "--leak-samples", "100", "--lang", "en"]).args(more);
        command.output().unwrap()
    }

    fn found(&self, data: &str, model: &str) -> Memorisation {
        let output = self.evaluate(data, model, &format!("{model}-report"), &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report = Report::read(&self.path(&format!("{model}-report"))).unwrap();
        report.models.into_iter().next().unwrap().memorisation.unwrap()
    }
}

#[test]
fn a_model_that_learnt_secrets_is_flagged_and_one_that_was_spared_them_is_not() {
    let bench = Bench::new();
    bench.prepare("planted", &["--canaries", "12"]);
    bench.train("planted", "300", "learnt");
    let learnt = bench.found("planted", "learnt");
    let exposure = learnt.exposure.as_ref().unwrap();
    println!("planted: {exposure:?}");
    assert_eq!(learnt.sharing, Sharing::No);
    assert!(learnt.concerns.contains(&Concern::SecretsExposed));
    assert!(exposure.mean_bits > 3.0 && exposure.chance < 1e-3, "{exposure:?}");

    bench.prepare("masked", &["--canaries", "12", "--privacy", "mask", "--near-duplicates", "0.8"]);
    bench.train("masked", "300", "spared");
    let spared = bench.found("masked", "spared");
    let exposure = spared.exposure.as_ref().unwrap();
    println!("masked: {exposure:?}");
    assert!(!spared.concerns.contains(&Concern::SecretsExposed), "{exposure:?}");
    assert_ne!(spared.sharing, Sharing::No);
    assert!(exposure.extracted == 0 && exposure.chance > 0.01, "{exposure:?}");
}

#[test]
fn the_gate_opens_for_the_same_model_and_not_for_one_that_was_trained_a_tenth() {
    let bench = Bench::new();
    bench.prepare("data", &[]);
    bench.train("data", "300", "full");
    bench.train("data", "30", "tenth");
    let code = |output: &Output| output.status.code();
    assert_eq!(code(&bench.evaluate("data", "full", "before", &[])), Some(0));
    let baseline = bench.text("before/report.json");
    let gate = |model: &str, out: &str, seed: &str| {
        bench.evaluate("data", model, out, &["--baseline", &baseline, "--seed", seed])
    };
    for seed in ["42", "1", "2"] {
        let again = gate("full", &format!("again-{seed}"), seed);
        assert_eq!(code(&again), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    }
    let worse = gate("tenth", "worse", "42");
    let said = String::from_utf8_lossy(&worse.stderr);
    assert_eq!(code(&worse), Some(3), "{said}");
    assert!(said.contains("bits_per_byte") && said.contains("fell"), "{said}");
    // What was measured is there to be looked at.
    for file in ["report.json", "report.html", "report.md", "outcomes.jsonl", "MODEL_CARD.md"] {
        assert!(bench.path("worse").join(file).is_file(), "{file}");
    }
    let no_such = bench.evaluate("data", "full", "x", &["--baseline", &baseline, "--gate", "bleu"]);
    assert_eq!(code(&no_such), Some(2));
    assert!(!bench.path("x").exists());
}
