//! The report in a few lines for the terminal.

use artifact::report::{ModelReport, Report, Sample, SampleKind};
use terminal::Lang;

use crate::page::thousands;

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

/// The text on one line, without the control characters by which a model could steer the terminal.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.trim().chars().take(LONGEST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(LONGEST_LINE).is_some() {
        line.push('…');
    }
    line
}

/// A row for each figure, a column for each model.
fn table(report: &Report) -> String {
    let share =
        |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let row = |name: &str, figure: &dyn Fn(&ModelReport) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(report.models.iter().map(figure)).collect()
    };
    let rows = [
        row("", &|model| model.name.clone()),
        row(Lang::pick("바이트당 비트", "bits per byte"), &|model| {
            format!("{:.3}", model.bits_per_byte)
        }),
        row(Lang::pick("손실 (냇/토큰)", "loss (nats/token)"), &|model| {
            format!("{:.3}", model.loss_nats_per_token)
        }),
        row(Lang::pick("혼란도", "perplexity"), &|model| format!("{:.2}", model.perplexity)),
        row(Lang::pick("행동 정확도", "action accuracy"), &|model| share(model.action_accuracy)),
        row(Lang::pick("문맥 기억", "context recall"), &|model| share(model.context_recall)),
        row(Lang::pick("생성 (토큰/초)", "generation (tokens/s)"), &|model| {
            report
                .speed
                .get(&model.name)
                .map_or_else(|| "-".to_owned(), |s| format!("{:.0}", s.tokens_per_second))
        }),
        row(Lang::pick("파라미터", "parameters"), &|model| thousands(model.parameters as u64)),
    ];
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
