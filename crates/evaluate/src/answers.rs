//! What the replies are worth: action accuracy and context recall.

use std::collections::BTreeMap;

use artifact::conversation::{Message, Role};
use artifact::report::{Confusion, ConfusionTable, Counts, Share};
use model::generate::FinishReason;
use rayon::prelude::*;

use crate::confusion::Confusions;
use crate::held_out::Answer;
use crate::nearest::Responses;
use crate::replies::Reply;

/// Replies judged against the turns of the conversations.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Totals; the loss is not among them.
    pub(crate) counts: Counts,
    /// Action accuracy for each topic.
    pub(crate) by_topic: Vec<Share>,
    /// Recall for each slot.
    pub(crate) by_slot: Vec<Share>,
    /// Recall for each distance in turns.
    pub(crate) by_distance: Vec<Share>,
    /// Actions most often taken for others.
    pub(crate) confusions: Vec<Confusion>,
    /// Those actions against each other.
    pub(crate) confusion_table: Option<ConfusionTable>,
    /// The verdict on each reply's action, none where it is not looked for. `[answers]`
    pub(crate) verdicts: Vec<Option<Verdict>>,
}

/// Which action a reply carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The action of the nearest response, the first where several share it; none where the reply is like no
    /// response at all.
    pub(crate) action: Option<String>,
    /// Whether the expected action may say the nearest response.
    pub(crate) correct: bool,
}

impl Judged {
    /// Action accuracy, where it was looked for.
    pub(crate) fn action_accuracy(&self) -> Option<f64> {
        share(self.counts.action_correct, self.counts.action_turns)
    }

    /// Context recall, where there was something to repeat.
    pub(crate) fn context_recall(&self) -> Option<f64> {
        share(self.counts.recall_correct, self.counts.recall_turns)
    }
}

fn share(correct: usize, count: usize) -> Option<f64> {
    (count > 0).then(|| correct as f64 / count as f64)
}

/// Judges the reply to each answer's history.
///
/// *Action accuracy*: the response nearest to the reply belongs to the action of the turn. *Context recall*: the
/// reply holds every value that the turn repeats from earlier ones.
pub(crate) fn judge(answers: &[Answer<'_>], replies: &[Reply], responses: Option<&Responses>) -> Judged {
    let verdicts = verdicts(answers, replies, responses);

    let mut counts = Counts::default();
    let mut topics: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut slots: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut distances: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut confusions = Confusions::default();
    for ((answer, reply), verdict) in answers.iter().zip(replies).zip(&verdicts) {
        counts.reply_tokens += reply.tokens;
        counts.unfinished_replies += usize::from(reply.finish == Some(FinishReason::Length));
        counts.unanswered += usize::from(reply.finish.is_none());
        if let (Some(verdict), Some(expected)) = (verdict, &answer.message.action) {
            count(&mut counts.action_correct, &mut counts.action_turns, verdict.correct);
            let (correct, total) =
                topics.entry(answer.talk.topic.as_deref().unwrap_or_default()).or_default();
            count(correct, total, verdict.correct);
            let chosen = if verdict.correct { Some(expected) } else { verdict.action.as_ref() };
            confusions.count(expected, chosen.map(String::as_str));
        }
        let values = &answer.message.recall;
        if values.is_empty() {
            continue;
        }
        let repeated = values.iter().all(|value| reply.text.contains(value.as_str()));
        count(&mut counts.recall_correct, &mut counts.recall_turns, repeated);
        for value in values {
            let repeated = reply.text.contains(value.as_str());
            let slot = answer.message.slots.iter().find(|slot| slot.value == *value);
            let (correct, total) = slots.entry(slot.map_or("", |slot| slot.name.as_str())).or_default();
            count(correct, total, repeated);
            if let Some(distance) = distance(answer.history(), value) {
                let (correct, total) = distances.entry(distance).or_default();
                count(correct, total, repeated);
            }
        }
    }
    Judged {
        counts,
        by_topic: shares(topics),
        by_slot: shares(slots),
        by_distance: shares(distances),
        confusions: confusions.most_frequent(),
        confusion_table: confusions.table(),
        verdicts,
    }
}

/// How many of the user's turns ago a value was said last; 0 is the turn that asks.
fn distance(history: &[Message], value: &str) -> Option<usize> {
    let said = history.iter().rev().filter(|message| message.role == Role::User);
    said.enumerate().find(|(_, message)| message.content.contains(value)).map(|(distance, _)| distance)
}

/// The verdict on the reply to each answer's history.
pub(crate) fn verdicts(
    answers: &[Answer<'_>],
    replies: &[Reply],
    responses: Option<&Responses>,
) -> Vec<Option<Verdict>> {
    answers.par_iter().zip(replies).map(|(answer, reply)| verdict(answer, reply, responses?)).collect()
}

fn verdict(answer: &Answer<'_>, reply: &Reply, responses: &Responses) -> Option<Verdict> {
    let expected = answer.message.action.as_deref()?;
    let nearest = responses.nearest(&reply.text, &answer.message.slots);
    let actions = nearest.map(|nearest| nearest.actions).unwrap_or_default();
    Some(Verdict {
        action: actions.first().map(|&action| action.to_owned()),
        correct: actions.contains(&expected),
    })
}

fn count(correct: &mut usize, total: &mut usize, success: bool) {
    *correct += usize::from(success);
    *total += 1;
}

fn shares(counts: BTreeMap<impl ToString, (usize, usize)>) -> Vec<Share> {
    counts
        .into_iter()
        .map(|(name, (correct, count))| Share { name: name.to_string(), correct, count })
        .collect()
}
