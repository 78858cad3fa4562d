//! Hangul syllables and their letters (Unicode 17, chapter 3.12).

const FIRST: u32 = 0xAC00;
const VOWELS: u32 = 21;
const FINALS: u32 = 28;

const INITIAL: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const VOWEL: &str = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ";
/// After none.
const FINAL: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

/// A syllable's letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letters {
    pub(crate) initial: char,
    pub(crate) vowel: char,
    /// None of an open syllable.
    pub(crate) last: Option<char>,
}

impl Letters {
    /// The letters of a syllable; none of another character.
    pub(crate) fn of(syllable: char) -> Option<Self> {
        let index = u32::from(syllable).checked_sub(FIRST).filter(|_| syllable <= '힣')?;
        let nth = |letters: &str, place: u32| letters.chars().nth(place as usize);
        let last = (index % FINALS).checked_sub(1);
        Some(Self {
            initial: nth(INITIAL, index / FINALS / VOWELS)?,
            vowel: nth(VOWEL, index / FINALS % VOWELS)?,
            last: last.and_then(|place| nth(FINAL, place)),
        })
    }

    /// The syllable; none where a letter cannot stand in its place.
    pub(crate) fn syllable(self) -> Option<char> {
        let place = |letters: &str, letter: char| letters.chars().position(|other| other == letter);
        let last = match self.last {
            None => 0,
            Some(last) => place(FINAL, last)? as u32 + 1,
        };
        let initial = place(INITIAL, self.initial)? as u32;
        let vowel = place(VOWEL, self.vowel)? as u32;
        char::from_u32(FIRST + (initial * VOWELS + vowel) * FINALS + last)
    }

    /// One letter after the other.
    pub(crate) fn spelt(self) -> String {
        [self.initial, self.vowel].into_iter().chain(self.last).collect()
    }
}
