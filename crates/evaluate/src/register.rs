//! The other register: 해요체 made 반말, and 반말 made 해요체, by the endings of sentences.

use std::sync::LazyLock;

use regex::Regex;

use crate::hangul::Letters;

/// A sentence and what ends it.
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)(?<words>.*?[가-힣])(?<end>[^가-힣]*?(?:[.!?…~\n]+[^가-힣]*|$))")
        .expect("part of this program")
});

/// Polite endings with their casual ones; the first that fits.
const CASUAL: [(&str, &str); 12] = [
    ("주세요", "줘"),
    ("하세요", "해"),
    ("계세요", "있어"),
    ("이에요", "이야"),
    ("예요", "야"),
    ("으세요", "어"),
    ("세요", "셔"),
    ("습니까", "어"),
    ("습니다", "어"),
    ("인가요", "이야"),
    ("나요", "나"),
    ("요", ""),
];
/// Casual endings that another polite one replaces.
const POLITE: [(&str, &str); 4] =
    [("이야", "이에요"), ("거야", "거예요"), ("뭐야", "뭐예요"), ("야", "예요")];
/// Casual endings that 요 follows.
const BEFORE_YO: &str = "어아해지네까나래게고데걸줘워와봐돼여져려쳐켜펴셔가파싸커써러라니서자";

/// The text in the other register; where no ending is known, as it was.
pub(crate) fn changed(text: &str) -> String {
    SENTENCE
        .replace_all(text, |sentence: &regex::Captures<'_>| {
            format!("{}{}", other_register(&sentence["words"]), &sentence["end"])
        })
        .into_owned()
}

fn other_register(words: &str) -> String {
    for (polite, casual) in CASUAL {
        if let Some(stem) = words.strip_suffix(polite) {
            return format!("{stem}{casual}");
        }
    }
    if let Some(stem) = words.strip_suffix("니다").or_else(|| words.strip_suffix("니까")) {
        // 갑니다 is 가 with ㅂ.
        let mut stem: Vec<char> = stem.chars().collect();
        if let Some(last) = stem.last_mut()
            && let Some(letters @ Letters { last: Some('ㅂ'), .. }) = Letters::of(*last)
        {
            *last = Letters { last: None, ..letters }.syllable().unwrap_or(*last);
            return stem.into_iter().collect();
        }
        return words.to_owned();
    }
    for (casual, polite) in POLITE {
        if let Some(stem) = words.strip_suffix(casual) {
            return format!("{stem}{polite}");
        }
    }
    if words.ends_with(|last| BEFORE_YO.contains(last)) { format!("{words}요") } else { words.to_owned() }
}
