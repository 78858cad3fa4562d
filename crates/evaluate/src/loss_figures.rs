//! Figures of the loss, over all turns and over parts of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use artifact::conversation::{Conversation, Message};
use artifact::report::{Better, LossPart, PartedBy};

use crate::bootstrap::Counts;
use crate::figures::Figures;
use crate::loss::TurnLoss;

// What is counted of a turn.
const NATS: usize = 0;
const TARGETS: usize = 1;
const LIKELIEST: usize = 2;
const BYTES: usize = 3;
const CHARACTERS: usize = 4;
const TURNS: usize = 5;
const WIDTH: usize = 6;

/// Which of the assistant's turns it is.
const TURN_RANGES: [RangeInclusive<usize>; 6] = [1..=1, 2..=2, 3..=3, 4..=4, 5..=8, 9..=usize::MAX];
/// Characters of the turn.
const LENGTH_RANGES: [RangeInclusive<usize>; 5] = [0..=10, 11..=20, 21..=40, 41..=80, 81..=usize::MAX];

/// Turns of a kind: by what they are parted, where the part stands among the others, and its name.
type Part = (PartedBy, usize, String);

/// Figures of the loss, and the loss of each part of the turns; `losses` has those of each of `talks`.
pub(crate) fn figures(
    talks: &[Conversation],
    losses: &[Vec<TurnLoss>],
    seed: u64,
) -> (Figures, Vec<LossPart>) {
    let mut all = Counts::new(talks.len(), WIDTH);
    let mut parts: BTreeMap<Part, Counts> = BTreeMap::new();
    for (place, (talk, losses)) in talks.iter().zip(losses).enumerate() {
        let turns = talk.messages.iter().filter(|message| message.is_target());
        for (turn, (message, loss)) in turns.zip(losses).enumerate() {
            let counts = counts(message, loss);
            let add =
                |to: &mut Counts| to.of(place).iter_mut().zip(counts).for_each(|(to, count)| *to += count);
            add(&mut all);
            let topic = talk.topic.clone().unwrap_or_default();
            let of_turn = range(&TURN_RANGES, turn + 1);
            let of_length = range(&LENGTH_RANGES, message.content.chars().count());
            for part in [
                (PartedBy::Topic, 0, topic),
                (PartedBy::Turn, of_turn.0, of_turn.1),
                (PartedBy::Length, of_length.0, of_length.1),
            ] {
                add(parts.entry(part).or_insert_with(|| Counts::new(talks.len(), WIDTH)));
            }
        }
    }
    let parts = parts.into_iter().filter_map(|(part, counts)| of_part(part, &counts, seed));
    (of_all(&all, seed), parts.collect())
}

fn counts(message: &Message, loss: &TurnLoss) -> [f64; WIDTH] {
    let mut counts = [0.0; WIDTH];
    counts[NATS] = loss.nats;
    counts[TARGETS] = loss.targets;
    counts[LIKELIEST] = loss.likeliest;
    counts[BYTES] = message.content.len() as f64;
    counts[CHARACTERS] = message.content.chars().count() as f64;
    counts[TURNS] = 1.0;
    counts
}

fn of_all(counts: &Counts, seed: u64) -> Figures {
    let sums = counts.sums(seed);
    let loss = sums.ratio(NATS, TARGETS);
    let bits = |of: usize| Some(sums.ratio(NATS, of)?.map(|nats| nats / std::f64::consts::LN_2));
    let mut figures = Figures::default();
    figures.add("perplexity", Some(Better::Lower), loss.as_ref().map(|loss| loss.map(f64::exp)));
    figures.add("loss_nats_per_token", Some(Better::Lower), loss);
    figures.add("bits_per_byte", Some(Better::Lower), bits(BYTES));
    figures.add("bits_per_character", Some(Better::Lower), bits(CHARACTERS));
    figures.add("next_token_accuracy", Some(Better::Higher), sums.ratio(LIKELIEST, TARGETS));
    figures
}

fn of_part((by, _, name): Part, counts: &Counts, seed: u64) -> Option<LossPart> {
    let sums = counts.sums(seed);
    let lower = Some(Better::Lower);
    let bits = sums.ratio(NATS, BYTES)?.map(|nats| nats / std::f64::consts::LN_2);
    Some(LossPart {
        by,
        name,
        turns: sums.figure(|sums| sums[TURNS])?.value as usize,
        loss_nats_per_token: sums.ratio(NATS, TARGETS)?.estimate(lower),
        bits_per_byte: bits.estimate(lower),
        next_token_accuracy: sums.ratio(LIKELIEST, TARGETS)?.estimate(Some(Better::Higher)),
    })
}

/// The place and the name of the range that holds a value.
fn range(ranges: &[RangeInclusive<usize>], value: usize) -> (usize, String) {
    let place = ranges.iter().position(|range| range.contains(&value)).expect("the ranges hold every value");
    let (start, end) = (ranges[place].start(), ranges[place].end());
    let name = match *end {
        usize::MAX => format!("{start}+"),
        _ if start == end => start.to_string(),
        _ => format!("{start}-{end}"),
    };
    (place, name)
}
