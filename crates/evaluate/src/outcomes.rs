//! What each conversation adds to the figures by which models are compared in pairs.

use artifact::conversation::Conversation;
use artifact::report::Outcome;

use crate::answers::Verdict;
use crate::held_out::Answer;
use crate::loss::TurnLoss;
use crate::replies::Reply;

/// The outcomes of one model: `losses` are those of each of `talks`; `replies` and `verdicts` are `[answers]`.
pub(crate) fn of_model(
    name: &str,
    talks: &[Conversation],
    losses: &[Vec<TurnLoss>],
    answers: &[Answer<'_>],
    replies: &[Reply],
    verdicts: &[Option<Verdict>],
) -> Vec<Outcome> {
    let of_talk = |(talk, turns): (&Conversation, &Vec<TurnLoss>)| Outcome {
        conversation: talk.id.clone(),
        model: name.to_owned(),
        bits: turns.iter().map(|turn| turn.nats).sum::<f64>() / std::f64::consts::LN_2,
        bytes: talk.messages.iter().filter(|turn| turn.is_target()).map(|turn| turn.content.len()).sum(),
        action_turns: 0,
        action_correct: 0,
        recall_turns: 0,
        recall_correct: 0,
    };
    let mut outcomes: Vec<Outcome> = talks.iter().zip(losses).map(of_talk).collect();
    for ((answer, reply), verdict) in answers.iter().zip(replies).zip(verdicts) {
        let outcome = &mut outcomes[answer.place];
        if let Some(verdict) = verdict {
            outcome.action_turns += 1;
            outcome.action_correct += usize::from(verdict.correct);
        }
        let values = &answer.message.recall;
        if !values.is_empty() {
            outcome.recall_turns += 1;
            let repeated = values.iter().all(|value| reply.text.contains(value.as_str()));
            outcome.recall_correct += usize::from(repeated);
        }
    }
    outcomes
}
