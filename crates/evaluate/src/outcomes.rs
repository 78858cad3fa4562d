//! What each conversation adds to the figures by which models are compared in pairs.

use std::collections::HashMap;

use artifact::report::Outcome;

use crate::answers::Verdict;
use crate::held_out::{Answer, Conversations};
use crate::loss::Loss;
use crate::replies::Reply;

/// The outcomes of one model: `losses` is `[conversations]`, `answers`, `replies` and `verdicts` are `[answers]`.
pub(crate) fn of_model(
    name: &str,
    conversations: &Conversations,
    losses: &[Loss],
    answers: &[Answer<'_>],
    replies: &[Reply],
    verdicts: &[Option<Verdict>],
) -> Vec<Outcome> {
    let talks = &conversations.chosen;
    let places: HashMap<*const _, usize> =
        talks.iter().enumerate().map(|(place, talk)| (std::ptr::from_ref(talk), place)).collect();
    let mut outcomes: Vec<Outcome> = talks
        .iter()
        .zip(losses)
        .map(|(talk, loss)| Outcome {
            conversation: talk.id.clone(),
            model: name.to_owned(),
            bits: loss.nats / std::f64::consts::LN_2,
            bytes: answers_bytes(talk),
            action_turns: 0,
            action_correct: 0,
            recall_turns: 0,
            recall_correct: 0,
        })
        .collect();
    for ((answer, reply), verdict) in answers.iter().zip(replies).zip(verdicts) {
        let Some(&place) = places.get(&std::ptr::from_ref(answer.talk)) else { continue };
        let outcome = &mut outcomes[place];
        if let Some(verdict) = verdict {
            outcome.action_turns += 1;
            outcome.action_correct += usize::from(verdict.correct);
        }
        let values = &answer.message.recall;
        if !values.is_empty() {
            outcome.recall_turns += 1;
            outcome.recall_correct +=
                usize::from(values.iter().all(|value| reply.text.contains(value.as_str())));
        }
    }
    outcomes
}

fn answers_bytes(talk: &artifact::conversation::Conversation) -> usize {
    crate::held_out::answers_of(talk).map(|answer| answer.message.content.len()).sum()
}
