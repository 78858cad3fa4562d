//! Expansion of stories into conversations: seeded, balanced over stories, without duplicates.

use std::collections::{BTreeMap, HashSet};

use artifact::conversation::{Message, Role, Slot, Split};
use artifact::particle;
use artifact::response::ResponseTemplate;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use terminal::{Lang, Progress};

use super::example::{Example, Part};
use super::holdout::Holdout;
use super::names::{Pool, Values};
use super::story::{Plan, Turn};
use crate::output::Talk;

/// Draws in a row that give nothing new before a story counts as exhausted.
const PATIENCE: usize = 400;

/// What is told in one split.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) talks: Vec<Talk>,
    /// Stories that have no further distinct expansion.
    pub(super) exhausted: usize,
}

/// A story in one split, as it is told again and again.
#[derive(Debug)]
pub(super) struct Teller<'a> {
    topic: &'a str,
    turns: Vec<Choice<'a>>,
    rng: ChaCha8Rng,
    seen: HashSet<u128>,
    /// How many distinct expansions there are at most.
    most: u128,
    exhausted: bool,
}

/// The choices of a turn.
#[derive(Debug)]
enum Choice<'a> {
    User { intent: &'a str, examples: Vec<&'a Example>, pools: BTreeMap<&'a str, &'a Pool>, deck: Deck },
    Assistant { responses: Vec<&'a ResponseTemplate>, deck: Deck },
}

/// Numbers from 0 in random order, each once before any comes again.
#[derive(Debug, Default)]
struct Deck {
    left: Vec<usize>,
}

impl Deck {
    fn draw(&mut self, size: usize, rng: &mut ChaCha8Rng) -> usize {
        if self.left.is_empty() {
            self.left.extend(0..size);
            self.left.shuffle(rng);
        }
        self.left.pop().expect("a deck has at least one card")
    }
}

/// Prepares a story for a split; `number` sets its own random stream.
///
/// # Errors
/// Why it cannot be told there.
pub(super) fn teller<'a>(
    plan: &Plan<'a>,
    number: usize,
    seed: u64,
    split: Split,
    holdout: &Holdout,
    values: &'a Values,
) -> std::result::Result<Teller<'a>, String> {
    let mut most: u128 = 1;
    let mut turns = Vec::new();
    for turn in &plan.turns {
        turns.push(match turn {
            Turn::Assistant(responses) => {
                most = most.saturating_mul(responses.len() as u128);
                Choice::Assistant { responses: responses.clone(), deck: Deck::default() }
            }
            Turn::User(intent) => {
                let examples: Vec<&Example> =
                    intent.examples.iter().filter(|example| holdout.of(example) == split).collect();
                if examples.is_empty() {
                    return Err(format!("an intent has no phrasing for {split}"));
                }
                let mut pools = BTreeMap::new();
                let mut said: u128 = 0;
                for example in &examples {
                    let mut ways: u128 = 1;
                    for entity in example.entities() {
                        let Some(pool) = values.pool(plan.topic, entity, split) else { continue };
                        if pool.is_empty() {
                            return Err(format!("the lookup `{entity}` has no value for {split}"));
                        }
                        ways = ways.saturating_mul(pool.len() as u128);
                        pools.insert(entity, pool);
                    }
                    said = said.saturating_add(ways);
                }
                most = most.saturating_mul(said);
                Choice::User { intent: &intent.name, examples, pools, deck: Deck::default() }
            }
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((number * Split::ALL.len() + split as usize) as u64);
    Ok(Teller { topic: plan.topic, turns, rng, seen: HashSet::new(), most, exhausted: false })
}

/// Tells the stories in turns, in an order drawn from the seed, until there are `count` conversations or no more.
pub(super) fn tell(mut tellers: Vec<Teller<'_>>, count: usize, seed: u64, split: Split) -> Told {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX - split as u64);
    tellers.shuffle(&mut rng);
    let progress = Progress::new(
        format!("{} {split}", Lang::pick("펼치기", "expanding")),
        count as u64,
        "conversations",
    );
    let mut talks: Vec<Talk> = Vec::with_capacity(count);
    let mut seen = HashSet::with_capacity(count);
    while talks.len() < count {
        let active = tellers.iter().filter(|teller| !teller.exhausted).count();
        if active == 0 {
            break;
        }
        let each = (count - talks.len()).div_ceil(active);
        let mut told: Vec<_> = tellers
            .par_iter_mut()
            .filter(|teller| !teller.exhausted)
            .map(|teller| teller.tell_many(each).into_iter())
            .collect();
        // One of each story, then the next of each: the balance holds wherever the count ends.
        for _ in 0..each {
            for (key, mut talk) in told.iter_mut().filter_map(Iterator::next) {
                if talks.len() < count && seen.insert(key) {
                    talk.id = format!("{split}-{:06}", talks.len() + 1);
                    talk.split = Some(split);
                    talks.push(talk);
                }
            }
        }
        progress.set(talks.len() as u64);
    }
    progress.finish();
    Told { talks, exhausted: tellers.iter().filter(|teller| teller.exhausted).count() }
}

impl Teller<'_> {
    /// Up to `count` conversations that it has not told yet, each with the digest of its words.
    fn tell_many(&mut self, count: usize) -> Vec<(u128, Talk)> {
        let mut told = Vec::with_capacity(count.min(1 << 16));
        let mut in_vain = 0;
        while told.len() < count && !self.exhausted {
            let talk = self.tell();
            let key = digest(&talk.messages);
            if self.seen.insert(key) {
                in_vain = 0;
                told.push((key, talk));
            } else {
                in_vain += 1;
            }
            self.exhausted = self.seen.len() as u128 >= self.most || in_vain >= PATIENCE;
        }
        told
    }

    fn tell(&mut self) -> Talk {
        let mut messages = Vec::with_capacity(self.turns.len());
        let mut slots: Vec<Slot> = Vec::new();
        // The turn of the person that filled each slot.
        let mut filled_in: Vec<usize> = Vec::new();
        let mut turn = 0;
        for choice in &mut self.turns {
            messages.push(match choice {
                Choice::User { intent, examples, pools, deck } => {
                    turn += 1;
                    let example = examples[deck.draw(examples.len(), &mut self.rng)];
                    let mut text = String::new();
                    for part in example.parts() {
                        match part {
                            Part::Text(words) => text.push_str(words),
                            Part::Entity { name, written } => {
                                let known = slots.iter().position(|slot| slot.name == *name);
                                let before = known.map(|at| slots[at].value.as_str());
                                let value = match pools.get(name.as_str()) {
                                    Some(pool) => draw(pool, before, &mut self.rng),
                                    None => written,
                                };
                                text.push_str(value);
                                let slot = Slot { name: name.clone(), value: value.to_owned() };
                                if let Some(at) = known {
                                    slots[at] = slot;
                                    filled_in[at] = turn;
                                } else {
                                    slots.push(slot);
                                    filled_in.push(turn);
                                }
                            }
                        }
                    }
                    let mut message = Message::user(particle::resolve(&text));
                    message.intent = Some((*intent).to_owned());
                    message
                }
                Choice::Assistant { responses, deck } => {
                    let response = responses[deck.draw(responses.len(), &mut self.rng)];
                    let text = response.fill(&slots).expect("planned with slots filled earlier");
                    let mut message = Message::new(Role::Assistant, text);
                    message.action = Some(response.action.clone());
                    let used = response.slots();
                    let earlier = slots
                        .iter()
                        .zip(&filled_in)
                        .filter(|(slot, filled)| **filled < turn && used.contains(&slot.name.as_str()));
                    message.recall = earlier.map(|(slot, _)| slot.value.clone()).collect();
                    message.slots.clone_from(&slots);
                    message
                }
            });
        }
        Talk { topic: Some(self.topic.to_owned()), messages, ..Talk::default() }
    }
}

/// A value, other than the one that the slot has already where there is a choice: who says a name again corrects it.
fn draw<'a>(pool: &'a Pool, before: Option<&str>, rng: &mut ChaCha8Rng) -> &'a str {
    let composed = !pool.composed.is_empty() && (pool.listed.is_empty() || rng.random_bool(0.5));
    let values = if composed { &pool.composed } else { &pool.listed };
    let at = rng.random_range(0..values.len());
    let again = before == Some(values[at].as_str());
    &values[if again { (at + 1) % values.len() } else { at }]
}

fn digest(messages: &[Message]) -> u128 {
    let mut hash = Sha256::new();
    for message in messages {
        hash.update([message.role as u8]);
        hash.update((message.content.len() as u64).to_le_bytes());
        hash.update(message.content.as_bytes());
    }
    u128::from_le_bytes(hash.finalize()[..16].try_into().expect("a SHA-256 has 32 bytes"))
}
