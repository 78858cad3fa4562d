//! How much the replies lose when the person's last turn is written carelessly.

use artifact::conversation::{Message, Role};
use artifact::report::{Perturbation, Perturbed};
use model::chat::Chat;

use crate::answers::{self, Verdict};
use crate::chrf::mix;
use crate::held_out::Answer;
use crate::nearest::Responses;
use crate::perturb::{ALL, perturb};
use crate::replies::{self, Decoding, Reply};
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

/// A turn written otherwise.
struct Rewritten {
    /// The turn's place among the true ones.
    place: usize,
    how: Perturbation,
    history: Vec<Message>,
    before: String,
    after: String,
}

/// Every perturbation that changes a turn, with the figures of the replies and how far they are from those before.
pub(crate) fn measure(
    chat: &Chat,
    clean: &Clean<'_>,
    responses: Option<&Responses>,
    decoding: &Decoding,
    seed: u64,
) -> Vec<Perturbed> {
    // All ways of one turn side by side: they share what was said before it.
    let all: Vec<Rewritten> = clean
        .answers
        .iter()
        .enumerate()
        .flat_map(|(place, answer)| {
            ALL.into_iter().filter_map(move |how| rewritten(place, answer.history(), how, seed))
        })
        .collect();
    let histories: Vec<&[Message]> = all.iter().map(|turn| turn.history.as_slice()).collect();
    let replies: Vec<Reply> =
        replies::replies(chat, &histories, std::slice::from_ref(decoding)).into_iter().flatten().collect();
    let answers: Vec<Answer<'_>> = all.iter().map(|turn| clean.answers[turn.place]).collect();
    let verdicts = answers::verdicts(&answers, &replies, responses);

    let of_one = |how: Perturbation| {
        let places: Vec<usize> = (0..all.len()).filter(|&place| all[place].how == how).collect();
        let example = &all[*places.first()?];
        let are = places.iter().map(|&place| Case {
            answer: answers[place],
            reply: &replies[place],
            verdict: verdicts[place].as_ref(),
        });
        let were = places.iter().map(|&place| Case {
            answer: answers[place],
            reply: &clean.replies[all[place].place],
            verdict: clean.verdicts[all[place].place].as_ref(),
        });
        let figures = |cases: Vec<Case<'_>>| reply_figures::figures(&cases, clean.conversations, seed);
        let (are, were) = (figures(are.collect()), figures(were.collect()));
        Some(Perturbed {
            perturbation: how,
            before: example.before.clone(),
            after: example.after.clone(),
            replies: places.len(),
            figures: are.estimates(),
            changes: are.minus(&were).estimates(),
        })
    };
    ALL.into_iter().filter_map(of_one).collect()
}

/// The turn at `place` with the last of the user's turns before it written otherwise; none where it stays as it is.
fn rewritten(place: usize, history: &[Message], how: Perturbation, seed: u64) -> Option<Rewritten> {
    let asked = history.iter().rposition(|message| message.role == Role::User)?;
    let before = history[asked].content.clone();
    let after = perturb(&before, how, mix(seed ^ place as u64));
    if after == before || after.is_empty() {
        return None;
    }
    let mut history = history.to_vec();
    history[asked].content.clone_from(&after);
    Some(Rewritten { place, how, history, before, after })
}
