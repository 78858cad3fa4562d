//! How much the replies lose when the person's last turn is written carelessly.

use artifact::config::GenerationConfig;
use artifact::conversation::{Message, Role};
use artifact::report::{Perturbation, Perturbed};
use model::chat::Chat;

use crate::answers::{self, Verdict};
use crate::chrf::mix;
use crate::held_out::Answer;
use crate::nearest::Responses;
use crate::perturb::{ALL, perturb};
use crate::replies::{self, Reply};
use crate::reply_figures::{self, Case};

/// A turn and the reply that it gets when it is written properly.
pub(crate) struct Clean<'a> {
    /// The true turns.
    pub(crate) answers: &'a [Answer<'a>],
    /// The replies to their histories.
    pub(crate) replies: &'a [Reply],
    /// What became of each reply's action.
    pub(crate) verdicts: &'a [Option<Verdict>],
    /// Conversations among which they are.
    pub(crate) conversations: usize,
}

/// Every perturbation that changes a turn, with the figures of the replies and how far they are from those before.
pub(crate) fn measure(
    chat: &Chat,
    clean: &Clean<'_>,
    responses: Option<&Responses>,
    settings: &GenerationConfig,
    seed: u64,
) -> Vec<Perturbed> {
    ALL.into_iter().filter_map(|how| of_one(chat, clean, responses, settings, seed, how)).collect()
}

fn of_one(
    chat: &Chat,
    clean: &Clean<'_>,
    responses: Option<&Responses>,
    settings: &GenerationConfig,
    seed: u64,
    how: Perturbation,
) -> Option<Perturbed> {
    let mut places = Vec::new();
    let mut histories = Vec::new();
    let mut example = None;
    for (place, answer) in clean.answers.iter().enumerate() {
        let Some((history, before, after)) = rewritten(answer.history(), how, mix(seed ^ place as u64))
        else {
            continue;
        };
        example.get_or_insert((before, after));
        places.push(place);
        histories.push(history);
    }
    let (before, after) = example?;
    let histories: Vec<&[Message]> = histories.iter().map(Vec::as_slice).collect();
    let replies = replies::replies(chat, &histories, settings, seed);
    let answers: Vec<Answer<'_>> = places.iter().map(|&place| clean.answers[place]).collect();
    let verdicts = answers::verdicts(&answers, &replies, responses);
    let were = answers.iter().zip(&places).map(|(&answer, &place)| Case {
        answer,
        reply: &clean.replies[place],
        verdict: clean.verdicts[place].as_ref(),
    });
    let are = answers.iter().zip(replies.iter().zip(&verdicts)).map(|(&answer, (reply, verdict))| Case {
        answer,
        reply,
        verdict: verdict.as_ref(),
    });
    let figures = |cases: Vec<Case<'_>>| reply_figures::figures(&cases, clean.conversations, seed);
    let (were, are) = (figures(were.collect()), figures(are.collect()));
    Some(Perturbed {
        perturbation: how,
        before,
        after,
        replies: replies.len(),
        figures: are.estimates(),
        changes: are.minus(&were).estimates(),
    })
}

/// The history with its last user's turn written otherwise, and that turn before and after; none where it stays as it is.
fn rewritten(history: &[Message], how: Perturbation, seed: u64) -> Option<(Vec<Message>, String, String)> {
    let asked = history.iter().rposition(|message| message.role == Role::User)?;
    let before = history[asked].content.clone();
    let after = perturb(&before, how, seed);
    if after == before || after.is_empty() {
        return None;
    }
    let mut history = history.to_vec();
    history[asked].content.clone_from(&after);
    Some((history, before, after))
}
