//! Verbatim copies of what was said in training.
//!
//! Runs of [`COPY_CHARACTERS`] characters of all texts are put into a table, through which the training turns go once. A run
//! that a single conversation holds can only come from it: it is 1-eidetic (Carlini et al. 2021, "Extracting Training Data
//! from Large Language Models"); one that many hold is a phrase.

use artifact::report::COPY_CHARACTERS;

use crate::chrf::{NgramMap, mix};
use crate::training_text::TrainingText;

/// A text that somebody or some model has said, and what had been said to it.
pub(crate) struct Said<'a> {
    pub(crate) text: &'a str,
    /// A copy of this is none of the training data.
    pub(crate) history: &'a str,
}

/// What one text shares with the training turns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Whether some run stands in a training turn.
    pub(crate) any: bool,
    /// Whether some run stands in a single training conversation.
    pub(crate) of_one: bool,
    /// The longest piece that stands in one training turn, with what is copied; empty without a copy.
    pub(crate) longest: String,
}

/// The conversations that hold a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holders {
    None,
    One(u32),
    Many,
}

/// A run of characters of some text.
struct Run {
    holders: Holders,
    /// Where it stands: text and character.
    places: Vec<(u32, u32)>,
}

/// What each text shares with the training turns, in order.
pub(crate) fn find(said: &[Said<'_>], training: &TrainingText) -> Vec<Copies> {
    let texts: Vec<Vec<char>> = said.iter().map(|said| said.text.chars().collect()).collect();
    let mut runs: NgramMap<Run> = NgramMap::default();
    for (number, (text, said)) in texts.iter().zip(said).enumerate() {
        each_run(text, |place, hash| {
            let run: String = text[place..place + COPY_CHARACTERS].iter().collect();
            if !said.history.contains(&run) {
                let run = runs.entry(hash).or_insert(Run { holders: Holders::None, places: Vec::new() });
                run.places.push((number as u32, place as u32));
            }
        });
    }
    let mut longest = vec![(0, 0); texts.len()];
    let mut turn = Vec::new();
    for spoken in &training.turns {
        turn.clear();
        turn.extend(spoken.text.chars());
        each_run(&turn, |at, hash| {
            let Some(run) = runs.get_mut(&hash) else { return };
            run.holders = match (run.holders, spoken.conversations.as_slice()) {
                (Holders::None, &[one]) => Holders::One(one),
                (Holders::One(known), &[one]) if known == one => run.holders,
                _ => Holders::Many,
            };
            for &(number, place) in &run.places {
                let (text, place) = (&texts[number as usize], place as usize);
                // Inside a longer piece, whose beginning was met before.
                if place > 0 && at > 0 && text[place - 1] == turn[at - 1] {
                    continue;
                }
                let length = text[place..].iter().zip(&turn[at..]).take_while(|(a, b)| a == b).count();
                if length > longest[number as usize].1 {
                    longest[number as usize] = (place, length);
                }
            }
        });
    }
    let mut copies: Vec<Copies> = texts
        .iter()
        .zip(&longest)
        .map(|(text, &(place, length))| Copies {
            longest: text[place..place + length].iter().collect(),
            ..Copies::default()
        })
        .collect();
    // Every text is marked by what its runs say, so the order of the table makes no difference.
    for run in runs.values().filter(|run| run.holders != Holders::None) {
        for &(number, _) in &run.places {
            let copies = &mut copies[number as usize];
            copies.any = true;
            copies.of_one |= run.holders != Holders::Many;
        }
    }
    copies
}

/// Calls `visit` with the place and the hash of every run, a polynomial that rolls on (Karp and Rabin 1987).
fn each_run(text: &[char], mut visit: impl FnMut(usize, u64)) {
    const BASE: u64 = 0x5851_F42D_4C95_7F2D;
    let highest = (1..COPY_CHARACTERS).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    for (end, &character) in text.iter().enumerate() {
        if end >= COPY_CHARACTERS {
            let left = u64::from(text[end - COPY_CHARACTERS]).wrapping_mul(highest);
            hash = hash.wrapping_sub(left);
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(u64::from(character));
        if end + 1 >= COPY_CHARACTERS {
            visit(end + 1 - COPY_CHARACTERS, mix(hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training_text::Turn;

    fn training(turns: &[(&str, &[u32])]) -> TrainingText {
        let turn = |&(text, conversations): &(&str, &[u32])| Turn {
            text: text.to_owned(),
            conversations: conversations.to_vec(),
        };
        TrainingText { turns: turns.iter().map(turn).collect() }
    }

    #[track_caller]
    fn check(text: &str, history: &str, expected: (bool, bool, &str)) {
        let training = training(&[
            ("어제 강가를 따라 한참을 걸었더니 다리가 아팠어요.", &[7]),
            ("안녕하세요, 저는 무엇이든 도와드릴 수 있는 챗봇이에요!", &[1, 2, 3]),
            ("네, 안녕하세요, 저는 무엇이든 도와드릴 수 있는 챗봇이에요.", &[4]),
        ]);
        let found = find(&[Said { text, history }], &training).remove(0);
        assert_eq!((found.any, found.of_one, found.longest.as_str()), expected, "{text}");
    }

    #[test]
    fn a_copy_of_one_conversation_is_told_from_a_phrase() {
        check(
            "음, 강가를 따라 한참을 걸었더니 다리가 아파요",
            "",
            (true, true, " 강가를 따라 한참을 걸었더니 다리가 아"),
        );
        check(
            "저는 무엇이든 도와드릴 수 있는 챗봇",
            "",
            (true, false, "저는 무엇이든 도와드릴 수 있는 챗봇"),
        );
        // Twenty characters and no fewer.
        check("한참을 걸었더니 다리가 아팠어요", "", (false, false, ""));
        check("모르는 말은 아무리 길어도 베낀 말이 아니에요", "", (false, false, ""));
        // What the person has just said may be said again.
        let said = "강가를 따라 한참을 걸었더니 다리가 아팠어요.";
        check(said, said, (false, false, ""));
    }
}
