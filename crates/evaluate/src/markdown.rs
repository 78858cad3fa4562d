//! `report.md`: the report in short, for a README or a pull request.

use std::fmt::Write as _;

use artifact::report::{Concern, Report, Sharing};
use terminal::Lang;

use crate::ranking::{self, FIGURES};
use crate::verdict;

/// Writes the report in short, in one language.
pub fn render(report: &Report, lang: Lang) -> String {
    let pick = |ko: &'static str, en: &'static str| if lang == Lang::Ko { ko } else { en };
    let mut text = String::new();
    let mut line = |row: String| writeln!(text, "{row}").expect("a String takes everything");
    let best = &report.models[verdict::recommended(report)];
    line(format!("## {}\n", pick("평가", "Evaluation")));
    line(format!("**{}: {}.**", pick("쓸 모델", "Model to use"), cell(&best.name)));
    let data = &report.data;
    line(match lang {
        Lang::Ko => format!(
            "학습에 쓰지 않은 대화 {}개, 챗봇 발화 {}개로 쟀습니다.\n",
            data.conversations, data.assistant_turns
        ),
        Lang::En => format!(
            "Measured on {} conversations kept out of training, with {} turns of the assistant.\n",
            data.conversations, data.assistant_turns
        ),
    });

    let row = |cells: Vec<&str>| format!("| {} |", cells.join(" | "));
    let names = FIGURES.iter().map(|figure| if lang == Lang::Ko { figure.ko } else { figure.en });
    let ends = (pick("모델", "Model"), pick("나누어도 되나", "May it be shared?"));
    line(row([ends.0].into_iter().chain(names).chain([ends.1]).collect()));
    line(format!("|---|{}---|", "---:|".repeat(FIGURES.len())));
    let places: Vec<_> = FIGURES.iter().map(|figure| figure.places(report)).collect();
    for model in ranking::order(report) {
        let figures = places.iter().map(|places| places[model].as_ref().map_or("–", |place| &place.text));
        let found = report.models[model].memorisation.as_ref();
        let sharing = found.map_or(pick("재지 않음", "not measured"), |found| match found.sharing {
            Sharing::Yes => pick("예", "yes"),
            Sharing::WithCare => pick("살펴보고", "with care"),
            Sharing::No => pick("**아니요**", "**no**"),
        });
        let name = cell(&report.models[model].name);
        line(row([name.as_str()].into_iter().chain(figures).chain([sharing]).collect()));
    }
    line(String::new());
    for model in &report.models {
        for concern in model.memorisation.iter().flat_map(|found| &found.concerns) {
            line(format!("- {}: {}", cell(&model.name), of_concern(*concern, lang)));
        }
    }
    text
}

fn of_concern(concern: Concern, lang: Lang) -> &'static str {
    let (ko, en) = match concern {
        Concern::SecretsExposed => (
            "학습 데이터에 심은 비밀을 구별합니다.",
            "tells secrets planted in its training data from others.",
        ),
        Concern::PrivateLearnt => (
            "학습 데이터에 있는 개인정보를 말합니다.",
            "says private things that stand in its training data.",
        ),
        Concern::CopiesSingleConversations => {
            ("대화 하나에만 있는 말을 그대로 옮깁니다.", "repeats single training conversations.")
        }
        Concern::PrivateInvented => ("개인정보처럼 보이는 것을 지어냅니다.", "makes up what looks private."),
        Concern::Placeholders => ("가림 표시를 그대로 말합니다.", "says placeholders."),
    };
    if lang == Lang::Ko { ko } else { en }
}

/// Text in a cell of a table: a model's name must not break out of it.
fn cell(text: &str) -> String {
    text.chars().flat_map(|c| if "|`<>[]\\*_".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
