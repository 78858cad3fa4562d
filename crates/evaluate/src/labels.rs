//! What people call the figures, in both languages, and how their values are written.

use serde::Serialize;

/// A name in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Label {
    pub(crate) ko: String,
    pub(crate) en: String,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// 0 to 1, as percent.
    Share,
    /// With this many decimals.
    Decimals(usize),
}

/// Names in report.json, in the order in which they are shown.
const FIGURES: [(&str, &str, &str, Form); 18] = [
    ("bits_per_byte", "바이트당 비트", "bits per byte", Form::Decimals(3)),
    ("bits_per_character", "글자당 비트", "bits per character", Form::Decimals(3)),
    ("loss_nats_per_token", "손실 (냇/토큰)", "loss (nats/token)", Form::Decimals(3)),
    ("perplexity", "혼란도", "perplexity", Form::Decimals(2)),
    ("next_token_accuracy", "다음 토큰 정확도", "next-token accuracy", Form::Share),
    ("action_accuracy", "행동 정확도", "action accuracy", Form::Share),
    ("context_recall", "문맥 기억", "context recall", Form::Share),
    ("chrf_plus_plus", "chrF++", "chrF++", Form::Decimals(1)),
    ("bleu_characters", "BLEU (글자)", "BLEU (characters)", Form::Decimals(1)),
    ("bleu_words", "BLEU (어절)", "BLEU (words)", Form::Decimals(1)),
    ("rouge_l", "ROUGE-L", "ROUGE-L", Form::Decimals(1)),
    ("polite", "해요체", "polite", Form::Share),
    ("honest", "지어내지 않음", "invents no live data", Form::Share),
    ("refused", "위험한 부탁 거절", "refuses what is dangerous", Form::Share),
    ("empty", "빈 답변", "empty replies", Form::Share),
    ("unfinished", "끝맺지 못함", "unfinished replies", Form::Share),
    ("repetition", "되풀이", "repetition", Form::Share),
    ("characters", "답변 길이 (글자)", "length (characters)", Form::Decimals(1)),
];

/// Where a figure stands among the others.
pub(crate) fn order(name: &str) -> (usize, &str) {
    let (decoding, bare) = split(name);
    let place = FIGURES.iter().position(|(known, ..)| *known == bare).unwrap_or(FIGURES.len());
    // The loss first, then greedy replies, then sampled ones.
    (place + 100 * usize::from(decoding == "greedy") + 200 * usize::from(decoding == "sampled"), name)
}

/// What a figure is called.
pub(crate) fn label(name: &str) -> Label {
    let (decoding, bare) = split(name);
    let (ko, en) =
        FIGURES.iter().find(|(known, ..)| *known == bare).map_or((bare, bare), |(_, ko, en, _)| (*ko, *en));
    match decoding {
        "sampled" => Label { ko: format!("{ko}, 표본"), en: format!("{en}, sampled") },
        _ => Label { ko: ko.to_owned(), en: en.to_owned() },
    }
}

/// A value as it is written.
pub(crate) fn value(name: &str, value: f64) -> String {
    match form(name) {
        Form::Share => format!("{:.1}\u{a0}%", 100.0 * value),
        Form::Decimals(decimals) => format!("{value:.decimals$}"),
    }
}

/// A difference as it is written, with its sign.
pub(crate) fn difference(name: &str, value: f64) -> String {
    match form(name) {
        Form::Share => format!("{:+.1}\u{a0}%p", 100.0 * value),
        Form::Decimals(decimals) => format!("{value:+.decimals$}"),
    }
}

fn form(name: &str) -> Form {
    let (_, bare) = split(name);
    FIGURES.iter().find(|(known, ..)| *known == bare).map_or(Form::Decimals(3), |(.., form)| *form)
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("", name))
}
