//! The page for people.

use artifact::report::{Concern, CurvePoint, Exposure, Memorisation, ModelReport, Sharing};
use evaluate::page;
use terminal::Lang;

use crate::held_out::{conversations, measure};
use crate::parrot::parrot;

/// A curve that falls from 6 nats, with a validation every ten steps.
fn curve() -> Vec<CurvePoint> {
    (0..=40)
        .map(|i| {
            let loss = 1.5 + 4.5 * (-f64::from(i) / 10.0).exp();
            let valid = (i % 10 == 0).then_some(loss + 0.1);
            CurvePoint {
                step: 10 * i as u64,
                tokens: 40_000 * i as u64,
                seconds: f64::from(i),
                train_loss_nats_per_token: (i > 0).then_some(loss),
                valid_loss_nats_per_token: valid,
            }
        })
        .collect()
}

/// Gives a model a course of training, or the level of one that is counted.
pub(crate) fn course(model: &mut ModelReport, is_level: bool) {
    let level = CurvePoint { step: 0, train_loss_nats_per_token: None, ..curve()[20].clone() };
    model.learning_curve = if is_level { vec![level] } else { curve() };
}

/// A model that gives away a planted secret.
pub(crate) fn memorisation() -> Memorisation {
    let exposure = Exposure {
        repeats: 8,
        candidates: 255,
        bits: vec![8.0, 0.5],
        mean_bits: 4.25,
        most_bits: 8.0,
        chance: 0.002,
        extracted: 1,
    };
    Memorisation {
        replies: 100,
        references: 40,
        exposure: Some(exposure),
        sharing: Sharing::No,
        concerns: vec![Concern::SecretsExposed],
        ..Memorisation::default()
    }
}

#[test]
fn the_page_is_whole_by_itself_and_trusts_no_reply() {
    let talks = conversations();
    let attack = "</div><script>alert(1)</script><img src=x onerror=alert(1)>";
    let replies = [
        ("안녕하세요", attack),
        ("배고파 <script>", attack),
        ("안녕!", "반가워요"),
        ("나는 서현이야", "안녕히 가세요"),
    ];
    let mut measured = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &[], 512)]);
    course(&mut measured.report.models[0], false);
    course(&mut measured.report.models[1], true);
    measured.report.models[0].memorisation = Some(memorisation());
    measured.report.models[1].memorisation = Some(Memorisation::default());
    measured.report.models[1].name = "n-gram <b>".to_owned();
    let speed = measured.report.speed.remove("model-1").unwrap();
    measured.report.speed.insert("n-gram <b>".to_owned(), speed);

    let [ko, en] = [Lang::Ko, Lang::En].map(|lang| page::render(&measured.report, &measured.samples, lang));
    assert!(ko.contains("<html lang=\"ko\">") && en.contains("<html lang=\"en\">"));
    // The page's own script is the only one.
    assert!(en.matches("<script").count() == 1 && !en.contains("<img") && !en.contains("n-gram <b>"));
    assert!(en.contains("&lt;script&gt;alert(1)"));
    for outside in ["http://", "https://", "url(", "@import", "<link", "src="] {
        assert!(!en.replace("src=x", "").contains(outside), "{outside}");
    }
    assert!(en.contains("<polyline") && en.matches("<svg").count() >= 4);
    assert!(en.contains("66.7") || en.contains("33.3"), "action accuracy");
    assert!(en.contains("do not share") && en.contains("나누지 마세요"));
    // Whatever the language, every sentence stands there in both.
    assert_eq!(en.matches("class=\"ko\"").count(), en.matches("class=\"en\"").count());
}

#[test]
fn the_short_report_is_markdown_that_a_name_cannot_break() {
    let talks = conversations();
    let mut report = measure(&talks, &[parrot(&talks, &[("안녕!", "반가워요")], 512)]).report;
    report.models[0].name = "a|b".to_owned();
    report.models[0].memorisation = Some(memorisation());
    let text = evaluate::markdown::render(&report, Lang::En);
    assert!(text.contains("a\\|b") && text.contains("**no**") && text.contains("planted"), "{text}");
    let columns: Vec<usize> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.replace("\\|", "").matches('|').count())
        .collect();
    assert!(columns.len() == 3 && columns.iter().all(|count| *count == columns[0]), "{text}");
}

#[test]
fn a_model_that_gives_away_its_data_is_not_recommended_where_another_is_as_good() {
    let talks = conversations();
    let replies = [("안녕!", "반가워요")];
    let mut report = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &replies, 512)]).report;
    let recommends = |report: &artifact::report::Report, name: &str| {
        evaluate::markdown::render(report, Lang::En).contains(&format!("use: {name}."))
    };
    assert!(recommends(&report, "model-0"));
    report.models[0].memorisation = Some(memorisation());
    assert!(recommends(&report, "model-1"));
}
