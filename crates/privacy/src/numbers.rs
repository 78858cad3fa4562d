//! Numbers that stand for a person: of telephones, residents, cards, accounts, businesses.

use std::ops::Range;

use artifact::preprocess::PrivateKind;

use crate::Found;
use crate::digits::{Run, Writing, runs};

/// Finds them in a text.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for run in runs(text, Writing::Figures) {
        of_run(text, &run, found);
    }
    for run in runs(text, Writing::Spelled) {
        for at in 0..run.len() {
            if let Some(count) = mobile(&run, at).filter(|count| run.is_spelled(at, *count)) {
                found.push(Found { kind: PrivateKind::Phone, range: run.range(at, count) });
            }
        }
    }
}

/// How many digits from a place are a number of one kind, if any.
type Reading = fn(&str, &Run<'_>, usize) -> Option<usize>;

fn of_run(text: &str, run: &Run<'_>, found: &mut Vec<Found>) {
    for at in 0..run.len() {
        if !run.is_bound(at) {
            continue;
        }
        let readings: [(PrivateKind, Reading); 5] = [
            (PrivateKind::ResidentNumber, resident),
            (PrivateKind::Card, card),
            (PrivateKind::BusinessNumber, business),
            (PrivateKind::Phone, phone),
            (PrivateKind::Account, account),
        ];
        for (kind, reading) in readings {
            if let Some(count) = reading(text, run, at) {
                let mut range = run.range(at, count);
                if kind == PrivateKind::Phone {
                    range.start = with_prefix(text, range.start);
                }
                if kind == PrivateKind::ResidentNumber {
                    range.end += hidden(&text[range.end..]);
                }
                found.push(Found { kind, range });
            }
        }
    }
}

/// Whether one of the words stands shortly before or after a place.
pub(super) fn near(text: &str, range: &Range<usize>, words: &[&str]) -> bool {
    const BEFORE: usize = 24;
    const AFTER: usize = 12;
    let before = text[..range.start].char_indices().rev().nth(BEFORE - 1).map_or(0, |(start, _)| start);
    let after = &text[range.end..];
    let after = after.char_indices().nth(AFTER).map_or(after, |(end, _)| &after[..end]);
    let around = [text[before..range.start].to_lowercase(), after.to_lowercase()];
    words.iter().any(|word| around.iter().any(|side| side.contains(word)))
}

fn number(values: &[u8]) -> u32 {
    values.iter().fold(0, |number, value| number * 10 + u32::from(*value))
}

/// Whether a letter or a sign of another number stands directly before.
fn is_tail(text: &str, start: usize) -> bool {
    text[..start]
        .chars()
        .next_back()
        .is_some_and(|before| before.is_ascii_alphanumeric() || "_#$₩￦€".contains(before))
}

/// What follows a price, an amount, a share: a number before it is none of a person.
fn is_amount(text: &str, end: usize) -> bool {
    const UNITS: [&str; 16] = [
        "원", "만원", "만 원", "억", "천원", "달러", "엔", "유로", "개", "명", "점", "회", "km", "kg", "%",
        "번째",
    ];
    let rest = text[end..].trim_start();
    UNITS.iter().any(|unit| rest.starts_with(unit))
}

// Telephones.

fn phone(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    let start = run.range(at, 1).start;
    if is_tail(text, start) {
        return None;
    }
    let plus = text[..start].trim_end_matches([' ', '(']).ends_with(['+', '＋']);
    if let Some(count) = abroad(run, at, plus) {
        return Some(count);
    }
    if plus {
        return None;
    }
    let count = mobile(run, at).or_else(|| land(text, run, at)).or_else(|| american(text, run, at))?;
    (!is_amount(text, run.range(at, count).end)).then_some(count)
}

/// 010 and eight digits; 011, 016 to 019 and seven or eight. Where nothing follows, they may be grouped in any way.
fn mobile(run: &Run<'_>, at: usize) -> Option<usize> {
    if !run.is_bound(at) {
        return None;
    }
    let prefix = number(&run.values(at, 3)?);
    let counts: &[usize] = match prefix {
        10 => &[11],
        11 | 16..=19 => &[11, 10],
        _ => return None,
    };
    counts.iter().copied().find(|&count| {
        if at + count > run.len() || !run.is_bound(at + count) {
            return false;
        }
        let groups = run.groups(at, count);
        let usual = matches!(groups[..], [11 | 10] | [3, 4 | 3, 4] | [3, 8 | 7] | [7 | 6, 4]);
        let alone = at + count == run.len() && prefix == 10;
        usual || alone || groups.len() == count
    })
}

/// A land line, or one over the internet: an area, three or four digits, four. Grouped, or beside a word for it.
fn land(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    const WORDS: [&str; 10] = ["전화", "연락", "번호", "☎", "📞", "tel", "phone", "call", "fax", "팩스"];
    let area = match number(&run.values(at, 3)?) {
        20..=29 => 2,
        31..=33 | 41..=44 | 51..=55 | 61..=64 | 70 => 3,
        500..=509 => return None,
        _ if matches!(run.values(at, 4)?[..], [0, 5, 0, _]) => 4,
        _ => return None,
    };
    [8, 7].into_iter().map(|rest| area + rest).find(|&count| {
        if at + count > run.len()
            || !run.is_bound(at + count)
            || !run.gaps_of(at, count, " -.–—‐‑−ㅡ·\u{a0})/~(")
        {
            return false;
        }
        let last = count - area - 4;
        let groups = run.groups(at, count);
        groups == [area, last, 4]
            || groups == [area, last + 4]
            || groups == [area + last, 4]
            || (groups.len() == 1 && near(text, &run.range(at, count), &WORDS))
    })
}

/// `+82 10-1234-5678`, `0082-2-123-4567`, `+1 555 123 4567`: a country, and a number as long as numbers are.
fn abroad(run: &Run<'_>, at: usize, plus: bool) -> Option<usize> {
    let values = run.values(at, run.len() - at)?;
    let dialled = match values[..] {
        [0, 0, 8, 2, ..] => 4,
        [8, 2, ..] if plus || run.gap(at + 2).starts_with(')') || !run.gap(at + 2).is_empty() => 2,
        _ if plus => 0,
        _ => return None,
    };
    if dialled == 0 {
        // As many digits as are grouped without a gap of more than two signs.
        let count = (7..=15).rev().find(|&count| at + count <= run.len() && run.is_bound(at + count))?;
        return (run.gaps_of(at, count, " -.()–\u{a0}") && count >= 9).then_some(count);
    }
    let own = usize::from(values.get(dialled) == Some(&0));
    let rest = &values[dialled + own..];
    let lengths: &[usize] = match rest {
        [1, 0, ..] => &[10],
        [1, 1 | 6..=9, ..] | [3..=6, 1..=5, ..] | [7, 0, ..] => &[10, 9],
        [2, ..] => &[9, 8],
        _ => return None,
    };
    lengths
        .iter()
        .map(|length| dialled + own + length)
        .find(|&count| at + count <= run.len() && run.is_bound(at + count))
}

/// `(555) 234-5678`, `555-234-5678`: neither part begins with 0 or 1.
fn american(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    let skipped = usize::from(run.values(at, 1)?[0] == 1 && run.groups(at, 2.min(run.len() - at)).len() == 2);
    let first = at + skipped;
    let values = run.values(first, 10)?;
    let grouped =
        run.groups(first, 10) == [3, 3, 4] && run.is_bound(first + 10) && run.gaps_of(first, 10, " -.()");
    let start = run.range(first, 1).start;
    let signs = run.gap(first + 3).contains(['-', '.', ')']) || text[..start].ends_with('(');
    (grouped && signs && values[0] >= 2 && values[3] >= 2).then_some(10 + skipped)
}

/// The start of a number with the `+` and the bracket before it.
fn with_prefix(text: &str, start: usize) -> usize {
    let before = &text[..start];
    let bare = before.trim_end_matches([' ', '(']);
    if bare.ends_with(['+', '＋']) {
        return bare.len() - bare.chars().next_back().map_or(0, char::len_utf8);
    }
    if before.ends_with('(') { start - 1 } else { start }
}

// Residents.

const RESIDENT_WORDS: [&str; 8] =
    ["주민", "등록번호", "외국인", "민번", "생년월일", "rrn", "resident", "arc"];

/// Six digits of a day of birth and seven more, the first of which tells century and sex, of foreigners too; six may be
/// hidden. The check digit decides where no sign divides the halves: since October 2020 there is none.
fn resident(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    if let Some(count) = social_security(text, run, at) {
        return Some(count);
    }
    let start = run.range(at, 1).start;
    if is_tail(text, start) {
        return None;
    }
    let seven = run.values(at, 7)?;
    let (month, day) = (number(&seven[2..4]), number(&seven[4..6]));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1..=8).contains(&seven[6]) {
        return None;
    }
    if run.groups(at, 7) == [6, 1] && run.is_bound(at + 7) && hidden(&text[run.range(at, 7).end..]) > 0 {
        return Some(7);
    }
    let values =
        run.values(at, 13).filter(|_| run.is_bound(at + 13) && run.gaps_of(at, 13, USUAL_OR_WAVE))?;
    let words = near(text, &run.range(at, 13), &RESIDENT_WORDS);
    let sign = run.gap(at + 6);
    match run.groups(at, 13)[..] {
        [6, 7] => (!sign.trim().is_empty() || words || is_checked(&values)).then_some(13),
        [13] => (words || is_checked(&values)).then_some(13),
        _ => (run.groups(at, 13).len() == 13 && (words || is_checked(&values))).then_some(13),
    }
}

const USUAL_OR_WAVE: &str = " -.–—‐‑−ㅡ·\u{a0}~_/";

/// The length of a second half that is hidden by stars.
fn hidden(rest: &str) -> usize {
    let stars = rest.chars().take_while(|sign| matches!(sign, '*' | '●' | '×' | 'x' | 'X' | '○')).count();
    let length: usize = rest.chars().take(stars).map(char::len_utf8).sum();
    if stars == 6 { length } else { 0 }
}

/// The check digit of residents (weights 2 to 9, then 2 to 5), or of foreigners, which is 2 more.
fn is_checked(values: &[u8]) -> bool {
    const WEIGHTS: [u32; 12] = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let sum: u32 = WEIGHTS.iter().zip(values).map(|(weight, value)| weight * u32::from(*value)).sum();
    let check = (11 - sum % 11) % 10;
    let last = u32::from(values[12]);
    if values[6] >= 5 { (check + 2) % 10 == last } else { check == last }
}

/// `123-45-6789`: no area 000, 666 or above 899, no group or serial of zeros.
fn social_security(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    let values = run.values(at, 9).filter(|_| run.is_bound(at + 9))?;
    let (area, group, serial) = (number(&values[..3]), number(&values[3..5]), number(&values[5..]));
    let valid = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
    // A longer number with dashes is another one.
    let ends = at + 9 == run.len() || !run.gap(at + 9).starts_with('-');
    let dashed = ends && run.groups(at, 9) == [3, 2, 4] && run.gaps_of(at, 9, "-");
    let words = near(text, &run.range(at, 9), &["ssn", "social security", "social sec"]);
    (valid && !is_tail(text, run.range(at, 1).start) && (dashed || words)).then_some(9)
}

// Cards, businesses, accounts.

/// 15 or 16 digits of a card that exists, whose sum after Luhn ends with 0.
fn card(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    if is_tail(text, run.range(at, 1).start) {
        return None;
    }
    [16, 15].into_iter().find(|&count| {
        let Some(values) = run.values(at, count).filter(|_| run.is_bound(at + count)) else { return false };
        let issued = match (count, values[0], values[1]) {
            (15, 3, 4 | 7) => true,
            (16, first, second) => {
                matches!((first, second), (4 | 6 | 9, _) | (5, 1..=5) | (2, 2..=7) | (3, 5))
            }
            _ => false,
        };
        let groups = run.groups(at, count);
        let grouped = matches!(groups[..], [16 | 15] | [4, 4, 4, 4] | [4, 6, 5] | [8, 8] | [4, 12])
            || groups.len() == count;
        issued && grouped && run.gaps_of(at, count, USUAL_OR_WAVE) && luhn(&values)
    })
}

fn luhn(values: &[u8]) -> bool {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(place, value)| {
            let value = u32::from(*value) * if place % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `123-45-67891`, whose last digit checks the others.
fn business(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    const WEIGHTS: [u32; 9] = [1, 3, 7, 1, 3, 7, 1, 3, 5];
    let values = run.values(at, 10).filter(|_| run.is_bound(at + 10))?;
    let sum: u32 = WEIGHTS.iter().zip(&values).map(|(weight, value)| weight * u32::from(*value)).sum();
    let sum = sum + u32::from(values[8]) * 5 / 10;
    if (10 - sum % 10) % 10 != u32::from(values[9]) || is_tail(text, run.range(at, 1).start) {
        return None;
    }
    let words = near(text, &run.range(at, 10), &["사업자", "등록번호", "business"]);
    match run.groups(at, 10)[..] {
        [3, 2, 5] => (run.gaps_of(at, 10, "-–—ㅡ‐‑−") || words).then_some(10),
        [10] => words.then_some(10),
        _ => None,
    }
}

const BANK_WORDS: [&str; 40] = [
    "계좌",
    "은행",
    "국민",
    "신한",
    "우리은행",
    "우리 ",
    "하나은행",
    "하나 ",
    "농협",
    "기업은행",
    "ibk",
    "카카오뱅크",
    "카뱅",
    "토스",
    "케이뱅크",
    "케뱅",
    "새마을",
    "우체국",
    "수협",
    "신협",
    "씨티",
    "sc제일",
    "제일은행",
    "산업은행",
    "입금",
    "송금",
    "이체",
    "부쳐",
    "보내줘",
    "account",
    "acct",
    "bank",
    "routing",
    "wire",
    "예금주",
    "통장",
    "nh",
    "kb",
    "저축",
    "deposit",
];

/// Ten to fourteen digits beside a word for a bank, or grouped as one bank alone groups them.
fn account(text: &str, run: &Run<'_>, at: usize) -> Option<usize> {
    if is_tail(text, run.range(at, 1).start) {
        return None;
    }
    (10..=14).rev().find(|&count| {
        if at + count > run.len() || !run.is_bound(at + count) || !run.gaps_of(at, count, " -–—‐‑−ㅡ")
        {
            return false;
        }
        let range = run.range(at, count);
        let groups = run.groups(at, count);
        let values = run.values(at, count).unwrap_or_default();
        let of_one_bank = run.gaps_of(at, count, "-–—‐‑−ㅡ")
            && match groups[..] {
                [3, 3, 6] => values[..2] == [1, 1],
                [4, 2, 7] => values[..2] == [3, 3],
                [4, 3, 6] => values[..3] == [1, 0, 0],
                [3, 4, 4, 2] | [6, 2, 6] | [3, 6, 5] | [3, 6, 2, 3] | [4, 2, 7, _] => true,
                _ => false,
            };
        // Amounts are not grouped by dashes.
        let is_amount = groups.len() == 1 && is_amount(text, range.end);
        let may_be = groups.len() <= 4 && !is_amount && !is_order(text, &range);
        may_be && (of_one_bank || (near(text, &range, &BANK_WORDS) && !is_date(&values, &groups)))
    })
}

/// Whether the number is said to be of an order, a parcel, a ticket.
fn is_order(text: &str, range: &Range<usize>) -> bool {
    near(
        text,
        range,
        &[
            "주문",
            "송장",
            "운송장",
            "예약번호",
            "접수",
            "order",
            "tracking",
            "invoice",
            "ticket",
            "바코드",
            "isbn",
        ],
    )
}

/// Whether the first digits are a day of this or the last century: `2024-01-02 1530`.
fn is_date(values: &[u8], groups: &[usize]) -> bool {
    let [y1, y2, _, _, m1, m2, d1, d2, ..] = values[..] else { return false };
    let (month, day) = (m1 * 10 + m2, d1 * 10 + d2);
    matches!((y1, y2), (1, 9) | (2, 0))
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && groups[0] != 3
}
