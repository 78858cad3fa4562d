//! `report.html`: the report as one page that needs no network and no script.

use artifact::report::{Report, Sample, SampleKind};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use terminal::Lang;

use crate::plot::plot;
use crate::ranking::{self, FIGURES, Figure};

/// Named `.html`, so that everything a model says is escaped.
const NAME: &str = "report.html";
const TEMPLATE: &str = include_str!("report.html");
/// Held-out conversations on the page; `samples.jsonl` has all.
const HELD_OUT_TALKS: usize = 8;

/// Writes the page in a language.
pub fn render(report: &Report, samples: &[Sample], lang: Lang) -> String {
    let mut environment = Environment::new();
    environment.add_filter("count", |count: u64| thousands(count));
    environment.add_filter("fixed", |value: f64, decimals: usize| format!("{value:.decimals$}"));
    environment.add_filter("percent", |share: f64| format!("{:.1} %", 100.0 * share));
    environment.add_template(NAME, TEMPLATE).expect("the template is part of this program");
    let of_kind = |kind| samples.iter().filter(move |sample| sample.kind == kind);
    let (prompts, held_out): (Vec<_>, Vec<_>) =
        (of_kind(SampleKind::Prompt).collect(), of_kind(SampleKind::HeldOut).take(HELD_OUT_TALKS).collect());
    let values = context! {
        korean => lang == Lang::Ko,
        report => Serde(report),
        figures => figures(report, lang),
        order => ranking::order(report),
        topics => Serde(table(report, |model| &model.action_accuracy_by_topic)),
        slots => Serde(table(report, |model| &model.context_recall_by_slot)),
        plot => plot(&report.models).map(Serde),
        prompts => Serde(&prompts),
        held_out => Serde(&held_out),
    };
    let template = environment.get_template(NAME).expect("added above");
    template.render(values).expect("the template matches the types of the report")
}

/// Each figure's name and every model's place.
fn figures(report: &Report, lang: Lang) -> Vec<Value> {
    let figure = |figure: &Figure| {
        let name = if lang == Lang::Ko { figure.ko } else { figure.en };
        context! { name, places => Serde(figure.places(report)) }
    };
    FIGURES.iter().map(figure).collect()
}

/// A row for each topic or slot: its name, how often it occurs, and each model's share.
fn table(
    report: &Report,
    shares: fn(&artifact::report::ModelReport) -> &Vec<artifact::report::Share>,
) -> Vec<(&str, usize, Vec<f64>)> {
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

/// 1234567 as "1,234,567".
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
