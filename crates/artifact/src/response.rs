//! Response templates: `responses.jsonl`, every response that a source's actions may give.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Slot;
use crate::json::{self, LinesWriter};
use crate::{Result, particle};

/// The file's name in a directory of conversations or of prepared data.
pub const FILE: &str = "responses.jsonl";

/// One way to carry out an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseTemplate {
    /// The action's name in the source.
    pub action: String,
    /// What is said, with `{slot}` where a value goes, and both forms of a particle after it: `{name}은(는)`.
    pub text: String,
}

impl ResponseTemplate {
    /// The names of the slots it needs, in order; one that it repeats comes once.
    ///
    /// ```
    /// # use artifact::response::ResponseTemplate;
    /// let template = ResponseTemplate { action: "utter_hello".into(), text: "{name}님, {city}은(는) 어때요?".into() };
    /// assert_eq!(template.slots(), ["name", "city"]);
    /// ```
    pub fn slots(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in pieces(&self.text) {
            if let Piece::Slot(name) = piece
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The text with the slots' values and its particles resolved; `None` when a slot is missing.
    ///
    /// ```
    /// # use artifact::{conversation::Slot, response::ResponseTemplate};
    /// let template = ResponseTemplate { action: "utter_hello".into(), text: "{name}(이)라고 하셨어요.".into() };
    /// let slots = [Slot { name: "name".into(), value: "지우".into() }];
    /// assert_eq!(template.fill(&slots).as_deref(), Some("지우라고 하셨어요."));
    /// assert_eq!(template.fill(&[]), None);
    /// ```
    pub fn fill(&self, slots: &[Slot]) -> Option<String> {
        let mut text = String::with_capacity(self.text.len());
        for piece in pieces(&self.text) {
            text.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Slot(name) => &slots.iter().find(|slot| slot.name == name)?.value,
            });
        }
        Some(particle::resolve(&text))
    }
}

/// A part of a template.
enum Piece<'a> {
    Text(&'a str),
    Slot(&'a str),
}

/// Splits at `{name}`; braces around anything but a name (letters, digits, `_`) are text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = slot(rest) {
            rest = after;
            return Some(Piece::Slot(name));
        }
        let next = rest.match_indices('{').map(|(at, _)| at).find(|at| slot(&rest[*at..]).is_some());
        let (piece, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Piece::Text(piece))
    })
}

/// The name in a `{name}` at the start of `text`, and what follows.
fn slot(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, after))
}

/// Reads the templates of a directory; none when it has no such file.
pub fn read(dir: &Path) -> Result<Vec<ResponseTemplate>> {
    let path = dir.join(FILE);
    if path.exists() { json::lines(&path)?.collect() } else { Ok(Vec::new()) }
}

/// Writes the templates into a directory.
pub fn write(dir: &Path, templates: &[ResponseTemplate]) -> Result<()> {
    let mut lines = LinesWriter::create(&dir.join(FILE))?;
    for template in templates {
        lines.write(template)?;
    }
    lines.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> ResponseTemplate {
        ResponseTemplate { action: "utter_test".into(), text: text.into() }
    }

    #[test]
    fn fills_repeated_and_adjacent_slots() {
        let slots = [("a", "강"), ("b", "바다")]
            .map(|(name, value)| Slot { name: name.to_owned(), value: value.to_owned() });
        let filled = template("{a}과(와) {b}과(와) {a}{b}을(를)").fill(&slots);
        assert_eq!(filled.as_deref(), Some("강과 바다와 강바다를"));
    }

    #[test]
    fn braces_around_other_things_are_text() {
        let text = "{ x } {} {이름} { {a b} 끝 {";
        assert_eq!(template(text).slots(), ["이름"]);
        let slots = [Slot { name: "이름".into(), value: "{a}".into() }];
        assert_eq!(template(text).fill(&slots).as_deref(), Some("{ x } {} {a} { {a b} 끝 {"));
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_where_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        let templates = [template("안녕하세요"), template("{name}님")];
        write(dir.path(), &templates).unwrap();
        assert_eq!(read(dir.path()).unwrap(), templates);
    }
}
