//! One look at a pipeline: what each stage would be made from now, and carrying a stage out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use artifact::{Error, verify};
use terminal::Lang;

use crate::child;
use crate::digest::Digests;
use crate::pipeline::{Pipeline, Program, Stage};
use crate::programs;
use crate::receipt::{Inputs, Machine, Receipt};
use crate::store::{Found, Lock, Started, Store};

/// At most so many ways in which an output breaks the contract are told.
const PROBLEMS: usize = 20;
/// The variable by which every stage of this workspace is told its number of threads.
const THREADS: &str = "RAYON_NUM_THREADS";

/// A pipeline, its store, and the outputs known so far.
#[derive(Debug)]
pub(crate) struct Session<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) store: Store,
    /// Threads of each stage; what the environment says when absent.
    pub(crate) threads: Option<usize>,
    digests: Digests,
    outputs: BTreeMap<String, String>,
}

/// Whether a stage's output is there already.
#[derive(Debug)]
pub(crate) enum State {
    Ready(Box<Receipt>),
    /// It must run, for this reason.
    Stale {
        inputs: Inputs,
        key: String,
        why: String,
    },
}

impl<'p> Session<'p> {
    pub(crate) fn new(pipeline: &'p Pipeline, store: Store) -> Self {
        let digests = store.digests();
        Self { pipeline, store, threads: None, digests, outputs: BTreeMap::new() }
    }

    pub(crate) fn save_digests(&mut self) -> anyhow::Result<()> {
        Ok(self.digests.save()?)
    }

    /// Takes a stage's output for the input of those that read it.
    pub(crate) fn accept(&mut self, stage: &Stage, output: &str) {
        self.outputs.insert(stage.name.clone(), output.to_owned());
    }

    /// The newest output of a stage, as it was published, whatever it was made from.
    pub(crate) fn as_it_stands(&mut self, stage: &Stage) -> anyhow::Result<Box<Receipt>> {
        let newest = self.store.newest(&self.pipeline.name, &stage.name);
        if let Some(receipt) = newest
            && let Found::Published(receipt) = self.store.find(&receipt.key, &mut self.digests)
        {
            return Ok(receipt);
        }
        Err(Error::refused(format!("the stage `{}` has no whole output yet", stage.name))
            .with_hint(format!("cargo xtask run {}", self.pipeline.name))
            .into())
    }

    /// Whether a stage must run; the outputs of the stages that it reads must have been accepted.
    pub(crate) fn state(&mut self, stage: &Stage) -> anyhow::Result<State> {
        let inputs = self.inputs(stage)?;
        let key = inputs.key();
        let why = match self.store.find(&key, &mut self.digests) {
            Found::Published(receipt) => return Ok(State::Ready(receipt)),
            Found::Damaged => {
                Lang::pick("발행된 결과가 손상됨", "its published output was changed or damaged").to_owned()
            }
            Found::Absent if self.store.unfinished(&key) => {
                Lang::pick("중단된 실행을 이어감", "an interrupted run goes on").to_owned()
            }
            Found::Absent => match self.store.newest(&self.pipeline.name, &stage.name) {
                None => Lang::pick("첫 실행", "first run").to_owned(),
                Some(earlier) => inputs.changes(&earlier.inputs).join(", "),
            },
        };
        Ok(State::Stale { inputs, key, why })
    }

    /// Everything that decides a stage's output, as it is now.
    pub(crate) fn inputs(&mut self, stage: &Stage) -> anyhow::Result<Inputs> {
        if let Some(option) = stage.missing.first() {
            let place = artifact::Place::Line(stage.line);
            let setting = format!("{}.{option}", stage.name);
            let found = "no value for it";
            return Err(Error::at(
                &self.pipeline.file,
                place,
                format!("`{setting}` from the command line"),
                found,
            )
            .with_hint(format!("cargo xtask run {} --set {setting}=VALUE", self.pipeline.name))
            .into());
        }
        let program = programs::resolve(stage, &self.pipeline.file)?;
        let mut files = BTreeMap::new();
        for word in &stage.words {
            // `NAME=PATH` names a path too.
            let text = word.expand(|stage| format!("{{{stage}}}"));
            for path in
                [Some(text.as_str()), text.split_once('=').map(|(_, path)| path)].into_iter().flatten()
            {
                if word.stages().next().is_none() && !path.is_empty() && Path::new(path).exists() {
                    files.insert(path.to_owned(), self.digests.digest(Path::new(path))?);
                }
            }
        }
        for path in &stage.inputs {
            if !Path::new(path).exists() {
                let place = artifact::Place::Line(stage.line);
                let expected = format!("the input `{path}` of the stage `{}`", stage.name);
                return Err(Error::at(&self.pipeline.file, place, expected, "no such file or folder").into());
            }
            files.insert(path.clone(), self.digests.digest(Path::new(path))?);
        }
        let digest_of = |name: &str| {
            let digest =
                self.outputs.get(name).expect("stages are looked at in order, and read only earlier ones");
            (name.to_owned(), digest.clone())
        };
        let stages = stage.reads().into_iter().map(digest_of).collect();
        let words = stage.words.iter().map(|word| word.template.clone());
        Ok(Inputs {
            argv: std::iter::once(stage.program.name().to_owned()).chain(words).collect(),
            env: stage.env.clone(),
            contract: stage.contract.map(str::to_owned),
            executable: self.digests.digest(&program)?,
            files,
            stages,
        })
    }

    /// Runs a stage and publishes its output, whole and checked, or nothing.
    pub(crate) fn execute(
        &mut self,
        stage: &Stage,
        inputs: Inputs,
        key: String,
        afresh: bool,
        lock: &Lock,
    ) -> anyhow::Result<Receipt> {
        let started = Started { pipeline: self.pipeline.name.clone(), stage: stage.name.clone() };
        let out = self.store.begin(&key, &started, afresh)?;
        let directory =
            |name: &str| self.store.link(&self.pipeline.name, name).to_string_lossy().into_owned();
        let mut words: Vec<String> = stage.words.iter().map(|word| word.expand(directory)).collect();
        words.extend(["--out".to_owned(), out.to_string_lossy().into_owned()]);
        let threads = self.threads.map(|threads| (THREADS.to_owned(), threads.to_string()));
        let env: Vec<_> = threads.into_iter().chain(stage.env.clone()).collect();
        let program = programs::resolve(stage, &self.pipeline.file)?;
        let started_unix_seconds =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let usage = child::run(&program, &words, &env, lock)?;
        if !usage.status.success() {
            bail!("{}", self.failure(stage, &key, usage.status));
        }
        check(stage, &out)?;
        let receipt = Receipt {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: started.pipeline,
            stage: started.stage,
            inputs,
            output: self.digests.digest(&out).with_context(|| out.display().to_string())?,
            started_unix_seconds,
            seconds: usage.seconds,
            peak_memory_bytes: usage.peak_memory_bytes,
            exit_code: 0,
            machine: Machine::this(),
            key,
        };
        self.store.publish(&receipt.key, &receipt)?;
        Ok(receipt)
    }

    fn failure(&self, stage: &Stage, key: &str, status: std::process::ExitStatus) -> String {
        let Stage { name, .. } = stage;
        let program = stage.program.name();
        let told = Lang::pick(
            format!("`{name}` 단계 실패: `{program}`: {status} (메시지는 위에 있음). 발행된 것은 없음"),
            format!(
                "the stage `{name}` failed: `{program}`: {status} (its message is above); nothing was published"
            ),
        );
        if !self.store.unfinished(key) || matches!(stage.program, Program::Foreign(_)) {
            return told;
        }
        Lang::pick(
            format!("{told} (hint: 다시 실행하면 중단된 곳에서 이어갈 수 있음)"),
            format!("{told} (hint: the next run goes on where it can from what it has written)"),
        )
    }
}

/// Whether a stage has written a directory that keeps the contract.
fn check(stage: &Stage, out: &Path) -> anyhow::Result<()> {
    if !out.is_dir() {
        return Err(Error::refused(format!(
            "the stage `{}`: `{}` ended well and wrote no directory {}",
            stage.name,
            stage.program.name(),
            out.display()
        ))
        .with_hint("a stage writes all its files into the directory given by --out, and creates it")
        .into());
    }
    let problems = stage.contract.map_or(Ok(Vec::new()), |contract| verify::verify(contract, out))?;
    if problems.is_empty() {
        return Ok(());
    }
    for problem in problems.iter().take(PROBLEMS) {
        eprintln!("  {problem}");
    }
    bail!(
        "{}",
        Lang::pick(
            format!(
                "`{}` 단계의 결과가 규격에 맞지 않음 ({}건, 위에 있음). 발행하지 않음",
                stage.name,
                problems.len()
            ),
            format!(
                "the output of the stage `{}` breaks the contract in {} places (above); nothing was published",
                stage.name,
                problems.len()
            )
        )
    );
}
