//! `cargo xtask run`: runs what changed, and publishes it.

use clap::Args;
use terminal::Lang;

use crate::closing;
use crate::newest_model;
use crate::pins::Pins;
use crate::pipeline::{Pipeline, Stage};
use crate::programs;
use crate::receipt::Receipt;
use crate::session::{Session, State};
use crate::setting::Setting;
use crate::store::{Lock, Store};

/// The options of `run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Pipeline: pipelines/NAME.toml
    #[arg(value_name = "NAME", default_value = crate::DEFAULT)]
    pipeline: String,
    /// Begin with this stage; those before it are taken as they stand
    #[arg(long, value_name = "STAGE")]
    from: Option<String>,
    /// Run no other stage than this one; those that it reads are taken as they stand
    #[arg(long, value_name = "STAGE", conflicts_with = "from")]
    only: Option<String>,
    /// Run stages even where nothing changed, and from their beginning
    #[arg(long)]
    force: bool,
    /// Fail unless outputs and figures are those of pipelines/NAME.lock
    #[arg(long)]
    locked: bool,
    /// Write this run's outputs and figures into pipelines/NAME.lock
    #[arg(long, conflicts_with_all = ["locked", "only"])]
    update_lock: bool,
    /// Give an option of a stage another value; a list is written as in the file (repeatable)
    #[arg(long = "set", value_name = "STAGE.OPTION=VALUE")]
    settings: Vec<Setting>,
}

/// What a run does with a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// Carries it out if something changed.
    Run,
    /// Takes its newest output, whatever that was made from.
    Take,
    /// Nothing.
    Leave,
}

pub(crate) fn run(arguments: &Arguments, threads: Option<usize>, store: Store) -> anyhow::Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline, &arguments.settings)?;
    let pins = if arguments.locked { Some(Pins::read(&pipeline)?) } else { None };
    let parts = parts(&pipeline, arguments)?;
    let whole = arguments.only.is_none();
    let lock = store.lock(&format!("run {}", pipeline.name))?;

    let run =
        parts.iter().zip(&pipeline.stages).filter(|(part, _)| **part == Part::Run).map(|(_, stage)| stage);
    let talks = whole && newest_model::is_made_by(&pipeline);
    programs::build(&programs::crates(run, talks.then_some("deploy")))?;

    let mut session = Session::new(&pipeline, store);
    session.threads = threads;
    let result = go_through(&mut session, &parts, arguments.force, pins.as_ref(), &lock);
    let saved = session.save_digests();
    let receipts = result?;
    saved?;
    drop(lock);

    if arguments.update_lock {
        let file = Pins::of_run(&session, &receipts)?.write(&pipeline)?;
        eprintln!("{}: {}", Lang::pick("기록함", "wrote"), file.display());
    }
    if whole {
        closing::print(&session)?;
        pins.map_or(Ok(()), |pins| pins.check_figures(&session))?;
    }
    Ok(())
}

fn parts(pipeline: &Pipeline, arguments: &Arguments) -> anyhow::Result<Vec<Part>> {
    let stages = &pipeline.stages;
    if let Some(only) = &arguments.only {
        let only = pipeline.position(only)?;
        let reads = stages[only].reads();
        let part = |(position, stage): (usize, &Stage)| match position {
            _ if position == only => Part::Run,
            _ if reads.contains(&stage.name.as_str()) => Part::Take,
            _ => Part::Leave,
        };
        return Ok(stages.iter().enumerate().map(part).collect());
    }
    let from = arguments.from.as_deref().map_or(Ok(0), |stage| pipeline.position(stage))?;
    Ok((0..stages.len()).map(|position| if position < from { Part::Take } else { Part::Run }).collect())
}

/// Goes through the stages in order; gives the receipts of the outputs that were made or taken.
fn go_through(
    session: &mut Session<'_>,
    parts: &[Part],
    force: bool,
    pins: Option<&Pins>,
    lock: &Lock,
) -> anyhow::Result<Vec<Receipt>> {
    let pipeline = session.pipeline;
    let width = pipeline.stages.iter().map(|stage| stage.name.len()).max().unwrap_or_default();
    let mut receipts = Vec::new();
    for (stage, part) in pipeline.stages.iter().zip(parts) {
        let say = |text: &str| eprintln!("{:width$}  {text}", stage.name);
        let receipt = match part {
            Part::Leave => continue,
            Part::Take => {
                say(Lang::pick("있는 대로 씀", "taken as it stands"));
                *session.as_it_stands(stage)?
            }
            Part::Run => refresh(session, stage, force, lock, say)?,
        };
        session.accept(stage, &receipt.output);
        pins.map_or(Ok(()), |pins| pins.check_output(&stage.name, &receipt.output))?;
        receipts.push(receipt);
    }
    Ok(receipts)
}

/// Runs a stage if it must, and points the pipeline's link at its output.
fn refresh(
    session: &mut Session<'_>,
    stage: &Stage,
    force: bool,
    lock: &Lock,
    say: impl Fn(&str),
) -> anyhow::Result<Receipt> {
    let (inputs, key, why) = match session.state(stage)? {
        State::Ready(receipt) if force => (receipt.inputs, receipt.key, "--force".to_owned()),
        State::Ready(receipt) => {
            session.store.point(&session.pipeline.name, &stage.name, &receipt.key)?;
            say(Lang::pick("그대로", "unchanged"));
            return Ok(*receipt);
        }
        State::Stale { inputs, key, why } => (inputs, key, why),
    };
    say(&format!("{}: {why}", Lang::pick("실행", "runs")));
    let receipt = session.execute(stage, inputs, key, force, lock)?;
    session.store.point(&session.pipeline.name, &stage.name, &receipt.key)?;
    say(&format!("{}  {}", Lang::pick("완료", "done"), receipt.cost()));
    Ok(receipt)
}
