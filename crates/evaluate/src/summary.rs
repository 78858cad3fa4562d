//! The report in a few lines for the terminal.

use artifact::report::{Estimate, ModelReport, Report, Sample, SampleKind};
use terminal::Lang;

use crate::gate::Change;
use crate::ranking::{FIGURES, Figure};

/// Columns between two figures.
const GAP: usize = 2;
/// The longest piece of a talk, in characters: an untrained model never stops.
const LONGEST_LINE: usize = 100;

/// Prints the figures of every model, and the talk of the fixed questions, to stderr.
pub(crate) fn print(report: &Report, samples: &[Sample]) {
    eprint!("{}", table(report));
    let Some(talk) = samples.iter().rfind(|sample| sample.kind == SampleKind::Prompt) else { return };
    eprintln!();
    let you = Lang::pick("나", "you");
    for turn in &talk.turns {
        eprintln!("{you}: {}", one_line(&turn.user));
        for reply in &turn.replies {
            eprintln!("  {}: {}", reply.model, one_line(&reply.text));
        }
    }
}

/// Prints how each figure of the gate changed, to stderr.
pub(crate) fn print_changes(changes: &[Change]) {
    for change in changes {
        let verdict =
            if change.fell() { Lang::pick("나빠짐", "fell") } else { Lang::pick("통과", "passes") };
        let interval = Lang::pick("95 % 구간", "95 % interval");
        let Estimate { value, low, high, .. } = change.change;
        eprintln!(
            "{}: {}: {:.4} -> {:.4} ({value:+.4}, {interval} {low:+.4} .. {high:+.4}): {verdict}",
            change.model, change.figure, change.before, change.now
        );
    }
}

/// The text on one line, without the control characters by which a model could steer the terminal.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.trim().chars().take(LONGEST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(LONGEST_LINE).is_some() {
        line.push('…');
    }
    line
}

/// A row for each figure, a column for each model; with ranks where there are more than two to compare.
fn table(report: &Report) -> String {
    let row = |name: &str, figure: &dyn Fn(&ModelReport) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(report.models.iter().map(figure)).collect()
    };
    let ranked = report.models.len() > 2;
    let of_figure = |figure: &Figure| -> Vec<String> {
        let name = Lang::pick(figure.ko, figure.en).to_owned();
        let cells = figure.places(report).into_iter().map(|place| match place {
            Some(place) if ranked => format!("{} ({})", place.text, place.rank),
            Some(place) => place.text,
            None => "-".to_owned(),
        });
        std::iter::once(name).chain(cells).collect()
    };
    let mut rows = vec![row("", &|model| model.name.clone())];
    rows.extend(FIGURES.iter().map(of_figure));
    // Behind the bits per byte, which say the same of any tokenizer.
    rows.splice(
        2..2,
        [
            row(Lang::pick("손실 (냇/토큰)", "loss (nats/token)"), &|model| {
                format!("{:.3}", model.loss_nats_per_token)
            }),
            row(Lang::pick("혼란도", "perplexity"), &|model| format!("{:.2}", model.perplexity)),
        ],
    );
    let widths: Vec<usize> = (0..=report.models.len())
        .map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, wide))| {
            let padding = " ".repeat(wide - width(cell));
            if column == 0 {
                format!("{cell}{padding}")
            } else {
                format!("{}{padding}{cell}", " ".repeat(GAP))
            }
        });
        cells.chain(["\n".to_owned()]).collect()
    };
    rows.iter().map(line).collect()
}

/// Columns on a terminal: Hangul syllables, and the CJK characters around them, take two.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| {
            if ('\u{1100}'..='\u{115F}').contains(&c) || ('\u{2E80}'..='\u{D7A3}').contains(&c) {
                2
            } else {
                1
            }
        })
        .sum()
}
