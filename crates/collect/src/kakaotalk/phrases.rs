//! What `KakaoTalk` itself writes: in the stead of media, of what was deleted, and about who came and went.

use std::collections::HashSet;

use crate::chat::Kind;

/// Whole texts that stand for media and calls.
const MEDIA: [&str; 35] = [
    "사진",
    "동영상",
    "이모티콘",
    "음성메시지",
    "음성 메시지",
    "지도",
    "연락처",
    "카카오톡 프로필",
    "삭제된 파일",
    "보이스톡 해요",
    "보이스톡 취소",
    "보이스톡 부재중",
    "보이스톡 거절",
    "페이스톡 해요",
    "페이스톡 취소",
    "페이스톡 부재중",
    "페이스톡 거절",
    "그룹콜 해요",
    "그룹콜 종료",
    "그룹 보이스톡 해요",
    "라이브톡 시작",
    "라이브톡 종료",
    "선물과 메시지를 보냈습니다.",
    "Photo",
    "Photos",
    "Video",
    "Videos",
    "Emoticon",
    "Emoticons",
    "Sticker",
    "Voice Message",
    "Voice Note",
    "Audio",
    "Map",
    "Contact",
];

/// What media begin with when a name or an address follows.
const MEDIA_PREFIXES: [&str; 8] =
    ["파일: ", "파일 : ", "File: ", "지도: ", "Map: ", "연락처: ", "Contact: ", "샵검색: "];

const DELETED: [&str; 6] = [
    "삭제된 메시지입니다.",
    "메시지가 삭제되었습니다.",
    "The message has been deleted.",
    "This message was deleted.",
    "관리자가 메시지를 가렸습니다.",
    "채팅방 관리자가 메시지를 가렸습니다.",
];

/// How a sentence about a person ends, after their name.
const EVENTS: [&str; 17] = [
    "님이 나갔습니다.",
    "님이 들어왔습니다.",
    "님을 초대했습니다.",
    "님을 초대하였습니다.",
    "님을 내보냈습니다.",
    "님을 내보내기 했습니다.",
    "님이 내보내졌습니다.",
    "님이 방장이 되었습니다.",
    "님이 부방장이 되었습니다.",
    "님이 부방장에서 해제되었습니다.",
    " left this chatroom.",
    " joined this chatroom.",
    " has left this chatroom.",
    " has joined this chatroom.",
    " left.",
    " joined.",
    " was removed from this chatroom.",
];

/// Characters at which mobile exports cut a message.
const CUT: usize = 500;

/// What a message is, by its text; one of exactly [`CUT`] characters has lost its end.
pub(super) fn kind(text: &str) -> Kind {
    match kind_uncut(text) {
        Kind::Words if text.len() >= CUT && text.chars().count() == CUT => Kind::Cut,
        kind => kind,
    }
}

/// What a message is where the export cuts none.
pub(super) fn kind_uncut(text: &str) -> Kind {
    let text = text.trim();
    if text.is_empty() {
        Kind::Empty
    } else if is_deleted(text) {
        Kind::Deleted
    } else if is_media(text) {
        Kind::Media
    } else {
        Kind::Words
    }
}

/// Whether a text stands for a message that was deleted or hidden.
pub(super) fn is_deleted(text: &str) -> bool {
    DELETED.contains(&text.trim())
}

fn is_media(text: &str) -> bool {
    MEDIA.contains(&text)
        || MEDIA_PREFIXES.iter().any(|prefix| text.starts_with(prefix) && !text.contains('\n'))
        || is_counted(text)
        || is_unread(text)
        || is_hashed(text)
        || is_call(text)
}

/// `사진 3장`, `3 photos`, `Photos 3`
fn is_counted(text: &str) -> bool {
    let korean = text.strip_prefix("사진 ").and_then(|rest| rest.strip_suffix("장"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    korean.is_some_and(number)
        || ["photos", "Photos"].iter().any(|word| {
            let (before, after) = (text.strip_suffix(word), text.strip_prefix(word));
            before.is_some_and(|rest| number(rest.trim_end()))
                || after.is_some_and(|rest| number(rest.trim_start()))
        })
}

/// `<사진 읽지 않음>`: media that were never loaded.
fn is_unread(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|inner| {
        let what = inner.strip_suffix(" 읽지 않음").or_else(|| inner.strip_suffix(" not read"));
        what.is_some_and(|what| !what.is_empty() && !what.contains(['<', '>', '\n']))
    })
}

/// 64 hexadecimal digits and an extension: the name of a picture beside the text.
fn is_hashed(text: &str) -> bool {
    text.split_once('.').is_some_and(|(name, extension)| {
        name.len() == 64
            && name.bytes().all(|byte| byte.is_ascii_hexdigit())
            && (2..=4).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// `보이스톡 1:05`: how long a call took.
fn is_call(text: &str) -> bool {
    let clock = ["보이스톡 ", "페이스톡 ", "그룹콜 "].iter().find_map(|prefix| text.strip_prefix(prefix));
    clock.is_some_and(|clock| {
        clock.contains(':') && clock.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    })
}

/// Whether a line without time or sender is the program's: the name in it is that of somebody who speaks, or a
/// single word. Otherwise it may be anybody's sentence, at the end of a longer message.
pub(super) fn is_system(line: &str, names: &HashSet<&str>) -> bool {
    if is_deleted(line) {
        return true;
    }
    let named = |who: &str| !who.is_empty() && (names.contains(who) || !who.contains(char::is_whitespace));
    if let Some((who, rest)) = line.split_once("님이 ")
        && named(who)
        && (rest.ends_with("님을 초대했습니다.") || rest.ends_with("님을 초대하였습니다."))
    {
        return true;
    }
    if let Some((who, whom)) = line.split_once(" invited ") {
        return named(who) && names.contains(who) && whom.ends_with('.');
    }
    EVENTS.iter().any(|event| line.strip_suffix(event).is_some_and(named))
}

/// Whether a text is a sentence of the program about somebody.
pub(super) fn is_event(text: &str) -> bool {
    EVENTS.iter().any(|event| text.strip_suffix(event).is_some_and(|who| !who.is_empty()))
        || (text.contains(" invited ") && text.ends_with('.'))
        || is_deleted(text)
}

/// Whether a text is such a sentence about this person.
pub(super) fn is_event_of(text: &str, who: &str) -> bool {
    let Some(rest) = text.strip_prefix(who).filter(|_| !who.is_empty()) else { return false };
    EVENTS.contains(&rest)
        || (rest.starts_with("님이 ")
            && (rest.ends_with("님을 초대했습니다.") || rest.ends_with("님을 초대하였습니다.")))
        || (rest.starts_with(" invited ") && rest.ends_with('.'))
}
