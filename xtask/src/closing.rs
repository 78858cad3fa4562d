//! What `run` says at its end: the held-out figures, a talk, and how to go on.

use std::io::{self, Write};

use anyhow::bail;
use artifact::report::{self, ModelReport, Report};
use terminal::Lang;

use crate::newest_model;
use crate::session::Session;

/// What the newest model is asked.
const QUESTIONS: [&str; 4] = ["안녕하세요", "오늘 날씨가 어때요?", "너 이름이 뭐야?", "축구 규칙 좀 알려줘"];

pub(crate) fn print(session: &Session<'_>) -> anyhow::Result<()> {
    figures(session)?;
    if newest_model::is_made_by(session.pipeline) {
        talk(session)?;
    }
    Ok(())
}

fn figures(session: &Session<'_>) -> anyhow::Result<()> {
    let name = &session.pipeline.name;
    let Some(stage) = session.pipeline.stages.iter().rev().find(|stage| stage.contract == Some("evaluate"))
    else {
        return Ok(());
    };
    let dir = session.store.link(name, &stage.name);
    let report = Report::read(&dir)?;
    let turns = report.data.assistant_turns;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{}",
        Lang::pick(
            format!("처음 보는 말로 잰 성적 (답변 {turns}개)"),
            format!("Figures on phrasing that training never saw ({turns} replies)")
        )
    )?;
    let width = report.models.iter().map(|model| model.name.len()).max().unwrap_or_default();
    for model in &report.models {
        let speed = report.speed.get(&model.name).map(|speed| speed.tokens_per_second);
        writeln!(out, "  {:width$}  {}", model.name, line(model, speed))?;
    }
    writeln!(out, "  {}", dir.join(report::PAGE_FILE).display())?;
    Ok(())
}

fn line(model: &ModelReport, tokens_per_second: Option<f64>) -> String {
    let mut parts = vec![format!("{:.3} bits/byte", model.bits_per_byte)];
    let share = |ko: &str, en: &str, value: f64| format!("{} {value:.3}", Lang::pick(ko, en));
    parts.extend(model.action_accuracy.map(|value| share("동작 정확도", "action accuracy", value)));
    parts.extend(model.context_recall.map(|value| share("문맥 기억", "context recall", value)));
    parts.extend(tokens_per_second.map(|speed| format!("{speed:.0} {}", Lang::pick("토큰/초", "tokens/s"))));
    parts.join(", ")
}

fn talk(session: &Session<'_>) -> anyhow::Result<()> {
    let name = &session.pipeline.name;
    let model = newest_model::find(session.pipeline, &session.store)?;
    println!("\n{}", Lang::pick("대화 한 토막", "A sample talk"));
    let mut command = newest_model::deploy("chat", &model)?;
    command.arg("--greedy").args(QUESTIONS.iter().flat_map(|question| ["--say", question]));
    let status = command.status()?;
    if !status.success() {
        bail!(
            "{}: {status}",
            Lang::pick("대화 실패 (메시지는 위에 있음)", "the talk failed (its message is above)")
        );
    }
    let name = if name == crate::DEFAULT { String::new() } else { format!(" {name}") };
    println!(
        "\n{}\n  cargo xtask chat{name}\n{}\n  cargo xtask serve{name}",
        Lang::pick("터미널에서 대화하기", "Talk in the terminal"),
        Lang::pick("웹 페이지 열기", "Open the web page"),
    );
    Ok(())
}
