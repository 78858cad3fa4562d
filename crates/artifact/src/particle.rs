//! Korean particles that wait for the word before them: `민준은(는)` becomes `민준은`, `지우은(는)` becomes `지우는`.
//!
//! A particle's form follows the sound that ends the word before it, so a text with a gap for a word writes both forms:
//! 은(는), 이(가), 을(를), 과(와), 아(야), (으)로, and anything that begins with (이), as (이)라고, (이)네요 or (이)나.
//! (이)에요 becomes 이에요 or 예요, (이)었 becomes 이었 or 였.

/// How a word ends when it is read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Final {
    /// In a vowel.
    Vowel,
    /// In ㄹ, which takes 로 like a vowel and everything else like a consonant.
    Rieul,
    /// In another consonant.
    Consonant,
}

/// Resolves every particle alternative by the word before it.
///
/// Quotes, brackets and other signs between word and particle are passed over; digits and Latin letters count as they
/// are read. A particle after `{slot}`, or after no word at all, keeps both forms.
///
/// ```
/// use artifact::particle::resolve;
///
/// assert_eq!(resolve("민준(이)라고 해요, '지우'(이)라고도요"), "민준이라고 해요, '지우'라고도요");
/// assert_eq!(resolve("서울(으)로, 부산(으)로, 제주(으)로"), "서울로, 부산으로, 제주로");
/// assert_eq!(resolve("7을(를) 2을(를) Python을(를) SQL(으)로"), "7을 2를 Python을 SQL로");
/// assert_eq!(resolve("{name}은(는) 초코(이)에요"), "{name}은(는) 초코예요");
/// ```
pub fn resolve(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('(') {
        resolved.push_str(&rest[..open]);
        rest = &rest[open..];
        let taken = alternative(&mut resolved, rest).unwrap_or_else(|| {
            resolved.push('(');
            1
        });
        rest = &rest[taken..];
    }
    resolved.push_str(rest);
    resolved
}

/// The particles written as `FULL(SHORT)`: the form after a consonant, the alternative, the form after a vowel.
const PAIRS: [(char, &str, char); 5] = [
    ('은', "(는)", '는'),
    ('이', "(가)", '가'),
    ('을', "(를)", '를'),
    ('과', "(와)", '와'),
    ('아', "(야)", '야'),
];

/// Resolves the alternative at the start of `rest`, whose words before it stand in `resolved`; gives the bytes it took.
fn alternative(resolved: &mut String, rest: &str) -> Option<usize> {
    for (full, short, after_vowel) in PAIRS {
        if rest.starts_with(short) {
            let word = resolved.strip_suffix(full)?;
            if final_of(word)? == Final::Vowel {
                resolved.truncate(word.len());
                resolved.push(after_vowel);
            }
            return Some(short.len());
        }
    }
    if let Some(after) = rest.strip_prefix("(으)") {
        let ending = final_of(resolved)?;
        // 로, 로서, 로부터 follow ㄹ directly; so do the verb endings (으)ㄹ, (으)면, (으)니.
        if ending == Final::Consonant {
            resolved.push('으');
        }
        return Some(rest.len() - after.len());
    }
    let after = rest.strip_prefix("(이)")?;
    let vowel = final_of(resolved)? == Final::Vowel;
    // After a vowel 이 + 에 is written 예, 이 + 었 is 였, 이 + 어 is 여. 이 + 예 is the common misspelling of the first.
    for (stem, full, short) in
        [("에요", "이에요", "예요"), ("예요", "이에요", "예요"), ("었", "이었", "였"), ("어", "이어", "여")]
    {
        if after.starts_with(stem) {
            resolved.push_str(if vowel { short } else { full });
            return Some("(이)".len() + stem.len());
        }
    }
    if !vowel {
        resolved.push('이');
    }
    Some("(이)".len())
}

/// How the last word of `text` ends when it is read aloud; signs after it are passed over.
///
/// `None` when there is none, or when a `{slot}` stands there, whose word is not known yet.
///
/// ```
/// use artifact::particle::{Final, final_of};
///
/// assert_eq!(final_of("서울"), Some(Final::Rieul));
/// assert_eq!(final_of("30"), Some(Final::Consonant)); // 삼십
/// assert_eq!(final_of("{name}"), None);
/// ```
pub fn final_of(text: &str) -> Option<Final> {
    let mut word = text;
    loop {
        let last = word.chars().next_back()?;
        match last {
            '}' => return None,
            '%' | '℃' | '°' | '+' | '$' | '㎝' | '㎞' | '㎡' | '℉' => return Some(Final::Vowel),
            '#' | '㎏' | '㎎' | '£' => return Some(Final::Consonant),
            _ if last.is_whitespace() => return None,
            '가'..='힣' => return Some(hangul(last)),
            // The name of a consonant letter ends in that consonant (기역, 리을); a vowel letter is its own name.
            'ㄱ'..='ㅎ' => return Some(if last == 'ㄹ' { Final::Rieul } else { Final::Consonant }),
            'ㅏ'..='ㅣ' => return Some(Final::Vowel),
            '0'..='9' => return Some(number(word)),
            _ if last.is_ascii_alphabetic() => return Some(latin(word)),
            // Other scripts: a vowel is the best guess without a dictionary of readings.
            _ if last.is_alphanumeric() => return Some(Final::Vowel),
            _ => word = &word[..word.len() - last.len_utf8()],
        }
    }
}

/// A precomposed syllable is U+AC00 + (initial * 21 + vowel) * 28 + final; final 0 is none, 8 is ㄹ.
fn hangul(syllable: char) -> Final {
    match (syllable as u32 - 0xAC00) % 28 {
        0 => Final::Vowel,
        8 => Final::Rieul,
        _ => Final::Consonant,
    }
}

/// 영, 일, 이, 삼, ...; trailing zeros are read as the power of ten: 십, 백, 천, 만, 억, 조, 경, 해.
fn number(text: &str) -> Final {
    let digits: Vec<char> =
        text.chars().rev().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    let zeros = digits.iter().take_while(|digit| **digit == '0').count();
    let before = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    let fraction =
        before.strip_suffix('.').is_some_and(|whole| whole.ends_with(|c: char| c.is_ascii_digit()));
    if zeros == 0 {
        return match digits.first() {
            Some('1' | '7' | '8') => Final::Rieul,
            Some('3' | '6') => Final::Consonant,
            _ => Final::Vowel,
        };
    }
    // 조 (10^12) and 해 (10^20) end in a vowel; 영, 십, 백, 천, 만, 억 and 경 do not.
    let read_as_power = !fraction && zeros < digits.len();
    if read_as_power && matches!(zeros, 12..=15 | 20..=23) { Final::Vowel } else { Final::Consonant }
}

/// The word of Latin letters that ends `text`, by letter names (HTML, 에이치티엠엘) or by spelling (Python, 파이썬).
fn latin(text: &str) -> Final {
    let before = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let word = &text[before.len()..];
    if before.ends_with(|c: char| c.is_ascii_digit())
        && let Some(ending) = unit(word)
    {
        return ending;
    }
    let lower = word.to_ascii_lowercase();
    let spelt_out = word.len() == 1 || word.bytes().all(|b| b.is_ascii_uppercase());
    if spelt_out { letter(lower.as_bytes()[lower.len() - 1]) } else { spelling(lower.as_bytes()) }
}

/// Units of measure after a number, read in full: 5kg, 오 킬로그램.
fn unit(word: &str) -> Option<Final> {
    match word {
        "g" | "kg" | "mg" => Some(Final::Consonant),
        "m" | "cm" | "mm" | "km" | "l" | "L" | "ml" | "mL" => Some(Final::Vowel),
        _ => None,
    }
}

/// The names of letters: 엘 and 알 end in ㄹ, 엠 and 엔 in a nasal, the rest in a vowel (에이치, 제트).
fn letter(lower: u8) -> Final {
    match lower {
        b'l' | b'r' => Final::Rieul,
        b'm' | b'n' => Final::Consonant,
        _ => Final::Vowel,
    }
}

/// The ending of an English word as its Korean loanword has it, from its last letters in lower case.
///
/// l is ㄹ; m, n and ng are nasals; a stop (p, b, t, k, c) closes its syllable after a single vowel (robot, 로봇) and opens
/// a new one after a long vowel or a consonant (boat, 보트; Rust, 러스트); everything else opens one (class, 클래스). A silent
/// e leaves l, m and n as they are (Google, Chrome, phone).
fn spelling(word: &[u8]) -> Final {
    let is_vowel = |letter: u8| matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    match word {
        [.., b'l'] => Final::Rieul,
        [.., b'm' | b'n']
        | [.., b'n', b'g']
        | [.., b'c', b'k']
        | [.., b'o', b'o', b'k']
        | [.., b'p', b'p'] => Final::Consonant,
        [.., before, b'l', b'e'] if !matches!(before, b'e') => Final::Rieul,
        [.., vowel, b'm' | b'n', b'e'] if is_vowel(*vowel) => Final::Consonant,
        [.., first, vowel, b'p' | b'b' | b't' | b'k' | b'c'] if is_vowel(*vowel) && !is_vowel(*first) => {
            Final::Consonant
        }
        [vowel, b'p' | b'b' | b't' | b'k' | b'c'] if is_vowel(*vowel) => Final::Consonant,
        _ => Final::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(&resolve(text), expected, "of {text}");
        }
    }

    #[test]
    fn every_particle_after_vowel_consonant_and_rieul() {
        check(&[
            ("지우은(는) 민준은(는) 슬은(는)", "지우는 민준은 슬은"),
            ("지우이(가) 민준이(가) 슬이(가)", "지우가 민준이 슬이"),
            ("지우을(를) 민준을(를) 슬을(를)", "지우를 민준을 슬을"),
            ("지우과(와) 민준과(와) 슬과(와)", "지우와 민준과 슬과"),
            ("지우아(야) 민준아(야) 슬아(야)", "지우야 민준아 슬아"),
            ("지우(으)로 민준(으)로 슬(으)로", "지우로 민준으로 슬로"),
            ("지우(으)로는 민준(으)로서", "지우로는 민준으로서"),
            ("지우(이)라고 민준(이)라고 슬(이)라는", "지우라고 민준이라고 슬이라는"),
            ("지우(이)에요 민준(이)에요 슬(이)에요", "지우예요 민준이에요 슬이에요"),
            ("지우(이)예요 민준(이)예요", "지우예요 민준이에요"),
            ("지우(이)네요 민준(이)네요", "지우네요 민준이네요"),
            ("지우(이)군요 민준(이)군요", "지우군요 민준이군요"),
            ("지우(이)랑 민준(이)랑", "지우랑 민준이랑"),
            ("지우(이)나 민준(이)나", "지우나 민준이나"),
            ("지우(이)었어요 민준(이)었어요", "지우였어요 민준이었어요"),
            ("지우(이)어서 민준(이)어서", "지우여서 민준이어서"),
            ("지우(이) 민준(이)", "지우 민준이"),
        ]);
    }

    #[test]
    fn a_word_that_ends_like_a_particle() {
        check(&[
            ("가은은(는) 나은이(가)", "가은은 나은이"),
            ("태이이(가) 로이은(는)", "태이가 로이는"),
            ("세아아(야) 사과과(와)", "세아야 사과와"),
            ("마을을(를)", "마을을"),
        ]);
    }

    #[test]
    fn signs_between_word_and_particle() {
        check(&[
            ("'민준'은(는) \"지우\"은(는) ‘솔’(으)로", "'민준'은 \"지우\"는 ‘솔’로"),
            ("「바람」을(를) (나무)을(를) [강]과(와)", "「바람」을 (나무)를 [강]과"),
            ("좋아!을(를) 응?(이)라고", "좋아!를 응?이라고"),
        ]);
    }

    #[test]
    fn digits_as_they_are_read() {
        check(&[
            ("0(으)로 1(으)로 2(으)로 3(으)로 4(으)로", "0으로 1로 2로 3으로 4로"),
            ("5(으)로 6(으)로 7(으)로 8(으)로 9(으)로", "5로 6으로 7로 8로 9로"),
            ("10이(가) 100이(가) 1,000이(가) 20000이(가)", "10이 100이 1,000이 20000이"),
            ("1000000000000이(가) 10000000000000이(가)", "1000000000000가 10000000000000가"),
            ("2.0이(가) 2.5이(가) 50%이(가)", "2.0이 2.5가 50%가"),
            ("5kg을(를) 3km을(를) 20℃을(를)", "5kg을 3km를 20℃를"),
        ]);
    }

    #[test]
    fn latin_letters_as_they_are_read() {
        check(&[
            ("AI을(를) HTML을(를) SQL(으)로 PHP을(를)", "AI를 HTML을 SQL로 PHP를"),
            ("R(으)로 M(으)로 C(으)로 C++을(를) C#을(를)", "R로 M으로 C로 C++를 C#을"),
            ("Python을(를) Java을(를) Kotlin을(를) Go을(를)", "Python을 Java를 Kotlin을 Go를"),
            ("JavaScript을(를) Rust(으)로 Swift을(를) Ruby을(를)", "JavaScript를 Rust로 Swift를 Ruby를"),
            ("Google(으)로 Chrome(으)로 iPhone을(를) Apple을(를)", "Google로 Chrome으로 iPhone을 Apple을"),
            (
                "robot이(가) Slack이(가) app이(가) Facebook이(가) class이(가)",
                "robot이 Slack이 app이 Facebook이 class가",
            ),
        ]);
    }

    #[test]
    fn what_is_no_alternative_stays() {
        check(&[
            ("range(5)는 강(江)이 (잠시 후) f(x)", "range(5)는 강(江)이 (잠시 후) f(x)"),
            ("은(는)", "은(는)"),
            ("{name}은(는) '{city}'(으)로", "{name}은(는) '{city}'(으)로"),
            ("열린 (", "열린 ("),
            ("", ""),
        ]);
    }

    #[test]
    fn letters_alone() {
        check(&[("ㅋㅋ을(를) ㄹ(으)로 ㅠㅠ을(를)", "ㅋㅋ을 ㄹ로 ㅠㅠ를")]);
    }
}
