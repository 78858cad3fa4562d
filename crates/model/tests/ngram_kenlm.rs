//! The n-gram model against `KenLM` (Heafield et al. 2013), on figures that `fixtures/ngram_kenlm.py` has written.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

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
    /// Of each document.
    log10: Vec<f64>,
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(FIXTURE).expect("as the script has written it")
    }

    fn fit(&self, order: usize, prune: &[u32]) -> Ngram {
        let mut documents = Documents::new();
        for line in &self.training {
            let tokens = document(line);
            documents.push(Document { tokens: &tokens, loss: &vec![1; tokens.len()] });
        }
        let config = NgramConfig {
            architectures: Vec::new(),
            vocab_size: self.vocab_size,
            order,
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
        };
        Ngram::fit(&documents, &config, Estimation { prune, memory: None }).expect("nothing is written")
    }

    /// The largest difference from the log10 probabilities of the held-out documents.
    ///
    /// `KenLM`'s `<unk>` stands for all tokens that were never seen.
    fn worst(&self, model: &Ngram, log10: &[f64]) -> f64 {
        assert_eq!(self.held_out.len(), 1000);
        assert_eq!(log10.len(), 1000);
        let seen: BTreeSet<u32> = self.training.iter().flatten().copied().chain([1]).collect();
        let unseen = ((self.vocab_size - seen.len()) as f64).log10();
        let found = self.held_out.iter().map(|line| {
            let tokens = document(line);
            let scores = model.score(&tokens).into_iter().zip(&tokens[1..]);
            let share = |token| if seen.contains(token) { 0.0 } else { unseen };
            scores
                .map(|(score, token)| f64::from(score) / std::f64::consts::LN_10 + share(token))
                .sum::<f64>()
        });
        found.zip(log10).map(|(found, log10)| (found - log10).abs()).fold(0.0, f64::max)
    }
}

/// [0], the line, [1].
fn document(line: &[u32]) -> Vec<u32> {
    [&[0], line, &[1]].concat()
}

#[test]
fn agrees_with_kenlm() {
    let fixture = Fixture::read();
    for Estimate { order, prune, log10 } in &fixture.models {
        let worst = fixture.worst(&fixture.fit(*order, prune), log10);
        println!("order {order}, pruned {prune:?}: log10 p of a line differs by at most {worst:.1e}");
        assert!(worst < 1e-4, "order {order}, pruned {prune:?}: log10 p differs by {worst}");
    }
}

/// Asks the module of a Python, which `NAMAN_PYTHON` may name.
#[test]
fn kenlm_reads_what_is_exported() {
    const PROGRAM: &str = "import sys, kenlm
model = kenlm.Model(sys.argv[1])
for line in sys.stdin: print(model.score(line.strip(), bos=True, eos=True))";
    let python = std::env::var("NAMAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_module = Command::new(&python).args(["-c", "import kenlm"]).output();
    if !has_module.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no module kenlm; NAMAN_PYTHON may name one that has");
        return;
    }
    let fixture = Fixture::read();
    let words = |line: &Vec<u32>| line.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") + "\n";
    let text: String = fixture.held_out.iter().map(words).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.arpa");
    for (order, prune) in [(5, &[][..]), (4, &[0, 0, 1])] {
        let model = fixture.fit(order, prune);
        model.write_arpa(&path, Some(1)).unwrap();
        let mut command = Command::new(&python);
        command.args(["-c", PROGRAM]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Dropped, and so closed, when it has been written.
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let log10: Vec<f64> = output.lines().map(|line| line.parse().unwrap()).collect();
        let worst = fixture.worst(&model, &log10);
        assert!(worst < 1e-4, "order {order}, pruned {prune:?}: log10 p differs by {worst}");
    }
}
