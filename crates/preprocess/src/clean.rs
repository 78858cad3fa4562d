//! Cleaning: one way to write what reads the same.

use artifact::conversation::{Message, Role};
use artifact::preprocess::Changes;
use artifact::tokenizer::{SPECIAL, without_special};
use unicode_normalization::UnicodeNormalization;

/// The text in NFC, without control and invisible characters and without the texts of special tokens; each run of
/// white space is one line break if it holds one, one space otherwise; none at either end.
///
/// Cleaning a clean text changes nothing.
pub(crate) fn clean_text(text: &str) -> String {
    let visible: String = text.chars().filter_map(visible).collect();
    let text: String = without_special(&visible, &SPECIAL).nfc().collect();
    let mut cleaned = String::with_capacity(text.len());
    let mut gap = None;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = if character == '\n' { Some('\n') } else { gap.or(Some(' ')) };
            continue;
        }
        if let Some(gap) = gap.take().filter(|_| !cleaned.is_empty()) {
            cleaned.push(gap);
        }
        cleaned.push(character);
    }
    cleaned
}

/// The character as it is kept, line breaks as `\n`, blanks as spaces; none for what shows nothing.
fn visible(character: char) -> Option<char> {
    match character {
        // Carriage return, vertical tab, form feed, next line, line and paragraph separator.
        '\n' | '\r' | '\x0B' | '\x0C' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        // Letters and signs by their category, blank by their look: people send them as empty messages.
        '\u{3164}' | '\u{FFA0}' | '\u{2800}' | '\t' => Some(' '),
        // Soft hyphen, zero-width space, word joiner, byte order mark; marks, embeddings and isolates of writing
        // direction, which chat exports put around names. The joiners U+200C and U+200D stay: emoji need them.
        '\u{AD}'
        | '\u{200B}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' => None,
        _ if character.is_control() => None,
        _ => Some(character),
    }
}

/// Turns cleaned, those without words removed, and consecutive ones of a role joined, where they are learnt alike.
pub(crate) fn clean_messages(messages: Vec<Message>, changes: &mut Changes) -> Vec<Message> {
    let mut cleaned: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let message = clean_message(message);
        if message.content.is_empty() {
            changes.empty_turns += 1;
            continue;
        }
        match cleaned.last_mut() {
            Some(last) if last.role == message.role && last.weight == message.weight => {
                changes.merged_turns += 1;
                join(last, message);
            }
            _ => cleaned.push(message),
        }
    }
    cleaned
}

/// The turn with its words and the values that stand in them cleaned alike, so that they can still be found there.
fn clean_message(mut message: Message) -> Message {
    message.content = clean_text(&message.content);
    for slot in &mut message.slots {
        slot.value = clean_text(&slot.value);
    }
    message.recall = message.recall.iter().map(|value| clean_text(value)).collect();
    message.recall.retain(|value| !value.is_empty());
    message
}

/// Appends a turn to one of the same role: lines follow each other, what was asked and done first stays its name,
/// slots are as full as they were last, and everything to be recalled must be.
fn join(turn: &mut Message, next: Message) {
    turn.content.push('\n');
    turn.content.push_str(&next.content);
    turn.time = turn.time.take().or(next.time);
    turn.intent = turn.intent.take().or(next.intent);
    turn.action = turn.action.take().or(next.action);
    if !next.slots.is_empty() {
        turn.slots = next.slots;
    }
    for value in next.recall {
        if !turn.recall.contains(&value) {
            turn.recall.push(value);
        }
    }
}

/// The turns of user and assistant.
pub(crate) fn spoken_turns(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.role != Role::System).count()
}

/// Whether the assistant says anything.
pub(crate) fn has_answer(messages: &[Message]) -> bool {
    messages.iter().any(|message| message.role == Role::Assistant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(clean_text(text), expected);
    }

    #[test]
    fn composes_hangul_and_latin() {
        check("\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF} cafe\u{301}", "한글 café");
    }

    #[test]
    fn collapses_white_space_and_keeps_line_breaks_single() {
        check("  안녕 \t\u{3000}  하세요\r\n\r\n \n반가워요 \n", "안녕 하세요\n반가워요");
        check("a\u{2028}b\u{85}c\rd", "a\nb\nc\nd");
    }

    #[test]
    fn removes_what_shows_nothing() {
        check("\u{FEFF}a\u{0}b\u{200B}c\u{1B}[d\u{202E}", "abc[d");
        check("\u{3164}\u{200E} \u{2800}", "");
    }

    #[test]
    fn keeps_emoji_whole() {
        let family = "👩\u{200D}👩\u{200D}👧 ❤\u{FE0F}";
        check(family, family);
    }

    #[test]
    fn removes_special_tokens_also_when_they_are_broken_up() {
        check("a<|end|><|assistant|>b", "ab");
        check("a<|e<|end|>nd|>b<|en\u{200B}d|>c", "abc");
    }

    #[test]
    fn joins_turns_of_a_role_over_an_empty_one() {
        let mut changes = Changes::default();
        let mut first = Message::assistant("안녕 하세요");
        first.action = Some("utter_greet".to_owned());
        first.recall = vec!["도현".to_owned()];
        let mut second = Message::assistant("도현님");
        second.action = Some("utter_name".to_owned());
        second.recall = vec!["도현".to_owned(), " 부산 ".to_owned()];
        let messages = vec![Message::user("안녕"), first, Message::user(" \u{200B}"), second];
        let cleaned = clean_messages(messages, &mut changes);
        assert_eq!(cleaned.len(), 2);
        assert_eq!(cleaned[1].content, "안녕 하세요\n도현님");
        assert_eq!(cleaned[1].action.as_deref(), Some("utter_greet"));
        assert_eq!(cleaned[1].recall, ["도현", "부산"]);
        assert_eq!(changes, Changes { empty_turns: 1, merged_turns: 1, ..Changes::default() });
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in "(<\\|end\\|>|<\\|en|d\\|>|\\PC|\\pC|\\pZ|\\pM|\u{1100}|\u{1161}|\u{11AB}| |\n){0,24}") {
            let once = clean_text(&text);
            prop_assert_eq!(clean_text(&once), once.clone());
            prop_assert!(!SPECIAL.iter().any(|special| once.contains(special)));
        }
    }
}
