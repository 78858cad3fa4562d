//! `receipt.json`: what a stage was made from, and what it took.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use serde::{Deserialize, Serialize};

/// The name of a receipt in an entry of the store.
pub(crate) const FILE: &str = "receipt.json";

/// Everything that decides a stage's output. Digests are BLAKE3, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// The program and its words as the pipeline has them, `{stage}` not yet replaced, without `--out`.
    pub(crate) argv: Vec<String>,
    /// Variables that the pipeline sets.
    pub(crate) env: BTreeMap<String, String>,
    /// The stage of the contract that its files were checked against.
    pub(crate) contract: Option<String>,
    /// Digest of the program's file.
    pub(crate) executable: String,
    /// Digests of the files and folders that argv or `inputs` name.
    pub(crate) files: BTreeMap<String, String>,
    /// Digests of the outputs of the stages that argv names.
    pub(crate) stages: BTreeMap<String, String>,
}

/// One run of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Of xtask.
    pub(crate) version: String,
    pub(crate) pipeline: String,
    pub(crate) stage: String,
    /// The name of its entry in the store.
    pub(crate) key: String,
    pub(crate) inputs: Inputs,
    /// Digest of the output directory.
    pub(crate) output: String,
    pub(crate) started_unix_seconds: u64,
    pub(crate) seconds: f64,
    /// The most memory resident at once, of the program or of a process that it waited for; absent where the
    /// system does not tell.
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) exit_code: i32,
    pub(crate) machine: Machine,
}

/// Where a stage ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) os: String,
    pub(crate) arch: String,
    pub(crate) processors: usize,
}

impl Machine {
    pub(crate) fn this() -> Self {
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            processors: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl Inputs {
    /// The name under which the store keeps the output.
    pub(crate) fn key(&self) -> String {
        let text = serde_json::to_vec(self).expect("strings and maps of strings have JSON forms");
        // 128 bits: no two of a person's runs will meet, and paths stay readable.
        blake3::hash(&text).to_hex()[..32].to_owned()
    }

    /// What differs from an earlier run's, for people.
    pub(crate) fn changes(&self, earlier: &Self) -> Vec<String> {
        let Self { argv, env, contract, executable, files, stages } = self;
        let pick = terminal::Lang::pick::<&str>;
        let mut changes = Vec::new();
        let mut note = |changed: bool, what: &str| changes.extend(changed.then(|| what.to_owned()));
        note(*executable != earlier.executable, pick("프로그램이 바뀜", "the program changed"));
        note(*argv != earlier.argv, pick("옵션이 바뀜", "its options changed"));
        note(*env != earlier.env, pick("환경 변수가 바뀜", "its environment changed"));
        note(*contract != earlier.contract, pick("규격이 바뀜", "its contract changed"));
        changes.extend(differing(files, &earlier.files));
        changes.extend(differing(stages, &earlier.stages));
        changes
    }
}

fn differing(now: &BTreeMap<String, String>, earlier: &BTreeMap<String, String>) -> Vec<String> {
    let changed =
        now.iter().filter(|(name, digest)| earlier.get(*name).is_some_and(|known| known != *digest));
    changed.map(|(name, _)| terminal::Lang::pick(format!("{name} 바뀜"), format!("{name} changed"))).collect()
}

impl Receipt {
    /// Seconds and memory, for people.
    pub(crate) fn cost(&self) -> String {
        let memory = self.peak_memory_bytes.map(|bytes| format!("  {} MiB", bytes.div_ceil(1 << 20)));
        format!("{:.1} s{}", self.seconds, memory.unwrap_or_default())
    }
}
