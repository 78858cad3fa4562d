//! E-mail addresses, links that open something for whoever has them, handles.

use std::sync::LazyLock;

use artifact::preprocess::PrivateKind;
use regex::Regex;

use crate::Found;

/// `a.b@example.com`, also with blanks around the sign, or with the sign and the point in words.
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    let sign = r"(?:\s?[@＠]\s?|\s?[\(\[\{]\s?(?:at|앳|골뱅이)\s?[\)\]\}]\s?|\s?골뱅이\s?)";
    let point = r"(?:\.|\s?[\(\[\{]\s?(?:dot|점|닷)\s?[\)\]\}]\s?|\s?(?:닷|쩜)\s?)";
    let spelled = r"[A-Za-z0-9][A-Za-z0-9._+-]*\s(?:at|AT)\s[A-Za-z0-9-]+(?:\s(?:dot|DOT)\s[A-Za-z]{2,})+";
    let usual = format!(
        r"[A-Za-z0-9][A-Za-z0-9._%+-]*{sign}[A-Za-z0-9-]+(?:{point}[A-Za-z0-9-]+)*{point}[A-Za-z]{{2,}}"
    );
    Regex::new(&format!("{usual}|{spelled}")).expect("a pattern of our own")
});

static LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:https?://|www\.)[^\s<>"'가-힣]+"#).expect("a pattern of our own")
});

/// What makes a link a key: a secret in its query, a name before its host, an invitation, a signed token.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let query = r"[?&#;](?:[\w.-]*(?:token|secret|password|passwd|signature|session|credential|key)|auth|sig|sid|pwd|pw|code|otp|jwt|invite|x-amz-[a-z]+)=[^&\s]{4,}";
    let user = r"://[^/\s:@]+:[^/\s@]+@";
    let invitation = r"(?:open\.kakao\.com/o/|discord\.gg/|discord(?:app)?\.com/invite/|t\.me/(?:\+|joinchat/)|chat\.whatsapp\.com/|zoom\.us/j/|meet\.google\.com/)[\w?=-]{5,}";
    let signed = r"eyJ[\w-]{8,}\.[\w-]{8,}";
    Regex::new(&format!("(?i){query}|{user}|{invitation}|{signed}")).expect("a pattern of our own")
});

static HANDLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[@＠][A-Za-z가-힣_][A-Za-z0-9_.가-힣]{1,29}").expect("a pattern of our own")
});

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    if text.contains(['@', '＠'])
        || text.contains("골뱅이")
        || text.contains(['(', '[', '{'])
        || text.contains(" dot ")
        || text.contains(" DOT ")
    {
        for hit in EMAIL.find_iter(text) {
            found.push(Found { kind: PrivateKind::Email, range: hit.range() });
        }
        for hit in HANDLE.find_iter(text) {
            let before = text[..hit.start()].chars().next_back();
            // A dot ends a sentence.
            let end = hit.start() + hit.as_str().trim_end_matches('.').len();
            if before.is_none_or(|before| !before.is_alphanumeric() && !"./@_".contains(before))
                && end - hit.start() > 2
            {
                found.push(Found { kind: PrivateKind::Handle, range: hit.start()..end });
            }
        }
    }
    if text.contains("://") || text.to_ascii_lowercase().contains("www.") {
        for hit in LINK.find_iter(text) {
            let link = hit.as_str().trim_end_matches(['.', ',', ')', ']', '!', '?']);
            if SECRET.is_match(link) {
                found.push(Found { kind: PrivateKind::Link, range: hit.start()..hit.start() + link.len() });
            }
        }
    }
}
