//! What a conversation must be like to be learnt from, where that is asked for.

use std::collections::HashSet;
use std::path::Path;

use artifact::conversation::Message;
use artifact::preprocess::{Quality, Reason};
use artifact::{Error, Result};
use fs_err as fs;

/// Characters of the sequences whose repetition is counted, and the fewest of them that tell anything.
const SEQUENCE: usize = 5;
const FEWEST: usize = 50;

/// The filters that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    limits: Quality,
    /// In lower case.
    words: Vec<String>,
}

impl Filters {
    /// Takes the limits and reads the list of words, one a line.
    ///
    /// # Errors
    /// When the list cannot be read or holds no word.
    pub(crate) fn new(mut limits: Quality, list: Option<&Path>) -> Result<Self> {
        let mut words = Vec::new();
        if let Some(path) = list {
            let text = fs::read_to_string(path)?;
            words.extend(text.lines().map(|line| line.trim().to_lowercase()).filter(|word| !word.is_empty()));
            if words.is_empty() {
                return Err(Error::malformed(path, "a word on each line", "none"));
            }
            limits.dropped_words = Some(words.len());
        }
        Ok(Self { limits, words })
    }

    /// The limits, as `preprocess.json` tells them.
    pub(crate) fn limits(&self) -> Quality {
        self.limits
    }

    /// The first filter that a conversation does not pass.
    pub(crate) fn refuse(&self, messages: &[Message]) -> Option<Reason> {
        let Quality { min_korean_percent, max_repetition_percent, max_turn_characters, .. } = self.limits;
        let text = || messages.iter().map(|message| message.content.as_str());
        if max_turn_characters.is_some_and(|most| text().any(|turn| turn.chars().count() > most)) {
            return Some(Reason::LongTurn);
        }
        if min_korean_percent.is_some_and(|least| korean(text()) < least) {
            return Some(Reason::Language);
        }
        if max_repetition_percent.is_some_and(|most| repetition(text()) > most) {
            return Some(Reason::Repetition);
        }
        let holds = |turn: &str| {
            let turn = turn.to_lowercase();
            self.words.iter().any(|word| turn.contains(word.as_str()))
        };
        (!self.words.is_empty() && text().any(holds)).then_some(Reason::DroppedWord)
    }
}

/// Percent of the letters that are Hangul; 100 where there are no letters.
fn korean<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let (mut hangul, mut letters) = (0_usize, 0_usize);
    for character in texts.flat_map(str::chars).filter(|character| character.is_alphabetic()) {
        letters += 1;
        hangul += usize::from(matches!(character, '가'..='힣' | 'ㄱ'..='ㆎ' | '\u{1100}'..='\u{11FF}'));
    }
    if letters == 0 { 100.0 } else { hangul as f64 / letters as f64 * 100.0 }
}

/// Percent of the sequences of [`SEQUENCE`] characters that have stood in the conversation before (after Rae et al. 2021,
/// "Scaling Language Models", A.1.1); 0 where there are fewer than [`FEWEST`].
fn repetition<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let mut seen: HashSet<[char; SEQUENCE]> = HashSet::new();
    let mut all = 0_usize;
    for text in texts {
        let characters: Vec<char> = text.chars().collect();
        for window in characters.windows(SEQUENCE) {
            all += 1;
            seen.insert(window.try_into().expect("a window has as many characters"));
        }
    }
    if all < FEWEST { 0.0 } else { (all - seen.len()) as f64 / all as f64 * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limits: Quality, turns: &[&str], expected: Option<Reason>) {
        let messages: Vec<Message> = turns.iter().map(|&turn| Message::user(turn)).collect();
        assert_eq!(Filters::new(limits, None).unwrap().refuse(&messages), expected);
    }

    #[test]
    fn each_filter_refuses_for_its_reason() {
        let korean = Quality { min_korean_percent: Some(50.0), ..Quality::default() };
        check(korean, &["안녕하세요 OK"], None);
        check(korean, &["안녕 how are you"], Some(Reason::Language));
        check(korean, &["ㅋㅋㅋ", "123 :)"], None);
        let repetition = Quality { max_repetition_percent: Some(50.0), ..Quality::default() };
        check(repetition, &[&"하하".repeat(60)], Some(Reason::Repetition));
        check(repetition, &["하하하하하하하하하하"], None);
        let varied: String = (0xAC00..0xAC80).filter_map(char::from_u32).collect();
        check(repetition, &[&varied], None);
        let long = Quality { max_turn_characters: Some(3), ..Quality::default() };
        check(long, &["세글자", "네글자요"], Some(Reason::LongTurn));
        check(long, &["세글자"], None);
        check(Quality::default(), &["anything", ""], None);
    }
}
