//! Addresses: Korean by road and by lot, flats, and American ones.

use std::sync::LazyLock;

use artifact::preprocess::PrivateKind;
use regex::Regex;

use crate::Found;

/// Province, city, district, town: what stands before a road or a lot.
const AREAS: &str = r"(?:(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주)(?:특별자치시|특별자치도|특별시|광역시|시|도)?,?\s?)?(?:[가-힣]{1,5}(?:시|군|구|읍|면),?\s){0,3}";

/// What stands behind: building, floor, flat.
const INSIDE: &str = r"(?:,?\s?\(?[가-힣A-Za-z0-9]{1,12}(?:아파트|빌라|오피스텔|빌딩|맨션|타워|스퀘어|센터|플라자|프라자|자이|래미안|푸르지오|힐스테이트|빌|주택|원룸)\)?)?(?:,?\s?(?:[0-9]{1,4}|[가-하A-Za-z])동)?(?:,?\s?(?:지하\s?)?[0-9]{1,3}층)?(?:,?\s?(?:B?[0-9]{1,4})호)?";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of our own")
}

static ROAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?P<area>{AREAS})(?P<road>[가-힣0-9·]{{1,10}}(?:대로|로|길))(?P<branch>\s?[0-9]{{1,4}}(?:번)?(?:가)?길)?\s?(?P<number>[0-9]{{1,4}}(?:-[0-9]{{1,3}})?)(?P<lot>번지)?(?P<inside>{INSIDE})"
    ))
});

static LOT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?P<area>{AREAS})(?P<place>[가-힣]{{1,5}}[0-9]{{0,2}}(?:동|리|가))\s?(?P<hill>산\s?)?(?P<number>[0-9]{{1,4}}(?:-[0-9]{{1,4}})?)(?P<lot>번지)?(?P<inside>{INSIDE})"
    ))
});

/// A flat in a named building, or in one that was named before.
static FLAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:[가-힣A-Za-z0-9]{1,12}(?:아파트|빌라|오피스텔|빌딩|맨션|타워|자이|래미안|푸르지오|힐스테이트)\s?)?[0-9]{1,4}동\s?[0-9]{1,4}호|[가-힣A-Za-z0-9]{1,12}(?:아파트|빌라|오피스텔|빌딩|맨션|타워|자이|래미안|푸르지오|힐스테이트|원룸)\s[0-9]{1,4}호",
    )
});

static AMERICAN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b[0-9]{1,5}\s(?:[NSEW]\.?\s)?(?:[A-Z][a-z]+|[0-9]{1,3}(?:st|nd|rd|th))(?:\s[A-Z][a-z]+){0,2}\s(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Way|Court|Ct|Place|Pl|Terrace|Parkway|Pkwy)\b\.?(?:,?\s(?:Apt|Apartment|Suite|Ste|Unit|Floor|#)\.?\s?#?[A-Za-z0-9-]{1,6})?(?:,\s[A-Z][a-z]+(?:\s[A-Z][a-z]+)?)?(?:,\s[A-Z]{2}(?:\s[0-9]{5}(?:-[0-9]{4})?)?)?",
    )
});

/// Words that end as roads do.
const NO_ROADS: [&str; 42] = [
    "앞으로",
    "뒤로",
    "바로",
    "서로",
    "그대로",
    "새로",
    "따로",
    "별로",
    "스스로",
    "제대로",
    "실제로",
    "주로",
    "위로",
    "아래로",
    "옆으로",
    "마음대로",
    "맘대로",
    "뜻대로",
    "멋대로",
    "순서대로",
    "차례대로",
    "이대로",
    "저대로",
    "유로",
    "프로",
    "제로",
    "히어로",
    "세로",
    "가로",
    "최대로",
    "아이디로",
    "이메일로",
    "카카오로",
    "카카오톡으로",
    "지하철로",
    "고속도로",
    "반대로",
    "절대로",
    "시대로",
    "대로",
    "종로",
    "최소로",
];

/// Words that end as places do.
const NO_PLACES: [&str; 40] = [
    "운동", "행동", "활동", "자동", "이동", "감동", "노동", "공동", "변동", "충동", "작동", "진동", "파동",
    "연동", "아동", "동동", "수동", "우리", "머리", "다리", "거리", "소리", "정리", "관리", "처리", "요리",
    "빨리", "멀리", "미리", "자리", "유리", "무리", "우동", "평가", "국가", "작가", "물가", "추가", "휴가",
    "누가",
];

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut add = |range| found.push(Found { kind: PrivateKind::Address, range });
    for hit in ROAD.captures_iter(text) {
        let part = |name: &str| hit.name(name).map_or("", |part| part.as_str());
        let whole = hit.get(0).expect("the whole of a match");
        let road = part("road");
        let placed = !part("area").is_empty();
        let detailed = !part("inside").is_empty() || !part("branch").is_empty() || !part("lot").is_empty();
        let is_word =
            NO_ROADS.iter().any(|word| road.ends_with(word)) && road != "종로" || road.ends_with("으로");
        // Any noun may be followed by 로: `카드로 5000 냈어`. Names of roads are longer than most.
        let long =
            road.chars().count() >= if road.ends_with("대로") || road.ends_with('길') { 3 } else { 4 };
        if (long || detailed || placed)
            && (!is_word || placed)
            && !is_counted(&text[whole.end()..])
            && begins(text, whole.start())
        {
            add(trimmed(text, whole.range()));
        }
    }
    for hit in LOT.captures_iter(text) {
        let part = |name: &str| hit.name(name).map_or("", |part| part.as_str());
        let whole = hit.get(0).expect("the whole of a match");
        let placed = !part("area").is_empty();
        let numbered = part("number").contains('-') || !part("lot").is_empty();
        let is_word = NO_PLACES.contains(&part("place"));
        let inside = part("inside");
        let is_place = (placed || !is_word) && part("place").chars().count() >= 2;
        if is_place
            && (placed || (numbered && !part("place").ends_with('가')) || !inside.is_empty() && numbered)
            && !is_counted(&text[whole.end()..])
            && begins(text, whole.start())
        {
            add(trimmed(text, whole.range()));
        }
    }
    for hit in FLAT.find_iter(text).filter(|hit| begins(text, hit.start())) {
        add(hit.range());
    }
    for hit in AMERICAN.find_iter(text) {
        // `3 Good Way to do it`
        if !(hit.as_str().ends_with("Way") && text[hit.end()..].starts_with(" to ")) {
            add(hit.range());
        }
    }
}

/// Whether nothing that belongs to it stands directly before.
fn begins(text: &str, start: usize) -> bool {
    text[..start].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
}

/// Whether the number is one of things, money or time: `버스로 20분`.
fn is_counted(rest: &str) -> bool {
    const UNITS: [&str; 34] = [
        "개", "명", "시", "분", "초", "년", "월", "일", "원", "번", "살", "점", "위", "장", "배", "등", "만",
        "천", "억", "인", "잔", "병", "권", "대", "km", "m", "kg", "g", "%", "cm", "회", "주", "도", ":",
    ];
    let next = rest.trim_start();
    // A blank ends an address more often than it stands before a unit.
    let unit = UNITS
        .iter()
        .any(|unit| rest.starts_with(unit) && !rest.starts_with("번지") && !rest.starts_with("인데"));
    unit || next.starts_with(|next: char| next.is_ascii_digit())
        || (rest.starts_with(['.', ',', '/', '-'])
            && rest[1..].starts_with(|next: char| next.is_ascii_digit()))
}

fn trimmed(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}
