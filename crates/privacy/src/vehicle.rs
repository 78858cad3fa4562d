//! Plates of vehicles, and passports.

use std::ops::Range;
use std::sync::LazyLock;

use artifact::preprocess::PrivateKind;
use regex::Regex;

use crate::Found;
use crate::numbers::near;

/// Two or three digits, a syllable that plates have, four digits; older ones begin with a region.
static PLATE: LazyLock<Regex> = LazyLock::new(|| {
    let region =
        r"(?:(?:서울|부산|대구|인천|광주|대전|울산|경기|강원|충북|충남|전북|전남|경북|경남|제주|세종)\s?)?";
    let syllable =
        "[가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자허하호배육해공국합]";
    Regex::new(&format!(r"{region}[0-9]{{2,3}}\s?{syllable}\s?[0-9]{{4}}")).expect("a pattern of our own")
});

/// What a plate of another country may look like, beside the word for it.
static OTHER_PLATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:[A-Z]{1,3}[ -]?[0-9]{1,4}[ -]?[A-Z]{0,3}|[0-9]{1,3}[ -]?[A-Z]{2,3}[ -]?[0-9]{0,4})\b")
        .expect("a pattern of our own")
});

/// A letter and eight digits or, since December 2021, a letter, three digits, a letter, four digits.
static PASSPORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[MSRODGmsrodg] ?(?:[0-9]{8}|[0-9]{3} ?[A-Za-z] ?[0-9]{4})").expect("a pattern of our own")
});

/// Words for what has numbers that look like those of passports.
const PRODUCTS: [&str; 7] = ["모델", "제품", "시리얼", "부품", "model", "serial", "part no"];

/// Nine digits, or a letter or two and seven or eight: passports of other countries, beside the word for them.
static OTHER_PASSPORT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:[0-9]{9}|[A-Z]{1,2}[0-9]{7,8})\b").expect("a pattern of our own"));

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut add = |kind, range: Range<usize>| found.push(Found { kind, range });
    for hit in PLATE.find_iter(text).filter(|hit| stands_alone(text, &hit.range())) {
        if !is_counted(text, &hit.range()) {
            add(PrivateKind::Plate, hit.range());
        }
    }
    let lower = text.to_lowercase();
    if lower.contains("plate") || text.contains("번호판") {
        for hit in OTHER_PLATE.find_iter(text) {
            let has_both = hit.as_str().bytes().any(|byte| byte.is_ascii_digit()) && hit.len() >= 5;
            if has_both && near(text, &hit.range(), &["plate", "번호판"]) {
                add(PrivateKind::Plate, hit.range());
            }
        }
    }
    let says_passport = lower.contains("passport") || text.contains("여권");
    for hit in PASSPORT.find_iter(text).filter(|hit| stands_alone(text, &hit.range())) {
        let plain = hit.as_str().starts_with(|letter: char| letter.is_ascii_uppercase())
            && !hit.as_str().contains(' ');
        if says_passport || (plain && !near(text, &hit.range(), &PRODUCTS)) {
            add(PrivateKind::Passport, hit.range());
        }
    }
    if says_passport {
        for hit in OTHER_PASSPORT.find_iter(text) {
            if near(text, &hit.range(), &["passport", "여권"]) {
                add(PrivateKind::Passport, hit.range());
            }
        }
    }
}

/// Whether no letter or digit touches it, but for a Korean particle behind it.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    before.is_none_or(|before| !before.is_alphanumeric() && !"-.:/_#".contains(before))
        && after.is_none_or(|after| !after.is_ascii_alphanumeric() && !"-:/_".contains(after))
}

/// Whether it is a count and a price or a year: `20주 2000원`, `100호 2024년`.
fn is_counted(text: &str, range: &Range<usize>) -> bool {
    const UNITS: [&str; 14] =
        ["원", "년", "명", "개", "만", "번", "km", "kg", "m", "g", "%", "일", "분", "점"];
    let rest = &text[range.end..];
    // A plate may be followed by a particle, never by one of these.
    let counted = UNITS.iter().any(|unit| rest.trim_start().starts_with(unit));
    let decimal = rest.starts_with('.') && rest[1..].starts_with(|next: char| next.is_ascii_digit());
    counted || decimal || (rest.starts_with(',') && rest[1..].starts_with(|next: char| next.is_ascii_digit()))
}
