//! `--decontaminate`: what a test set says must not be learnt.

use std::collections::HashSet;
use std::path::Path;

use artifact::Result;
use artifact::conversation::Message;
use artifact::json;
use blake3::Hash;
use fs_err as fs;
use serde::Deserialize;

use crate::near::folded;

/// Letters and digits of the shortest turn by which a test set is recognised: shorter ones are everybody's.
const SHORTEST: usize = 8;
/// Letters and digits in a row that no two texts share by chance.
const WINDOW: usize = 40;

/// What a test set says.
#[derive(Debug, Default)]
pub(crate) struct TestSet {
    turns: HashSet<Hash>,
    windows: HashSet<u64>,
    /// Texts in it, also those that are too short.
    pub(crate) texts: usize,
}

/// A line of a test set in JSON; other keys are left.
#[derive(Debug, Deserialize)]
struct Line {
    messages: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    #[serde(default)]
    content: String,
}

impl TestSet {
    /// Reads conversations as JSON lines (`.jsonl`), or a text on each line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut set = Self::default();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for line in json::lines::<Line>(path)? {
                line?.messages.iter().for_each(|turn| set.add(&turn.content));
            }
        } else {
            fs::read_to_string(path)?.lines().for_each(|line| set.add(line));
        }
        Ok(set)
    }

    fn add(&mut self, text: &str) {
        self.texts += 1;
        let text = letters(text);
        if text.len() >= SHORTEST {
            self.turns.insert(key(&text));
        }
        self.windows.extend(windows(&text));
    }

    /// Whether somebody says a turn of the test set, but for blanks and signs, or a long part of one.
    pub(crate) fn is_in(&self, messages: &[Message]) -> bool {
        messages.iter().any(|message| {
            let text = letters(&message.content);
            (text.len() >= SHORTEST && self.turns.contains(&key(&text)))
                || windows(&text).any(|window| self.windows.contains(&window))
        })
    }
}

fn letters(text: &str) -> Vec<char> {
    folded(text).collect()
}

fn key(letters: &[char]) -> Hash {
    blake3::hash(letters.iter().collect::<String>().as_bytes())
}

/// The hash of each run of [`WINDOW`] letters: a polynomial modulo 2^64, rolled from one to the next (Karp and Rabin
/// 1987).
fn windows(letters: &[char]) -> impl Iterator<Item = u64> + '_ {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    let top = (1..WINDOW).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash: u64 = 0;
    letters.iter().enumerate().filter_map(move |(at, letter)| {
        if at >= WINDOW {
            hash = hash.wrapping_sub(u64::from(letters[at - WINDOW]).wrapping_mul(top));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(u64::from(*letter));
        (at + 1 >= WINDOW).then_some(hash)
    })
}
