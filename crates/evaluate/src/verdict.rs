//! Which model to use: the first thing that a reader wants to know.

use artifact::report::{Comparison, ModelReport, Report, Sharing};

use crate::ranking;

/// From this share on, a model is surely the better one.
const SURE: f64 = 0.975;

/// The place of the model to use. The one that does the right thing most often, where that is known, otherwise the one of
/// the fewest bits per byte, is surely beaten by none; of those that it does not surely beat, the first in the order of bits
/// per byte that may be shared.
pub(crate) fn recommended(report: &Report) -> usize {
    let order = ranking::order(report);
    let accuracy = |place: usize| report.models[place].action_accuracy.unwrap_or_default();
    // Of equals the first in the order of bits per byte.
    let most = order.iter().copied().rev().max_by(|&a, &b| accuracy(a).total_cmp(&accuracy(b)));
    let Some(best) = most.map(|place| &report.models[place]) else { return 0 };
    let close = not_surely_beaten(report, best);
    let good = |place: &&usize| {
        let name = report.models[**place].name.as_str();
        name == best.name || close.contains(&name)
    };
    let may_be_shared = |place: &&usize| {
        let found = report.models[**place].memorisation.as_ref();
        found.is_none_or(|found| found.sharing != Sharing::No)
    };
    let mut chosen = order.iter().filter(good);
    let first = chosen.clone().next();
    chosen.find(may_be_shared).or(first).copied().unwrap_or_default()
}

/// The figure that decides.
pub(crate) fn figure(model: &ModelReport) -> &'static str {
    if model.action_accuracy.is_some() { "greedy.action_accuracy" } else { "bits_per_byte" }
}

/// The models that the recommended one does not surely beat by the figure that decides.
pub(crate) fn rivals(report: &Report) -> Vec<&str> {
    not_surely_beaten(report, &report.models[recommended(report)])
}

fn not_surely_beaten<'a>(report: &'a Report, best: &ModelReport) -> Vec<&'a str> {
    let of_best = |comparison: &&Comparison| {
        comparison.figure == figure(best) && [&comparison.first, &comparison.second].contains(&&best.name)
    };
    let rival = |comparison: &'_ Comparison| {
        let is_first = comparison.first == best.name;
        let surely = if is_first { comparison.first_is_better } else { 1.0 - comparison.first_is_better };
        let other = if is_first { &comparison.second } else { &comparison.first };
        (surely < SURE).then(|| other.clone())
    };
    let close: Vec<String> = report.comparisons.iter().filter(of_best).filter_map(rival).collect();
    report
        .models
        .iter()
        .map(|model| model.name.as_str())
        .filter(|name| close.iter().any(|c| c == name))
        .collect()
}
