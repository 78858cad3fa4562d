//! The page for people.

use artifact::report::CurvePoint;
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
    measured.report.models[0].learning_curve = curve();
    let level = CurvePoint { step: 0, train_loss_nats_per_token: None, ..curve()[20].clone() };
    measured.report.models[1].learning_curve = vec![level];
    measured.report.models[1].name = "n-gram <b>".to_owned();
    let speed = measured.report.speed.remove("model-1").unwrap();
    measured.report.speed.insert("n-gram <b>".to_owned(), speed);

    let pages = [Lang::Ko, Lang::En].map(|lang| page::render(&measured.report, &measured.samples, lang));
    for page in &pages {
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("n-gram <b>"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
        for outside in ["http://", "https://", "url(", "@import", "<link", "src="] {
            assert!(!page.replace("src=x", "").contains(outside), "{outside}");
        }
        assert!(page.contains("<polyline") && page.contains("class=\"level\""));
        assert!(page.contains("66.7") || page.contains("33.3"), "action accuracy");
    }
    // The same facts in both languages.
    let facts = |page: &str| {
        let body = page.split_once("</style>").unwrap().1;
        let mut digits: Vec<char> = body.chars().filter(char::is_ascii_digit).collect();
        digits.sort_unstable();
        digits.into_iter().collect::<String>()
    };
    assert_eq!(facts(&pages[0]), facts(&pages[1]));
}
