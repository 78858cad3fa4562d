//! The same words written carelessly: typing errors, no spaces, the other register, loose letters, emoji.

use artifact::report::Perturbation;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::hangul::Letters;
use crate::register;

/// All ways, in the order in which they are reported.
pub const ALL: [Perturbation; 5] = [
    Perturbation::Typos,
    Perturbation::NoSpaces,
    Perturbation::Register,
    Perturbation::Jamo,
    Perturbation::Emoji,
];
/// One syllable of so many is mistyped or left as its letters, and at least one.
const SYLLABLES: usize = 8;
/// One gap between words of so many gets an emoji, beside the end.
const GAPS: usize = 4;
const EMOJI: [&str; 8] = ["😀", "😂", "🙏", "❤️", "👍", "ㅋㅋㅋ", "ㅎㅎ", "ㅠㅠ"];
/// The rows of the standard Korean keyboard (KS X 5002), from the left.
const KEYBOARD: [&str; 3] = ["ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"];

/// The text as it is written that way; the same for the same seed. Where there is nothing to change, as it was.
pub fn perturb(text: &str, how: Perturbation, seed: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    match how {
        Perturbation::Typos => change_syllables(text, &mut random, mistyped),
        Perturbation::NoSpaces => text.split_whitespace().collect(),
        Perturbation::Register => register::changed(text),
        Perturbation::Jamo => change_syllables(text, &mut random, |letters, _| Some(letters.spelt())),
        Perturbation::Emoji => with_emoji(text, &mut random),
    }
}

/// Changes some of the syllables of a text.
fn change_syllables(
    text: &str,
    random: &mut ChaCha8Rng,
    change: impl Fn(Letters, &mut ChaCha8Rng) -> Option<String>,
) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut syllables: Vec<usize> =
        (0..characters.len()).filter(|&place| Letters::of(characters[place]).is_some()).collect();
    let chosen: Vec<usize> = (0..syllables.len().div_ceil(SYLLABLES))
        .map(|_| syllables.swap_remove(random.random_range(0..syllables.len())))
        .collect();
    let changed = characters.iter().enumerate().map(|(place, &character)| {
        let letters = Letters::of(character).filter(|_| chosen.contains(&place));
        letters.and_then(|letters| change(letters, random)).unwrap_or_else(|| character.to_string())
    });
    changed.collect()
}

/// One letter of a syllable taken for that of a key beside its own.
fn mistyped(letters: Letters, random: &mut ChaCha8Rng) -> Option<String> {
    let Letters { initial, vowel, last } = letters;
    let mut ways: Vec<Letters> = Vec::new();
    ways.extend(beside(initial).map(|initial| Letters { initial, ..letters }));
    ways.extend(beside(vowel).map(|vowel| Letters { vowel, ..letters }));
    ways.extend(last.into_iter().flat_map(beside).map(|last| Letters { last: Some(last), ..letters }));
    let syllables: Vec<char> = ways.into_iter().filter_map(Letters::syllable).collect();
    syllables.choose(random).map(char::to_string)
}

/// The letters on the keys to the left and to the right.
fn beside(letter: char) -> impl Iterator<Item = char> {
    let row = KEYBOARD.iter().find(|row| row.contains(letter)).copied().unwrap_or_default();
    let keys: Vec<char> = row.chars().collect();
    let place = keys.iter().position(|&key| key == letter);
    let places = place.into_iter().flat_map(|place| [place.checked_sub(1), Some(place + 1)]);
    places.flatten().filter_map(move |place| keys.get(place).copied())
}

fn with_emoji(text: &str, random: &mut ChaCha8Rng) -> String {
    let mut written = String::new();
    let words: Vec<&str> = text.split(' ').collect();
    for (place, word) in words.iter().enumerate() {
        written.push_str(word);
        let last = place + 1 == words.len();
        if last || random.random_range(0..GAPS) == 0 {
            written.push(' ');
            written.push_str(EMOJI.choose(random).expect("the list is not empty"));
        }
        if !last {
            written.push(' ');
        }
    }
    written
}
