//! The words into which byte-level BPE divides a text before it merges anything: those of GPT-2 (Radford et al. 2019).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};
use tokenizers::normalizers::NFC;
use tokenizers::{NormalizedString, Normalizer};

/// What a character is to the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
    Other,
}

/// The kind of each code point, by the same Unicode tables that the library's pattern has.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = vec![Kind::Other; char::MAX as usize + 1];
    for (pattern, kind) in [(r"\p{L}", Kind::Letter), (r"\p{N}", Kind::Number), (r"\s", Kind::Space)] {
        let class = regex_syntax::parse(pattern).expect("a pattern of our own");
        let HirKind::Class(Class::Unicode(class)) = class.kind() else {
            unreachable!("a class of Unicode is parsed as one")
        };
        for range in class.ranges() {
            kinds[range.start() as usize..=range.end() as usize].fill(kind);
        }
    }
    kinds
});

fn kind(character: char) -> Kind {
    KINDS[character as usize]
}

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The words of a text, in order and without a gap: the matches of
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(first_word(rest));
        rest = after;
        Some(word)
    })
}

/// The bytes of the first word of a text that is not empty.
fn first_word(text: &str) -> usize {
    if let Some(contraction) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction)) {
        return contraction.len();
    }
    let blank = usize::from(text.starts_with(' '));
    let run = |of: Kind| {
        let mut characters = text[blank..].char_indices();
        characters.find(|(_, character)| kind(*character) != of).map_or(text.len(), |(end, _)| blank + end)
    };
    match text[blank..].chars().next().map(kind) {
        Some(of @ (Kind::Letter | Kind::Number | Kind::Other)) => run(of),
        // White space: the last of it belongs to what follows, or is a word if it is alone.
        Some(Kind::Space) | None => {
            let end = text.find(|character| kind(character) != Kind::Space).unwrap_or(text.len());
            let last = text[..end].chars().next_back().map_or(0, char::len_utf8);
            if end == text.len() || end == last { end } else { end - last }
        }
    }
}

/// The text in NFC. What is not yet, the library composes, whose Unicode may be another one than ours.
pub fn composed(text: &str) -> Cow<'_, str> {
    if unicode_normalization::is_nfc(text) {
        return Cow::Borrowed(text);
    }
    let mut normalized = NormalizedString::from(text);
    NFC.normalize(&mut normalized).expect("NFC refuses no text");
    Cow::Owned(normalized.get().to_owned())
}

/// The character that stands for each byte in a vocabulary: itself where it can be seen, and otherwise the next from
/// U+0100 on.
pub fn byte_characters() -> [char; 256] {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        if let byte @ (b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) = byte as u8 {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).expect("far below the surrogates")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;

    /// The words of the library, in the characters that stand for bytes.
    fn of_library(text: &str) -> Vec<String> {
        let mut words = PreTokenizedString::from(text);
        ByteLevel::new(false, false, true).pre_tokenize(&mut words).unwrap();
        let splits = words.get_splits(OffsetReferential::Original, OffsetType::None);
        splits.into_iter().map(|(word, _, _)| word.to_owned()).collect()
    }

    fn check(text: &str) {
        let characters = byte_characters();
        let ours: Vec<String> =
            words(text).map(|word| word.bytes().map(|byte| characters[byte as usize]).collect()).collect();
        assert_eq!(ours, of_library(text), "{text:?}");
    }

    #[test]
    fn words_are_those_of_the_library() {
        for text in [
            "",
            " ",
            "  a",
            "a  ",
            "I'll we've don't 'twas",
            " 's",
            "\n\n가 나",
            "a\u{3000}\u{3000}b",
            "1½ ²x",
            "ㅋㅋ!!! ㅠ",
            "a\u{301}",
            "'re're",
        ] {
            check(text);
        }
        // Every character of the first two planes, beside a letter, a digit and a blank.
        let all: String = (0..0x20000).filter_map(char::from_u32).collect();
        check(&all);
        check(&all.chars().flat_map(|character| ['a', character, '1', character, ' ']).collect::<String>());
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_library_for_any_text(text in "('|s|t|re|ve|m|ll|d| |\\s|\\pL|\\pN|\\PC|가|1){0,24}") {
            check(&text);
        }
    }
}
