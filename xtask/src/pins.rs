//! `pipelines/NAME.lock`: the outputs and figures that a pipeline must reach again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use artifact::report::{self, Report};
use artifact::{Error, Place, json};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use terminal::Lang;

use crate::pipeline::{Pipeline, Stage};
use crate::receipt::Receipt;
use crate::session::Session;

/// A share measured on hundreds of replies moves this much from machine to machine.
const SHARE_TOLERANCE: f64 = 0.05;
/// A loss moves this share of itself.
const LOSS_TOLERANCE: f64 = 0.05;

/// The content of a lock file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pins {
    /// Digests of the outputs up to preprocess: floating-point work after it differs between processors.
    #[serde(default)]
    output: BTreeMap<String, String>,
    #[serde(default)]
    figure: Vec<Figure>,
}

/// A number of a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    /// The stage that wrote the report.
    stage: String,
    /// Where the number stands in `report.json` (RFC 6901).
    pointer: String,
    expected: f64,
    /// How far from it the number may lie.
    tolerance: f64,
}

fn file(pipeline: &Pipeline) -> PathBuf {
    pipeline.file.with_extension("lock")
}

impl Pins {
    pub(crate) fn read(pipeline: &Pipeline) -> anyhow::Result<Self> {
        let path = file(pipeline);
        if !path.exists() {
            return Err(Error::malformed(&path, "the outputs and figures of an earlier run", "no such file")
                .with_hint(format!("cargo xtask run {} --update-lock", pipeline.name))
                .into());
        }
        let text = fs::read_to_string(&path)?;
        let pins: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let place = Place::Line(1 + before.matches('\n').count());
            Error::at(
                &path,
                place,
                "the outputs and figures of an earlier run",
                error.message().replace('\n', " "),
            )
        })?;
        let named = pins.output.keys().chain(pins.figure.iter().map(|figure| &figure.stage));
        for stage in named {
            pipeline.position(stage).with_context(|| path.display().to_string())?;
        }
        Ok(pins)
    }

    /// Fails when a stage's output is not the expected one.
    pub(crate) fn check_output(&self, stage: &str, found: &str) -> anyhow::Result<()> {
        let Some(expected) = self.output.get(stage).filter(|expected| *expected != found) else {
            return Ok(());
        };
        bail!(
            "{}\n  {stage}  {expected}\n  {stage}  {found}",
            Lang::pick(
                "결과가 lock 파일과 다름 (기대, 결과)",
                "an output differs from the lock file's (expected, found)"
            )
        )
    }

    /// Compares the reports with the expected figures.
    pub(crate) fn check_figures(&self, session: &Session<'_>) -> anyhow::Result<()> {
        let mut table = String::new();
        for figure in &self.figure {
            let Figure { stage, pointer, expected, tolerance } = figure;
            let found = read_report(session, stage)?.pointer(pointer).and_then(Value::as_f64);
            if found.is_none_or(|found| (found - expected).abs() > *tolerance) {
                let found = found.map_or("none".to_owned(), |found| format!("{found:.4}"));
                let _ = write!(table, "\n  {stage} {pointer}  {expected:.4} ± {tolerance:.4}  {found}");
            }
        }
        if table.is_empty() {
            return Ok(());
        }
        bail!(
            "{}{table}",
            Lang::pick(
                "성적이 lock 파일과 다름 (기대, 결과)",
                "figures differ from the lock file's (expected, found)"
            )
        )
    }

    /// What a run has reached; figures and tolerances are those of the present lock file where there is one.
    pub(crate) fn of_run(session: &Session<'_>, receipts: &[Receipt]) -> anyhow::Result<Self> {
        let stages = &session.pipeline.stages;
        let exact = |stage: &Stage| matches!(stage.contract, Some("collect" | "preprocess"));
        let last = stages.iter().rposition(exact).map_or(0, |position| position + 1);
        let output =
            receipts[..last].iter().map(|receipt| (receipt.stage.clone(), receipt.output.clone())).collect();
        let mut figure =
            if file(session.pipeline).exists() { Self::read(session.pipeline)?.figure } else { Vec::new() };
        if figure.is_empty() {
            for stage in stages.iter().filter(|stage| stage.contract == Some("evaluate")) {
                let report = Report::read(&session.store.link(&session.pipeline.name, &stage.name))?;
                for (position, model) in report.models.iter().enumerate() {
                    let mut pin = |name: &str, tolerance: f64| {
                        let pointer = format!("/models/{position}/{name}");
                        figure.push(Figure { stage: stage.name.clone(), pointer, expected: 0.0, tolerance });
                    };
                    pin("bits_per_byte", rounded(model.bits_per_byte * LOSS_TOLERANCE));
                    if model.action_accuracy.is_some() {
                        pin("action_accuracy", SHARE_TOLERANCE);
                    }
                    if model.context_recall.is_some() {
                        pin("context_recall", SHARE_TOLERANCE);
                    }
                }
            }
        }
        for Figure { stage, pointer, expected, .. } in &mut figure {
            let found = read_report(session, stage)?.pointer(pointer).and_then(Value::as_f64);
            *expected =
                rounded(found.with_context(|| format!("{stage}: report.json has no number at {pointer}"))?);
        }
        Ok(Self { output, figure })
    }

    pub(crate) fn write(&self, pipeline: &Pipeline) -> anyhow::Result<PathBuf> {
        let path = file(pipeline);
        let name = &pipeline.name;
        let text = format!(
            "# What `cargo xtask run {name} --locked` expects; written by `cargo xtask run {name} --update-lock`.\n\n{}",
            toml::to_string(self)?
        );
        artifact::write_atomic(&path, text.as_bytes())?;
        Ok(path)
    }
}

fn read_report(session: &Session<'_>, stage: &str) -> anyhow::Result<Value> {
    Ok(json::read(&session.store.link(&session.pipeline.name, stage).join(report::FILE))?)
}

/// To four decimals, which is more than a figure means.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
