//! Bytes to text: UTF-8, UTF-16 and CP949, told by the bytes themselves.

use std::path::Path;

use artifact::{Error, Place, Result};
use encoding_rs::{EUC_KR, Encoding, UTF_16BE, UTF_16LE};
use fs_err as fs;

/// The largest file that is read whole, in bytes. The longest chats are tens of megabytes; what is larger is no chat,
/// or belongs into a format that is read line by line.
pub(crate) const LARGEST: u64 = 512 << 20;

/// The byte order mark of UTF-8.
pub(crate) const MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads a file as text.
///
/// # Errors
/// When it is larger than [`LARGEST`], or no text in a known encoding.
pub(crate) fn read(path: &Path) -> Result<String> {
    refuse_large(path, fs::metadata(path)?.len(), LARGEST)?;
    text(path, fs::read(path)?)
}

/// # Errors
/// When a file, or what an archive unpacks to, has more than `most` bytes.
pub(crate) fn refuse_large(path: &Path, bytes: u64, most: u64) -> Result<()> {
    if bytes <= most {
        return Ok(());
    }
    let mebibytes = most >> 20;
    Err(Error::malformed(path, format!("at most {mebibytes} MiB"), format!("{bytes} bytes"))
        .with_hint("divide it into several files and give each to --source"))
}

/// Decodes bytes, without their byte order mark; `path` is the file to name.
///
/// What is valid UTF-8 is UTF-8; what is not is UTF-16 where half of the bytes of its first characters are zero, and
/// CP949 (which holds EUC-KR) otherwise.
///
/// # Errors
/// With the line of the first byte that is none of them.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String> {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes)
        && encoding != encoding_rs::UTF_8
    {
        return utf16(path, encoding, &bytes[mark..]);
    }
    if let Some(encoding) = unmarked_utf16(&bytes) {
        return utf16(path, encoding, &bytes);
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(text)
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            cp949(&bytes, valid).ok_or_else(|| not_text(path, &bytes, valid))
        }
    }
}

/// The bytes as CP949, unless UTF-8 with a damaged byte is likelier: in CP949 the first non-ASCII characters are hardly
/// ever three-byte sequences of UTF-8.
fn cp949(bytes: &[u8], valid: usize) -> Option<String> {
    if bytes[..valid].iter().any(|byte| *byte >= 0xE0) {
        return None;
    }
    EUC_KR.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
}

fn utf16(path: &Path, encoding: &'static Encoding, bytes: &[u8]) -> Result<String> {
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    decoded
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::malformed(path, "text in UTF-16, as the file begins", "half a character"))
}

/// UTF-16 without a byte order mark, told by the zero bytes of its spaces, digits and line breaks; text in other
/// encodings has none.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096) & !1];
    let zeros = |start: usize| head.iter().skip(start).step_by(2).filter(|byte| **byte == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    let some = head.len() / 32 + 1;
    // 가 is U+AC00: letters have some zeros in their other half, too.
    if low >= some && low > 3 * high {
        Some(UTF_16LE)
    } else if high >= some && high > 3 * low {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn not_text(path: &Path, bytes: &[u8], valid: usize) -> Error {
    let line = bytes[..valid].split(|byte| *byte == b'\n').count();
    let found = format!("the byte 0x{:02x}", bytes[valid]);
    Error::at(path, Place::Line(line), "text in UTF-8, UTF-16 or CP949", found)
        .with_hint("save the file as UTF-8")
}

/// Whether the beginning of a file is UTF-8; its last character may be cut.
pub(crate) fn is_utf8(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => unmarked_utf16(head).is_none(),
        Err(error) => error.error_len().is_none(),
    }
}

/// The beginning of a file as text, for telling its format; a character that the end cuts is left out.
pub(crate) fn head(bytes: &[u8]) -> String {
    // Up to the last line break, which cuts no character, where there is one.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let odd_half = usize::from(Encoding::for_bom(bytes).is_some_and(|(encoding, _)| encoding == UTF_16LE));
    let whole = &bytes[..(end + odd_half).min(bytes.len())];
    text(Path::new(""), whole.to_vec()).unwrap_or_else(|_| String::from_utf8_lossy(whole).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: &str = "가람 님과 카카오톡 대화\r\n똠방각하 123\n";

    #[track_caller]
    fn check(bytes: Vec<u8>) {
        assert_eq!(text(Path::new("x"), bytes).unwrap(), TALK);
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let utf16 = |encode: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{TALK}").encode_utf16().flat_map(encode).collect()
        };
        check(TALK.as_bytes().to_vec());
        check(format!("\u{feff}{TALK}").into_bytes());
        for mark in ["", "\u{feff}"] {
            check(utf16(u16::to_le_bytes, mark));
            check(utf16(u16::to_be_bytes, mark));
        }
        check(EUC_KR.encode(TALK).0.into_owned());
    }

    #[test]
    fn a_damaged_byte_is_told_and_not_read_as_another_encoding() {
        let mut bytes = TALK.as_bytes().to_vec();
        let last = bytes.len() - 8;
        bytes[last] = 0xFF;
        let error = text(Path::new("talk.txt"), bytes).unwrap_err().to_string();
        assert!(error.starts_with("talk.txt:2: expected text in UTF-8"), "{error}");
        assert!(text(Path::new("x"), vec![b'a', 0xFF, 0xFF]).is_err());
    }
}
