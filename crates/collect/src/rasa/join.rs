//! Talks that go from one story to the next, as people's do.

use artifact::conversation::{Message, Split};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::output::Talk;

/// Talks of several stories that begin with an opening, as a share of them.
const OPENED: f64 = 0.25;

/// How a talk goes from story to story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Stories of one talk at most.
    pub(crate) most: usize,
    /// The intent whose one-turn stories open some of the talks, as people greet before they ask.
    pub(crate) opening: Option<String>,
}

impl Joining {
    /// How many stories make `talks` talks of one to `most` stories, drawn evenly; a few more, for chance.
    pub(super) fn stories_for(&self, talks: usize) -> usize {
        if self.most <= 1 { talks } else { talks * (self.most + 1) / 2 + 16 * self.most }
    }

    /// Whether a talk is the opening and nothing else.
    fn is_opening(&self, talk: &Talk) -> bool {
        let [said, _answer] = talk.messages.as_slice() else { return false };
        self.opening.is_some() && said.intent == self.opening
    }
}

/// Joins told stories into at most `count` talks of one to `most` stories each.
///
/// A story in which the person tells something of themselves ends its talk: what a later story would ask or not know
/// might contradict it.
pub(super) fn join(
    mut told: Vec<Talk>,
    joining: &Joining,
    count: usize,
    seed: u64,
    split: Split,
) -> Vec<Talk> {
    if joining.most <= 1 {
        return told;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((1 << 40) + split as u64);
    // Told in rounds of the same order, so neighbours would always be the same two stories.
    told.shuffle(&mut rng);
    let openings: Vec<Vec<Message>> =
        told.iter().filter(|talk| joining.is_opening(talk)).map(|talk| talk.messages.clone()).collect();
    let mut told = told.into_iter();
    let mut talks = Vec::with_capacity(count);
    while talks.len() < count {
        let Some(mut talk) = told.next() else { break };
        let stories = rng.random_range(1..=joining.most);
        if stories > 1 && !openings.is_empty() && rng.random_bool(OPENED) {
            let opening = &openings[rng.random_range(0..openings.len())];
            talk.messages.splice(..0, opening.iter().cloned());
        }
        for _ in 1..stories {
            if talk.messages.iter().any(|message| !message.slots.is_empty()) {
                break;
            }
            let Some(next) = told.next() else { break };
            if talk.topic != next.topic {
                talk.topic = None;
            }
            talk.messages.extend(next.messages);
        }
        talk.id = format!("{split}-{:06}", talks.len() + 1);
        talks.push(talk);
    }
    talks
}
