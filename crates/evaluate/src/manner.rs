//! 해요체: whether a text keeps the polite informal style of Korean.

use std::sync::LazyLock;

use regex::Regex;

/// A sentence's end; `3~4` holds none.
static END: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?…\n]+|~+(\s|$)"));
/// What may follow the last word: a name that is called; brackets and quotes, laughter, tears and pictures.
static AFTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(,[^,]{1,8}님)?[^가-힣]*$"));
/// Words that stand by themselves in any style.
static INTERJECTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(네|예|아니|아|와|우와|음|저런|그럼|글쎄|맞아|좋아|정말|안녕|하하|헤헤|어머|오)$")
});

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are part of this program")
}

/// Whether all sentences of a text end in 해요체 (요, or 죠 for 지요); none where no sentence is Korean.
///
/// ```
/// use evaluate::manner::is_haeyo;
/// assert_eq!(is_haeyo("네! 반가워요. 뭐 드셨어요? ㅎㅎ"), Some(true));
/// assert_eq!(is_haeyo("반가워요. 뭐 먹었어?"), Some(false));
/// assert_eq!(is_haeyo("반갑습니다."), Some(false));
/// assert_eq!(is_haeyo("OK!"), None);
/// ```
pub fn is_haeyo(text: &str) -> Option<bool> {
    let sentences = END.split(text).map(|sentence| AFTER.replace(sentence, ""));
    let endings: Vec<bool> = sentences
        .map(|sentence| sentence.trim().to_owned())
        .filter(|sentence| !sentence.is_empty() && !INTERJECTION.is_match(sentence))
        .map(|sentence| sentence.ends_with(['요', '죠']))
        .collect();
    (!endings.is_empty()).then(|| endings.into_iter().all(|polite| polite))
}
