//! What `evaluate` writes: figures, talks, and a page for people.

use fs_err as fs;

use super::Findings;
use crate::report::{self, ModelReport, Report, Sample};
use crate::{Place, json};

pub(super) fn check(findings: &mut Findings<'_>) {
    let report = findings
        .require(report::FILE)
        .filter(|path| findings.small(path))
        .and_then(|path| findings.take(&path, Report::read(findings.dir())));
    if let Some(report) = &report {
        let path = findings.dir().join(report::FILE);
        for (index, model) in report.models.iter().enumerate() {
            if report.models[..index].iter().any(|earlier| earlier.name == model.name) {
                findings.add(&path, Place::Whole, "each model once", format!("`{}` again", model.name));
            }
            check_model(findings, model);
        }
    }
    check_samples(findings, report.as_ref());
    if let Some(path) = findings.require(report::PAGE_FILE).filter(|path| findings.small(path))
        && let Some(page) = findings.take(&path, fs::read_to_string(&path).map_err(Into::into))
        && !page.trim_start().to_ascii_lowercase().starts_with("<!doctype html")
    {
        findings.add(path, Place::Whole, "a page that begins with <!doctype html>", "another beginning");
    }
}

fn check_model(findings: &mut Findings<'_>, model: &ModelReport) {
    let path = findings.dir().join(report::FILE);
    let name = &model.name;
    let mut expect = |legal: bool, expected: &str, found: String| {
        if !legal {
            findings.add(&path, Place::Whole, format!("{expected} of `{name}`"), found);
        }
    };
    let counts = &model.counts;
    let found = format!("{} of {}", counts.action_correct, counts.action_turns);
    expect(counts.action_correct <= counts.action_turns, "no more right actions than turns", found);
    let found = format!("{} of {}", counts.recall_correct, counts.recall_turns);
    expect(counts.recall_correct <= counts.recall_turns, "no more right recalls than turns", found);
    let shares = [
        ("action_accuracy", model.action_accuracy, counts.action_correct, counts.action_turns),
        ("context_recall", model.context_recall, counts.recall_correct, counts.recall_turns),
    ];
    for (what, share, correct, turns) in shares {
        let counted = (turns > 0).then(|| correct as f64 / turns as f64);
        let agree = match (share, counted) {
            (Some(share), Some(counted)) => (share - counted).abs() < 1e-6,
            (share, counted) => share.is_none() && counted.is_none(),
        };
        expect(agree, &format!("{what} as {correct} of {turns}"), format!("{share:?}"));
    }
    let perplexity = model.loss_nats_per_token.exp();
    let agree = (model.perplexity - perplexity).abs() <= 1e-6 * perplexity;
    expect(agree, &format!("perplexity {perplexity}, as the loss says,"), model.perplexity.to_string());
    expect(model.bits_per_byte >= 0.0, "bits_per_byte of at least 0", model.bits_per_byte.to_string());
}

fn check_samples(findings: &mut Findings<'_>, report: Option<&Report>) {
    let Some(path) = findings.require(report::SAMPLES_FILE) else { return };
    let Some(mut lines) = findings.take(&path, json::lines::<Sample>(&path)) else { return };
    while let Some(sample) = lines.next() {
        let place = Place::Line(lines.line());
        let Some(sample) = findings.take(&path, sample) else { continue };
        if sample.turns.is_empty() {
            findings.add(&path, place, "at least one turn", "none");
        }
        let Some(report) = report else { continue };
        let models = || report.models.iter().map(|model| model.name.as_str());
        let other = sample
            .turns
            .iter()
            .find(|turn| turn.replies.iter().map(|reply| reply.model.as_str()).ne(models()));
        if let Some(turn) = other {
            let found: Vec<_> = turn.replies.iter().map(|reply| reply.model.as_str()).collect();
            let expected = format!("replies of {}", models().collect::<Vec<_>>().join(", "));
            findings.add(&path, place, expected, found.join(", "));
        }
    }
}
