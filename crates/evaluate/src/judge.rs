//! Replies of two models judged by a third: each pair in both orders, because judges favour a place (Zheng et al. 2023).

use artifact::Result;
use artifact::conversation::Message;
use artifact::report::{Agreement, Judge, JudgedPair};
use rayon::prelude::*;

use crate::openai::Server;
use crate::{Arguments, chrf_plus_plus};

/// What the judge is told.
pub(crate) const RUBRIC: &str = "\
You compare two replies of a Korean chatbot to the same conversation. The chatbot speaks politely and briefly, answers \
what the person has just said, remembers what was said before, invents no facts and no live data such as weather, scores \
or prices, and does not help with what is dangerous. Which reply is the better one? The order of the replies means \
nothing, nor does their length. Answer in one line with [[A]] if reply A is better, [[B]] if reply B is better, or [[C]] \
if neither is.";

/// A reply that may be judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its text.
    pub(crate) text: String,
    /// Whether it carries out the expected action, where that is looked for.
    pub(crate) correct: Option<bool>,
}

/// A turn that models have replied to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    /// What was said before.
    pub(crate) history: Vec<Message>,
    /// What was truly said.
    pub(crate) reference: String,
}

/// Who is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Winner {
    First,
    Second,
    Neither,
}

/// What became of a pair of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Agreed(Winner),
    Inconsistent,
    Unread,
}

/// The judge that the arguments name, once it has answered.
///
/// # Errors
/// When it cannot be reached.
pub(crate) fn connect(arguments: &Arguments) -> Result<Option<Server>> {
    let Some(url) = &arguments.judge else { return Ok(None) };
    let server = Server::connect(url, arguments.judge_key.as_deref(), arguments.judge_model.as_deref())?;
    Ok(Some(server))
}

/// Has every pair of models judged; `models` have a reply to each of `turns`.
///
/// # Errors
/// When the server stops answering.
pub(crate) fn judge(server: &Server, turns: &[Turn], models: &[(String, Vec<Entry>)]) -> Result<Judge> {
    let mut pairs = Vec::new();
    for (place, first) in models.iter().enumerate() {
        for second in &models[place + 1..] {
            pairs.push(pair(server, turns, first, second)?);
        }
    }
    Ok(Judge { model: server.model.clone(), rubric: RUBRIC.to_owned(), pairs })
}

fn pair(
    server: &Server,
    turns: &[Turn],
    (first, of_first): &(String, Vec<Entry>),
    (second, of_second): &(String, Vec<Entry>),
) -> Result<JudgedPair> {
    let outcomes: Vec<Outcome> = turns
        .par_iter()
        .zip(of_first.par_iter().zip(of_second))
        .map(|(turn, (a, b))| outcome(server, turn, &a.text, &b.text))
        .collect::<Result<_>>()?;
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let mut judged = JudgedPair {
        first: first.clone(),
        second: second.clone(),
        first_wins: count(Outcome::Agreed(Winner::First)),
        second_wins: count(Outcome::Agreed(Winner::Second)),
        ties: count(Outcome::Agreed(Winner::Neither)),
        inconsistent: count(Outcome::Inconsistent),
        unread: count(Outcome::Unread),
        agreement_with_chrf: Agreement::default(),
        agreement_with_action: Agreement::default(),
    };
    for ((turn, outcome), (a, b)) in turns.iter().zip(&outcomes).zip(of_first.iter().zip(of_second)) {
        let Outcome::Agreed(winner @ (Winner::First | Winner::Second)) = outcome else { continue };
        let chrf =
            |entry: &Entry| chrf_plus_plus::score(&chrf_plus_plus::counts(&entry.text, &turn.reference));
        agree(&mut judged.agreement_with_chrf, *winner, chrf(a), chrf(b));
        if let (Some(a), Some(b)) = (a.correct, b.correct) {
            let score = |correct: bool| f64::from(u8::from(correct));
            agree(&mut judged.agreement_with_action, *winner, score(a), score(b));
        }
    }
    Ok(judged)
}

fn agree(agreement: &mut Agreement, winner: Winner, first: f64, second: f64) {
    if (first - second).abs() > f64::EPSILON {
        agreement.count += 1;
        agreement.agree += usize::from((first > second) == (winner == Winner::First));
    }
}

fn outcome(server: &Server, turn: &Turn, first: &str, second: &str) -> Result<Outcome> {
    if first == second {
        return Ok(Outcome::Agreed(Winner::Neither));
    }
    let one = verdict(&server.ask(RUBRIC, &question(turn, first, second))?);
    let other = verdict(&server.ask(RUBRIC, &question(turn, second, first))?);
    Ok(match (one, other.map(Winner::swapped)) {
        (Some(one), Some(other)) if one == other => Outcome::Agreed(one),
        (Some(Winner::Neither), Some(_)) | (Some(_), Some(Winner::Neither)) => {
            Outcome::Agreed(Winner::Neither)
        }
        (Some(_), Some(_)) => Outcome::Inconsistent,
        _ => Outcome::Unread,
    })
}

impl Winner {
    fn swapped(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            Self::Neither => Self::Neither,
        }
    }
}

fn question(turn: &Turn, a: &str, b: &str) -> String {
    let said: Vec<String> =
        turn.history.iter().map(|message| format!("{}: {}", message.role, message.content)).collect();
    let said = said.join("\n");
    format!("[Conversation]\n{said}\n\n[Reply A]\n{a}\n\n[Reply B]\n{b}\n")
}

/// The verdict that stands last in an answer.
fn verdict(answer: &str) -> Option<Winner> {
    let verdicts = [("[[A]]", Winner::First), ("[[B]]", Winner::Second), ("[[C]]", Winner::Neither)];
    let found = verdicts.iter().filter_map(|(mark, winner)| Some((answer.rfind(mark)?, *winner)));
    found.max_by_key(|(place, _)| *place).map(|(_, winner)| winner)
}
