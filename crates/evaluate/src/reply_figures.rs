//! Figures of replies against the turns of the conversations.

use std::collections::HashSet;

use artifact::conversation::Role;
use artifact::report::Better;
use model::generate::FinishReason;
use rayon::prelude::*;

use crate::answers::Verdict;
use crate::bleu::{self, Orders, Words};
use crate::bootstrap::Counts;
use crate::figures::Figures;
use crate::held_out::Answer;
use crate::replies::Reply;
use crate::{chrf_plus_plus, honesty, manner, refusal, rouge};

/// Characters of a run that counts as repeated when it stands again in the same reply.
const REPEATED: usize = 8;

/// A reply beside the turn that was truly said.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    /// The true turn.
    pub(crate) answer: Answer<'a>,
    /// The reply to its history.
    pub(crate) reply: &'a Reply,
    /// Whether it carries out the turn's action, where that is looked for.
    pub(crate) verdict: Option<&'a Verdict>,
}

/// A figure of replies: what is counted of each, and what is made of the sums of the counts.
struct Measure {
    name: &'static str,
    better: Option<Better>,
    /// As many for every reply; none where the figure does not ask for this one.
    counts: fn(&Case<'_>) -> Option<Vec<f64>>,
    figure: fn(&[f64]) -> f64,
}

const MEASURES: [Measure; 13] = [
    higher(
        "chrf_plus_plus",
        |case| Some(chrf_plus_plus::counts(&case.reply.text, case.reference()).into()),
        chrf_plus_plus::score,
    ),
    higher(
        "bleu_characters",
        |case| Some(case.bleu(Words::Characters)),
        |counts| bleu::score(counts, Orders::All),
    ),
    higher(
        "bleu_words",
        |case| Some(case.bleu(Words::WhiteSpace)),
        |counts| bleu::score(counts, Orders::All),
    ),
    higher("rouge_l", |case| Some(one(case.rouge())), |sums| 100.0 * mean(sums)),
    higher("action_accuracy", |case| Some(share(case.verdict?.correct)), mean),
    higher("context_recall", recalls, mean),
    higher("polite", keeps_politeness, mean),
    higher("honest", stays_honest, mean),
    higher("refused", refuses_danger, mean),
    lower("empty", |case| Some(share(case.reply.text.trim().is_empty())), mean),
    lower("unfinished", |case| Some(share(case.reply.finish == Some(FinishReason::Length))), mean),
    lower("repetition", |case| Some(one(repetition(&case.reply.text))), mean),
    Measure {
        name: "characters",
        better: None,
        counts: |case| Some(one(case.reply.text.chars().count() as f64)),
        figure: mean,
    },
];

const fn higher(
    name: &'static str,
    counts: fn(&Case<'_>) -> Option<Vec<f64>>,
    figure: fn(&[f64]) -> f64,
) -> Measure {
    Measure { name, better: Some(Better::Higher), counts, figure }
}

const fn lower(
    name: &'static str,
    counts: fn(&Case<'_>) -> Option<Vec<f64>>,
    figure: fn(&[f64]) -> f64,
) -> Measure {
    Measure { name, better: Some(Better::Lower), counts, figure }
}

fn one(value: f64) -> Vec<f64> {
    vec![value, 1.0]
}

fn share(holds: bool) -> Vec<f64> {
    one(f64::from(u8::from(holds)))
}

fn mean(sums: &[f64]) -> f64 {
    sums[0] / sums[1]
}

/// Every figure that there is something to count for, over so many `conversations`.
pub(crate) fn figures(cases: &[Case<'_>], conversations: usize, seed: u64) -> Figures {
    let mut figures = Figures::default();
    for measure in &MEASURES {
        let counted: Vec<Option<Vec<f64>>> = cases.par_iter().map(measure.counts).collect();
        let Some(width) = counted.iter().flatten().map(Vec::len).next() else { continue };
        let mut counts = Counts::new(conversations, width);
        for (of_case, case) in counted.iter().zip(cases) {
            for (sum, count) in counts.of(case.answer.place).iter_mut().zip(of_case.iter().flatten()) {
                *sum += count;
            }
        }
        figures.add(measure.name, measure.better, counts.sums(seed).figure(measure.figure));
    }
    figures
}

impl Case<'_> {
    fn reference(&self) -> &str {
        &self.answer.message.content
    }

    fn bleu(&self, words: Words) -> Vec<f64> {
        bleu::counts(&words.of(&self.reply.text), &words.of(self.reference())).into()
    }

    fn rouge(&self) -> f64 {
        rouge::f1(&Words::WhiteSpace.of(&self.reply.text), &Words::WhiteSpace.of(self.reference()))
    }
}

/// Whether the reply holds every value that it must repeat.
fn recalls(case: &Case<'_>) -> Option<Vec<f64>> {
    let values = &case.answer.message.recall;
    let repeated = values.iter().all(|value| case.reply.text.contains(value.as_str()));
    (!values.is_empty()).then(|| share(repeated))
}

/// Whether the reply is in 해요체, where the true turn is.
fn keeps_politeness(case: &Case<'_>) -> Option<Vec<f64>> {
    manner::is_haeyo(case.reference()).filter(|polite| *polite)?;
    Some(share(manner::is_haeyo(&case.reply.text)?))
}

/// Whether the reply invents no live data, where the true turn says that it has none.
fn stays_honest(case: &Case<'_>) -> Option<Vec<f64>> {
    honesty::declines(case.reference()).then(|| share(!honesty::invents(&case.reply.text)))
}

/// Whether the reply refuses, where the person asks for something dangerous.
fn refuses_danger(case: &Case<'_>) -> Option<Vec<f64>> {
    let asked = case.answer.history().iter().rev().find(|message| message.role == Role::User)?;
    refusal::is_dangerous(asked.intent.as_deref()?).then(|| share(refusal::refuses(&case.reply.text)))
}

/// The share of runs of [`REPEATED`] characters that stand in the text before, white space left out.
fn repetition(text: &str) -> f64 {
    let characters = Words::Characters.of(text);
    let runs = characters.windows(REPEATED);
    let mut seen: HashSet<&[&str]> = HashSet::new();
    let repeated = runs.clone().filter(|run| !seen.insert(run)).count();
    if runs.len() == 0 { 0.0 } else { repeated as f64 / runs.len() as f64 }
}
