//! The gate: whether a model has become worse than it was in an earlier report.
//!
//! A figure fails where the 95 % interval of its change lies wholly on the bad side. Where both reports have the outcomes of
//! the same conversations, the change is bootstrapped over those (Efron 1979), so that what is hard for both cancels out;
//! otherwise the intervals of both figures are taken as independent.

use std::collections::HashMap;
use std::path::Path;

use artifact::report::{Better, Estimate, ModelReport, Outcome, Report};
use artifact::{Error, Result};

use crate::bootstrap::Counts;

/// Figures that are compared unless others are named.
pub(crate) const FIGURES: [&str; 3] = ["bits_per_byte", "action_accuracy", "context_recall"];
/// The fewest conversations that are compared in pairs.
const FEWEST: usize = 20;
/// Where their drawing begins: the same reports are always judged alike.
const SEED: u64 = 0x6761_7465;

/// A report with the outcomes of its conversations.
#[derive(Debug)]
pub struct Run {
    /// The figures.
    pub report: Report,
    /// What the conversations add to them; none in a report that was kept without.
    pub outcomes: Option<Vec<Outcome>>,
}

/// One figure of one model, then and now.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The model's name.
    pub model: String,
    /// The figure's name.
    pub figure: String,
    /// Its value in the baseline.
    pub before: f64,
    /// Its value now.
    pub now: f64,
    /// Now less before, with its interval.
    pub change: Estimate,
    /// Whether the same conversations were compared.
    pub paired: bool,
}

impl Change {
    /// Whether the figure became worse by more than its interval.
    pub fn fell(&self) -> bool {
        match self.change.better {
            Some(Better::Lower) => self.change.low > 0.0,
            Some(Better::Higher) => self.change.high < 0.0,
            None => false,
        }
    }
}

impl Run {
    /// Reads a report by its file, or by the directory that holds it.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn read(path: &Path) -> Result<Self> {
        let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let report = if path.is_dir() { Report::read(path)? } else { Report::read_file(path)? };
        Ok(Self { report, outcomes: Outcome::read(dir)? })
    }

    fn outcomes_of(&self, model: &str) -> HashMap<&str, &Outcome> {
        let all = self.outcomes.iter().flatten().filter(|outcome| outcome.model == model);
        all.map(|outcome| (outcome.conversation.as_str(), outcome)).collect()
    }
}

/// The changes of every named figure of every model that both reports have. A model alone in each is the same whatever it
/// is called. Without names, the figures are [`FIGURES`] as far as they are known.
///
/// # Errors
/// When no model is in both, or one lacks a figure that was named.
pub fn compare(baseline: &Run, now: &Run, named: &[String]) -> Result<Vec<Change>> {
    let figures: Vec<&str> =
        if named.is_empty() { FIGURES.to_vec() } else { named.iter().map(String::as_str).collect() };
    let alone = baseline.report.models.len() == 1 && now.report.models.len() == 1;
    let mut changes = Vec::new();
    let mut compared = 0;
    for model in &now.report.models {
        let same = |earlier: &&ModelReport| alone || earlier.name == model.name;
        let Some(earlier) = baseline.report.models.iter().find(same) else { continue };
        compared += 1;
        for figure in &figures {
            match change(baseline, earlier, now, model, figure) {
                Some(change) => changes.push(change),
                None if named.is_empty() => {}
                None => {
                    return Err(Error::refused(format!(
                        "--gate {figure}: no such figure of model `{}` in both reports",
                        model.name
                    ))
                    .with_hint(format!("known are {}", known(model).join(", "))));
                }
            }
        }
    }
    if compared == 0 {
        return Err(Error::refused("--baseline: no model of this name in the earlier report")
            .with_hint("give --model the name that it has there"));
    }
    Ok(changes)
}

fn known(model: &ModelReport) -> Vec<&str> {
    let mut names: Vec<&str> = FIGURES.into_iter().chain(model.figures.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn change(
    before: &Run,
    earlier: &ModelReport,
    now: &Run,
    model: &ModelReport,
    figure: &str,
) -> Option<Change> {
    let (old, new) = (value(earlier, figure)?, value(model, figure)?);
    let better = if figure == "bits_per_byte" { Some(Better::Lower) } else { new.better };
    let pairs = pairs(&before.outcomes_of(&earlier.name), &now.outcomes_of(&model.name), figure);
    let paired = pairs.as_deref().and_then(|pairs| of_pairs(pairs, better));
    let independent = || {
        // The sum of two independent errors.
        let half = |figure: &Estimate| (figure.high - figure.low) / 2.0;
        let (value, width) = (new.value - old.value, half(&old).hypot(half(&new)));
        Estimate { value, low: value - width, high: value + width, better }
    };
    Some(Change {
        model: model.name.clone(),
        figure: figure.to_owned(),
        before: old.value,
        now: new.value,
        paired: paired.is_some(),
        change: paired.unwrap_or_else(independent),
    })
}

/// A figure with its interval; that of a report without intervals, as those of before are, is a point.
fn value(model: &ModelReport, figure: &str) -> Option<Estimate> {
    if let Some(estimate) =
        model.figures.get(figure).or_else(|| model.figures.get(&format!("greedy.{figure}")))
    {
        return Some(*estimate);
    }
    let (value, better) = match figure {
        "bits_per_byte" => (Some(model.bits_per_byte), Better::Lower),
        "action_accuracy" => (model.action_accuracy, Better::Higher),
        "context_recall" => (model.context_recall, Better::Higher),
        _ => (None, Better::Higher),
    };
    value.map(|value| Estimate { value, low: value, high: value, better: Some(better) })
}

/// What a conversation adds to a figure: a part, and of how much.
type Part = [f64; 2];

/// The parts of each conversation before and now, in the order of their names; none where too few are in both.
fn pairs(
    before: &HashMap<&str, &Outcome>,
    now: &HashMap<&str, &Outcome>,
    figure: &str,
) -> Option<Vec<[Part; 2]>> {
    let part = |outcome: &Outcome| -> Option<Part> {
        match figure {
            "bits_per_byte" => Some([outcome.bits, outcome.bytes as f64]),
            "action_accuracy" => Some([outcome.action_correct as f64, outcome.action_turns as f64]),
            "context_recall" => Some([outcome.recall_correct as f64, outcome.recall_turns as f64]),
            _ => None,
        }
    };
    let mut names: Vec<&str> = now.keys().filter(|name| before.contains_key(*name)).copied().collect();
    names.sort_unstable();
    let pairs: Vec<[Part; 2]> =
        names.into_iter().map(|name| Some([part(before[name])?, part(now[name])?])).collect::<Option<_>>()?;
    // Conversations without such a turn say nothing of it.
    let telling = pairs.iter().filter(|[_, now]| now[1] > 0.0).count();
    (telling >= FEWEST).then_some(pairs)
}

/// The change over all conversations, and its interval over sets of them.
fn of_pairs(pairs: &[[Part; 2]], better: Option<Better>) -> Option<Estimate> {
    let mut counts = Counts::new(pairs.len(), 4);
    for (conversation, [before, now]) in pairs.iter().enumerate() {
        counts.of(conversation).copy_from_slice(&[before[0], before[1], now[0], now[1]]);
    }
    let sums = counts.sums(SEED);
    Some(sums.ratio(2, 3)?.minus(&sums.ratio(0, 1)?).estimate(better))
}
