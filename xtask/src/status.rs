//! `cargo xtask status`: what a run would do, and why.

use std::collections::BTreeSet;

use clap::Args;
use terminal::Lang;

use crate::pipeline::{Pipeline, Program};
use crate::programs;
use crate::session::{Session, State};
use crate::setting::Setting;
use crate::store::Store;

/// The options of `status`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Pipeline: pipelines/NAME.toml
    #[arg(value_name = "NAME", default_value = crate::DEFAULT)]
    pipeline: String,
    /// As for `run`
    #[arg(long = "set", value_name = "STAGE.OPTION=VALUE")]
    settings: Vec<Setting>,
}

pub(crate) fn run(arguments: &Arguments, store: Store) -> anyhow::Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline, &arguments.settings)?;
    let ran = pipeline.stages.iter().any(|stage| store.newest(&pipeline.name, &stage.name).is_some());
    if ran {
        // Whether a program has changed is seen once it is built; before the first run nothing depends on it.
        programs::build(&programs::crates(&pipeline.stages, None))?;
    }
    let mut session = Session::new(&pipeline, store);
    let width = pipeline.stages.iter().map(|stage| stage.name.len()).max().unwrap_or_default();
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    for stage in &pipeline.stages {
        let name = format!("{:width$}", stage.name);
        let awaited: Vec<_> = stage.reads().into_iter().filter(|read| waiting.contains(read)).collect();
        let unbuilt = match stage.program {
            Program::Crate(program) => !programs::built(program)?,
            Program::Foreign(_) => false,
        };
        if !awaited.is_empty() {
            waiting.insert(&stage.name);
            let never = session.store.newest(&pipeline.name, &stage.name).is_none();
            println!("{name}  {}", if never { first_run() } else { follows(&awaited.join(", ")) });
        } else if unbuilt {
            waiting.insert(&stage.name);
            println!("{name}  {}", Lang::pick("실행: 아직 빌드 안 됨", "runs: not built yet"));
        } else {
            match session.state(stage)? {
                State::Ready(receipt) => {
                    session.accept(stage, &receipt.output);
                    println!("{name}  {}  {}", Lang::pick("그대로", "ready"), receipt.cost());
                }
                State::Stale { why, .. } => {
                    waiting.insert(&stage.name);
                    println!("{name}  {}: {why}", Lang::pick("실행", "runs"));
                }
            }
        }
    }
    Ok(())
}

fn first_run() -> String {
    Lang::pick("실행: 첫 실행", "runs: first run").to_owned()
}

fn follows(awaited: &str) -> String {
    Lang::pick(format!("{awaited}의 결과가 바뀌면 실행"), format!("runs if the output of {awaited} changes"))
}
