//! Special tokens in what people write.

use std::borrow::Cow;

/// The text without the texts of special tokens, which would let its writer end a turn and open another's. What
/// is left holds none, also where removing one has brought another together; the time is linear in the text.
pub fn without_special<'a, S: AsRef<str>>(text: &'a str, specials: &[S]) -> Cow<'a, str> {
    let specials = specials.iter().map(AsRef::as_ref).filter(|special| !special.is_empty());
    if !specials.clone().any(|special| text.contains(special)) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    for character in text.chars() {
        kept.push(character);
        // The text before was free of them, so that one that appears now ends here.
        if let Some(special) = specials.clone().find(|special| kept.ends_with(*special)) {
            kept.truncate(kept.len() - special.len());
        }
    }
    Cow::Owned(kept)
}
