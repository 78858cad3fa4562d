//! Digits as people write them: with signs and blanks between, in full width, or spelled in Hangul.

/// A digit and its bytes in the text.
#[derive(Debug, Clone, Copy)]
struct Digit {
    value: u8,
    start: usize,
    end: usize,
}

/// Digits that follow each other with little between.
#[derive(Debug)]
pub(super) struct Run<'a> {
    text: &'a str,
    digits: Vec<Digit>,
}

/// What may stand between two digits of a number.
const SIGNS: [char; 19] =
    [' ', '-', '.', '·', '/', '~', '_', '(', ')', ',', '\n', 'ㅡ', '–', '—', '‐', '‑', '−', '\u{a0}', '*'];

/// How many such signs.
const MOST_SIGNS: usize = 3;

/// Digits spelled in Hangul.
const SPELLED: [(char, u8); 13] = [
    ('공', 0),
    ('영', 0),
    ('일', 1),
    ('이', 2),
    ('삼', 3),
    ('사', 4),
    ('오', 5),
    ('육', 6),
    ('륙', 6),
    ('칠', 7),
    ('팔', 8),
    ('구', 9),
    ('빵', 0),
];

/// How the digits of a run may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Figures,
    /// Figures and syllables.
    Spelled,
}

fn figure(character: char) -> Option<u8> {
    match character {
        '0'..='9' => Some(character as u8 - b'0'),
        '０'..='９' => Some((character as u32 - '０' as u32) as u8),
        _ => None,
    }
}

fn digit(character: char, writing: Writing) -> Option<u8> {
    figure(character).or_else(|| {
        let spelled = SPELLED.iter().find(|(syllable, _)| *syllable == character);
        spelled.filter(|_| writing == Writing::Spelled).map(|(_, value)| *value)
    })
}

/// Whether a text has a digit in any writing. Syllables that spell digits are in every sentence: of them, a zero is
/// looked for, with which every telephone number begins.
pub(super) fn any(text: &str) -> bool {
    text.chars().any(|character| figure(character).is_some() || matches!(character, '공' | '영' | '빵'))
}

/// The value without what stands between, so that one number in two writings is one.
pub(super) fn bare(text: &str) -> String {
    let digits: String = text
        .chars()
        .filter_map(|character| digit(character, Writing::Spelled))
        .map(|value| char::from(b'0' + value))
        .collect();
    let figures = text.chars().filter(|character| figure(*character).is_some()).count();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    if figures >= letters || (digits.len() > 8 && figures + letters == digits.len()) {
        digits
    } else {
        text.to_lowercase()
    }
}

/// The runs of a text.
pub(super) fn runs(text: &str, writing: Writing) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut signs = usize::MAX;
    for (start, character) in text.char_indices() {
        if let Some(value) = digit(character, writing) {
            let digit = Digit { value, start, end: start + character.len_utf8() };
            match runs.last_mut() {
                Some(run) if signs <= MOST_SIGNS => run.digits.push(digit),
                _ => runs.push(Run { text, digits: vec![digit] }),
            }
            signs = 0;
        } else if SIGNS.contains(&character) {
            signs = signs.saturating_add(1);
        } else {
            signs = usize::MAX;
        }
    }
    runs
}

impl Run<'_> {
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    /// The values of `count` digits from `at`, where there are so many.
    pub(super) fn values(&self, at: usize, count: usize) -> Option<Vec<u8>> {
        Some(self.digits.get(at..at + count)?.iter().map(|digit| digit.value).collect())
    }

    /// The bytes of these digits in the text.
    pub(super) fn range(&self, at: usize, count: usize) -> std::ops::Range<usize> {
        self.digits[at].start..self.digits[at + count - 1].end
    }

    /// What stands before a digit, up to the one before it; nothing before the first and after the last.
    pub(super) fn gap(&self, at: usize) -> &str {
        match at {
            0 => "",
            at if at >= self.len() => "",
            at => &self.text[self.digits[at - 1].end..self.digits[at].start],
        }
    }

    /// Whether a number may begin or end before this digit: there is a gap, or no digit at all.
    pub(super) fn is_bound(&self, at: usize) -> bool {
        at == 0 || at >= self.len() || !self.gap(at).is_empty()
    }

    /// The lengths of the groups into which gaps divide these digits.
    pub(super) fn groups(&self, at: usize, count: usize) -> Vec<usize> {
        let mut groups = vec![1];
        for next in at + 1..at + count {
            if self.gap(next).is_empty() {
                *groups.last_mut().expect("one group was begun") += 1;
            } else {
                groups.push(1);
            }
        }
        groups
    }

    /// Whether the gaps within these digits are made of the given signs.
    pub(super) fn gaps_of(&self, at: usize, count: usize, signs: &str) -> bool {
        (at + 1..at + count).all(|next| self.gap(next).chars().all(|sign| signs.contains(sign)))
    }

    /// Whether one of these digits is spelled.
    pub(super) fn is_spelled(&self, at: usize, count: usize) -> bool {
        self.digits[at..at + count].iter().any(|digit| {
            digit.end - digit.start == 3
                && !self.text[digit.start..]
                    .starts_with(['０', '１', '２', '３', '４', '５', '６', '７', '８', '９'])
        })
    }
}
