//! `--report`: what became of the conversations as one page that needs no network and no script.

use artifact::preprocess::Summary;
use artifact::thousands;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use terminal::Lang;

use crate::figures;
use crate::picture::histogram;
use crate::topics::Topics;

/// Named `.html`, so that everything that was said is escaped.
const NAME: &str = "report.html";
const TEMPLATE: &str = include_str!("report.html");
/// Words of each topic.
const WORDS: usize = 12;

/// Writes the page in the language of the program.
pub(crate) fn render(summary: &Summary, topics: &Topics) -> String {
    let mut environment = Environment::new();
    environment.add_filter("count", thousands);
    environment.add_filter("fixed", |value: f64| format!("{value:.2}"));
    environment.add_template(NAME, TEMPLATE).expect("the template is part of this program");
    let lengths = &summary.lengths;
    let pictures = [
        histogram(
            &lengths.turn_characters,
            Lang::pick("말의 길이", "Length of turns"),
            Lang::pick("글자 수 (까지)", "characters (up to)"),
        ),
        histogram(
            &lengths.conversation_tokens,
            Lang::pick("대화의 길이", "Length of conversations"),
            Lang::pick("토큰 수 (까지)", "tokens (up to)"),
        ),
    ];
    let pictures: Vec<Value> = pictures.into_iter().flatten().map(Value::from_safe_string).collect();
    let values = context! {
        korean => Lang::current() == Lang::Ko,
        summary => Serde(summary),
        filters => filters(summary),
        found => Serde(summary.private.iter().filter(|row| row.found > 0).collect::<Vec<_>>()),
        topics => Serde(topics.top(WORDS)),
        pictures,
    };
    let template = environment.get_template(NAME).expect("added above");
    template.render(values).expect("the template matches the types of the summary")
}

/// A line for each reason: how many came to it, and how many passed.
fn filters(summary: &Summary) -> Vec<Value> {
    let mut left = summary.read;
    summary
        .drops
        .iter()
        .map(|row| {
            let came = left;
            left -= row.conversations;
            context! {
                name => figures::name(row.reason),
                came,
                passed => left,
                dropped => row.conversations,
                examples => Serde(&row.examples),
            }
        })
        .collect()
}
