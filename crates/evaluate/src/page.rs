//! `report.html`: the report as one page in two languages that needs no network. Without its script, which switches the
//! language and filters the talks, it is whole as well.

use std::collections::BTreeSet;

use artifact::report::{Better, Estimate, ModelReport, Perturbation, Report, Sample, SampleKind, Share};
use artifact::thousands;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use terminal::Lang;

use crate::charts::{self, Along};
use crate::labels::{self, Label};
use crate::ranking::{self, FIGURES, Figure};
use crate::verdict;

/// Named `.html`, so that everything a model says is escaped.
const NAME: &str = "report.html";
const TEMPLATE: &str = include_str!("report.html");
const SCRIPT: &str = include_str!("report.js");
const STYLE: &str = include_str!("report.css");
/// The one script that the page may run: `openssl dgst -sha256 -binary report.js | base64`.
const SCRIPT_HASH: &str = "sha256-xP+Jp5wtcA/jq/ueI4WO8HumTIpjC/JeErU8zNGOTlA=";
/// Figures that are drawn, as far as they are known.
const DRAWN: [&str; 4] =
    ["bits_per_byte", "greedy.action_accuracy", "greedy.context_recall", "greedy.chrf_plus_plus"];

/// Writes the page; `lang` is the language that it opens in.
pub fn render(report: &Report, samples: &[Sample], lang: Lang) -> String {
    let mut environment = Environment::new();
    environment.add_filter("count", thousands);
    environment.add_filter("fixed", |value: f64, decimals: usize| format!("{value:.decimals$}"));
    environment.add_filter("percent", |share: f64| format!("{:.1} %", 100.0 * share));
    environment.add_filter("mebibytes", |bytes: f64| format!("{:.1}", bytes / f64::from(1 << 20)));
    environment.add_template(NAME, TEMPLATE).expect("the template is part of this program");
    let of_kind = |kind| samples.iter().filter(move |sample| sample.kind == kind).collect::<Vec<_>>();
    let recommended = verdict::recommended(report);
    let values = context! {
        lang => if lang == Lang::Ko { "ko" } else { "en" },
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        script_hash => SCRIPT_HASH,
        report => Serde(report),
        best => Serde(&report.models[recommended]),
        recommended,
        rivals => Serde(verdict::rivals(report)),
        deciding => Serde(deciding(&report.models[recommended])),
        figures => figures(report),
        order => ranking::order(report),
        estimates => estimates(report),
        bars => bars(report),
        curves => curves(report),
        heat_maps => heat_maps(report),
        robustness => robustness(report),
        topics => Serde(table(report, |model| &model.action_accuracy_by_topic)),
        slots => Serde(table(report, |model| &model.context_recall_by_slot)),
        distances => Serde(table(report, |model| &model.context_recall_by_distance)),
        prompts => Serde(of_kind(SampleKind::Prompt)),
        held_out => Serde(of_kind(SampleKind::HeldOut)),
    };
    let template = environment.get_template(NAME).expect("added above");
    template.render(values).expect("the template matches the types of the report")
}

/// The figure that decides which model to use, with its interval where that is known.
fn deciding(model: &ModelReport) -> Cell {
    let name = verdict::figure(model);
    let value = model.action_accuracy.unwrap_or(model.bits_per_byte);
    match model.figures.get(name) {
        Some(estimate) => Cell::new(name, estimate),
        None => Cell { value: labels::value(name, value), interval: None },
    }
}

/// A figure of a model.
#[derive(Serialize)]
struct Cell {
    value: String,
    interval: Option<String>,
}

impl Cell {
    fn new(name: &str, estimate: &Estimate) -> Self {
        let [low, high] = [estimate.low, estimate.high].map(|end| labels::value(name, end));
        Self { value: labels::value(name, estimate.value), interval: Some(format!("{low} – {high}")) }
    }
}

/// Each ranked figure's name and every model's place.
fn figures(report: &Report) -> Vec<Value> {
    let figure = |figure: &Figure| {
        let label = Label { ko: figure.ko.to_owned(), en: figure.en.to_owned() };
        context! { label => Serde(label), places => Serde(figure.places(report)) }
    };
    FIGURES.iter().map(figure).collect()
}

/// Every figure that some model has with its interval, in order: its name, and each model's cell.
fn estimates(report: &Report) -> Vec<Value> {
    let names: BTreeSet<&str> =
        report.models.iter().flat_map(|model| model.figures.keys().map(String::as_str)).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| labels::order(name));
    let row = |name: &str| {
        let cells: Vec<Option<Cell>> =
            report.models.iter().map(|model| Some(Cell::new(name, model.figures.get(name)?))).collect();
        context! { label => Serde(labels::label(name)), cells => Serde(cells) }
    };
    names.into_iter().map(row).collect()
}

/// A picture of bars for each figure that is drawn.
fn bars(report: &Report) -> Vec<Value> {
    let picture = |(number, &name): (usize, &&str)| {
        let rows: Vec<(usize, &str, Estimate, String)> = report
            .models
            .iter()
            .enumerate()
            .filter_map(|(place, model)| {
                let estimate = estimate(model, name)?;
                Some((place, model.name.as_str(), estimate, labels::value(name, estimate.value)))
            })
            .collect();
        let id = format!("bars-{number}");
        let better = rows.first()?.2.better;
        let svg = charts::bars(&rows, &id)?;
        Some(context! {
            id,
            label => Serde(labels::label(name)),
            lower => better == Some(Better::Lower),
            svg => Value::from_safe_string(svg),
        })
    };
    DRAWN.iter().enumerate().filter_map(picture).collect()
}

/// A figure with its interval, or as a point where the report has none.
fn estimate(model: &ModelReport, name: &str) -> Option<Estimate> {
    let point = |value, better| Estimate { value, low: value, high: value, better: Some(better) };
    model.figures.get(name).copied().or(match name {
        "bits_per_byte" => Some(point(model.bits_per_byte, Better::Lower)),
        "greedy.action_accuracy" => model.action_accuracy.map(|share| point(share, Better::Higher)),
        "greedy.context_recall" => model.context_recall.map(|share| point(share, Better::Higher)),
        _ => None,
    })
}

/// The learning curves along minutes and along tokens.
fn curves(report: &Report) -> Vec<Value> {
    let minutes = Label { ko: "학습 시간(분)".to_owned(), en: "minutes of training".to_owned() };
    let tokens =
        Label { ko: "읽은 토큰(백만)".to_owned(), en: "training tokens read, in millions".to_owned() };
    let picture = |(along, label, id): (Along, Label, &str)| {
        let svg = charts::curves(&report.models, along, id)?;
        Some(context! { id, label => Serde(label), svg => Value::from_safe_string(svg) })
    };
    [(Along::Minutes, minutes, "curve-minutes"), (Along::Tokens, tokens, "curve-tokens")]
        .into_iter()
        .filter_map(picture)
        .collect()
}

/// The heat map of each model that has a table of confusions.
fn heat_maps(report: &Report) -> Vec<Value> {
    let picture = |(place, model): (usize, &ModelReport)| {
        let id = format!("confusions-{place}");
        let svg = charts::heat_map(model.confusion_table.as_ref()?, place, &id)?;
        Some(context! { id, place, svg => Value::from_safe_string(svg) })
    };
    report.models.iter().enumerate().filter_map(picture).collect()
}

/// A row for each way of careless writing, with each model's changes.
fn robustness(report: &Report) -> Vec<Value> {
    let names: BTreeSet<&str> = report
        .models
        .iter()
        .flat_map(|model| &model.robustness)
        .flat_map(|row| row.changes.keys().map(String::as_str))
        .collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| labels::order(name));
    let first = report.models.first().map(|model| model.robustness.as_slice()).unwrap_or_default();
    let row = |perturbed: &artifact::report::Perturbed| {
        let changes = |name: &str| {
            let of_model = |model: &ModelReport| {
                let same = model.robustness.iter().find(|row| row.perturbation == perturbed.perturbation)?;
                let change = same.changes.get(name)?;
                let [low, high] = [change.low, change.high].map(|end| labels::difference(name, end));
                let value = labels::difference(name, change.value);
                Some(Cell { value, interval: Some(format!("{low} – {high}")) })
            };
            let cells: Vec<Option<Cell>> = report.models.iter().map(of_model).collect();
            context! { label => Serde(labels::label(name)), cells => Serde(cells) }
        };
        context! {
            label => Serde(perturbation(perturbed.perturbation)),
            before => &perturbed.before,
            after => &perturbed.after,
            replies => perturbed.replies,
            changes => names.iter().map(|name| changes(name)).collect::<Vec<_>>(),
        }
    };
    first.iter().map(row).collect()
}

fn perturbation(kind: Perturbation) -> Label {
    let (ko, en) = match kind {
        Perturbation::Typos => ("오타", "typos"),
        Perturbation::NoSpaces => ("띄어쓰기 없음", "no spaces"),
        Perturbation::Register => ("말투 바꿈", "other register"),
        Perturbation::Jamo => ("풀어쓴 글자", "syllables as letters"),
        Perturbation::Emoji => ("이모티콘", "emoji"),
    };
    Label { ko: ko.to_owned(), en: en.to_owned() }
}

/// A row for each topic, slot or distance: its name, how often it occurs, and each model's share.
fn table(report: &Report, shares: fn(&ModelReport) -> &Vec<Share>) -> Vec<(&str, usize, Vec<f64>)> {
    // Every model is asked the same, so the first one's rows are everyone's.
    let rows = report.models.first().map(shares).into_iter().flatten();
    rows.enumerate()
        .map(|(row, share)| {
            let of_models = report.models.iter().filter_map(|model| shares(model).get(row));
            let of_models = of_models.map(|share| share.correct as f64 / share.count.max(1) as f64);
            (share.name.as_str(), share.count, of_models.collect())
        })
        .collect()
}
