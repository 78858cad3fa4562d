//! The gate on figures that are made up.

use artifact::report::{Better, Estimate, ModelReport, Outcome, Report};
use evaluate::gate::{Run, compare};

/// A report of one model whose replies are right in `right` of every ten conversations, with outcomes or without.
fn run(right: usize, bits: f64, with_outcomes: bool) -> Run {
    let outcome = |number: usize| Outcome {
        conversation: number.to_string(),
        model: "m".to_owned(),
        // Conversations differ from each other more than models do.
        bits: bits * 100.0 * (1 + number % 7) as f64,
        bytes: 100,
        action_turns: 1,
        action_correct: usize::from(number % 10 < right),
        recall_turns: 0,
        recall_correct: 0,
    };
    let outcomes: Vec<Outcome> = (0..200).map(outcome).collect();
    let value = outcomes.iter().map(|outcome| outcome.bits).sum::<f64>() / 20_000.0;
    let accuracy = right as f64 / 10.0;
    let estimate = |value: f64, half: f64, better| Estimate {
        value,
        low: value - half,
        high: value + half,
        better: Some(better),
    };
    let mut model = ModelReport { name: "m".to_owned(), bits_per_byte: value, ..ModelReport::default() };
    model.action_accuracy = Some(accuracy);
    model.figures.insert("bits_per_byte".to_owned(), estimate(value, 0.3, Better::Lower));
    model.figures.insert("greedy.action_accuracy".to_owned(), estimate(accuracy, 0.07, Better::Higher));
    Run {
        report: Report { models: vec![model], ..Report::default() },
        outcomes: with_outcomes.then_some(outcomes),
    }
}

#[track_caller]
fn check(before: &Run, now: &Run, fell: &[&str], paired: bool) {
    let changes = compare(before, now, &[]).unwrap();
    assert!(changes.iter().all(|change| change.paired == paired), "{changes:?}");
    let found: Vec<&str> = changes.iter().filter(|change| change.fell()).map(|c| c.figure.as_str()).collect();
    assert_eq!(found, fell, "{changes:?}");
}

#[test]
fn what_fell_by_more_than_its_interval_is_told() {
    let before = run(8, 1.0, true);
    check(&before, &run(8, 1.0, true), &[], true);
    check(&before, &run(5, 1.0, true), &["action_accuracy"], true);
    check(&before, &run(9, 0.9, true), &[], true);
    // What is hard for both cancels out: by itself, the interval is much wider than a twentieth.
    check(&before, &run(8, 1.05, true), &["bits_per_byte"], true);
    check(&before, &run(8, 1.05, false), &[], false);
    check(&before, &run(5, 1.5, false), &["bits_per_byte", "action_accuracy"], false);
}

#[test]
fn figures_and_models_that_are_not_there_are_told() {
    let (before, mut now) = (run(8, 1.0, true), run(8, 1.0, true));
    let gate = |name: &str| [name.to_owned()];
    assert_eq!(compare(&before, &now, &gate("action_accuracy")).unwrap().len(), 1);
    let error = compare(&before, &now, &gate("greedy.chrf")).unwrap_err().to_string();
    assert!(error.contains("greedy.chrf") && error.contains("bits_per_byte"), "{error}");
    // Alone in both, a model is the same by another name.
    now.report.models[0].name = "n".to_owned();
    assert_eq!(compare(&before, &now, &[]).unwrap().len(), 2);
    now.report.models.push(ModelReport { name: "other".to_owned(), ..ModelReport::default() });
    assert!(compare(&before, &now, &[]).unwrap_err().to_string().contains("--baseline"));
}
