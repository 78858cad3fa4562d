//! The names of those who speak in a chat, where somebody says them.

use std::collections::BTreeMap;

use artifact::preprocess::PrivateKind;

use crate::Found;

/// Names to look for, in each form in which people are called.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The forms, longest first, each with the number of the person.
    forms: Vec<(String, usize)>,
}

/// Names that are no names, or stand for the owner of a chat.
const NOBODY: [&str; 8] = ["회원님", "you", "me", "알 수 없음", "(알 수 없음)", "unknown", "first", "second"];

/// The frequent surnames of one syllable: without them, a name of three syllables is a given name of two.
const SURNAMES: &str = "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용";

/// What may follow a Korean name in its own word.
const PARTICLES: [&str; 56] = [
    "님",
    "씨",
    "이",
    "가",
    "은",
    "는",
    "을",
    "를",
    "아",
    "야",
    "도",
    "만",
    "의",
    "와",
    "과",
    "랑",
    "이랑",
    "한테",
    "에게",
    "께",
    "께서",
    "보다",
    "처럼",
    "이는",
    "이가",
    "이를",
    "이도",
    "이만",
    "이의",
    "이한테",
    "이야",
    "이네",
    "네",
    "언니",
    "오빠",
    "형",
    "누나",
    "선배",
    "이라고",
    "라고",
    "이에요",
    "예요",
    "이랑은",
    "님이",
    "님은",
    "님께",
    "님도",
    "님의",
    "씨가",
    "씨는",
    "씨도",
    "씨의",
    "씨한테",
    "이한테는",
    "이다",
    "입니다",
];

impl Names {
    /// Takes the names as a chat program shows them.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: BTreeMap<String, usize> = BTreeMap::new();
        for (person, name) in names.into_iter().enumerate() {
            for form in forms_of(name) {
                forms.entry(form).or_insert(person);
            }
        }
        let mut forms: Vec<(String, usize)> = forms.into_iter().collect();
        forms.sort_by(|(a, _), (b, _)| (b.len(), a).cmp(&(a.len(), b)));
        Self { forms }
    }

    /// The number of the person who is called so.
    pub(super) fn person(&self, value: &str) -> usize {
        self.forms
            .iter()
            .find(|(form, _)| form.to_lowercase() == value.to_lowercase())
            .map_or(usize::MAX, |(_, person)| *person)
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        for (form, _) in &self.forms {
            let latin = form.is_ascii();
            for (start, _) in text.match_indices(form.as_str()) {
                let end = start + form.len();
                let before = text[..start].chars().next_back();
                let is_start = before.is_none_or(|before| !before.is_alphanumeric());
                let rest = &text[end..];
                // Single letters of Hangul are laughter or a sigh: they end a word.
                let word: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() && !('ㄱ'..='ㆎ').contains(c)).collect();
                let is_end = word.is_empty()
                    || (latin && word.starts_with(is_hangul))
                    || (!latin && PARTICLES.contains(&word.as_str()));
                if is_start && is_end {
                    found.push(Found { kind: PrivateKind::Name, range: start..end });
                }
            }
        }
    }
}

fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

/// A name whole, without what brackets add, and its parts by which people are called.
fn forms_of(name: &str) -> Vec<String> {
    let name = name.trim();
    let mut forms = Vec::new();
    if name.is_empty() || NOBODY.contains(&name.to_lowercase().as_str()) {
        return forms;
    }
    // Of one letter, a name is found everywhere.
    let mut add = |form: &str| {
        if form.chars().count() >= 2 && form.chars().any(char::is_alphabetic) {
            forms.push(form.to_owned());
        }
    };
    add(name);
    let plain = name.split(['(', '[', '/', '|', '_']).next().unwrap_or(name).trim();
    add(plain);
    let syllables: Vec<char> = plain.chars().collect();
    if syllables.len() == 3
        && syllables.iter().all(|syllable| is_hangul(*syllable))
        && SURNAMES.contains(syllables[0])
    {
        add(&syllables[1..].iter().collect::<String>());
    }
    if plain.is_ascii() {
        plain.split_whitespace().filter(|part| part.len() >= 3).for_each(&mut add);
    }
    forms
}
