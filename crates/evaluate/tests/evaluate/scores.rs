//! chrF++, BLEU and self-BLEU against sacrebleu, ROUGE-L against rouge-score.

use evaluate::bleu::{self, Orders, Words};
use evaluate::{chrf_plus_plus, diversity, rouge};
use serde_json::Value;

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn assert_near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{what}: {found}, expected {expected}");
}

/// The sums over pairs of the counts of each.
fn sum<const N: usize>(pairs: &[(&str, &str)], counts: impl Fn(&str, &str) -> [f64; N]) -> [f64; N] {
    pairs.iter().fold([0.0; N], |mut sum, (reply, reference)| {
        sum.iter_mut().zip(counts(reply, reference)).for_each(|(sum, count)| *sum += count);
        sum
    })
}

#[test]
fn scores_of_a_corpus_are_those_of_sacrebleu() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/scores.json")).unwrap();
    for corpus in fixture["corpora"].as_array().unwrap() {
        let pairs: Vec<(&str, &str)> =
            texts(&corpus["replies"]).into_iter().zip(texts(&corpus["references"])).collect();
        let bleu = |words: Words| {
            let counts = sum(&pairs, |reply, reference| bleu::counts(&words.of(reply), &words.of(reference)));
            bleu::score(&counts, Orders::All)
        };
        let what = format!("{pairs:?}");
        assert_near(bleu(Words::WhiteSpace), &corpus["bleu_words"], &what);
        assert_near(bleu(Words::Characters), &corpus["bleu_characters"], &what);
        let found = chrf_plus_plus::score(&sum(&pairs, chrf_plus_plus::counts));
        assert_near(found, &corpus["chrf_plus_plus"], &what);
    }
}

#[test]
fn self_bleu_is_the_mean_over_sacrebleus_sentences() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/scores.json")).unwrap();
    for list in fixture["self_bleu"].as_array().unwrap() {
        let replies: Vec<Vec<&str>> =
            texts(&list["replies"]).into_iter().map(|text| Words::Characters.of(text)).collect();
        assert_near(diversity::self_bleu(&replies), &list["self_bleu"], &format!("{replies:?}"));
    }
}

#[test]
fn rouge_l_is_that_of_rouge_score() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/rouge.json")).unwrap();
    for row in fixture.as_array().unwrap() {
        let words = |key: &str| Words::WhiteSpace.of(row[key].as_str().unwrap());
        assert_near(rouge::f1(&words("reply"), &words("reference")), &row["f1"], &row.to_string());
    }
}
