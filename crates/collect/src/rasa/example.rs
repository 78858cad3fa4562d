//! A phrasing of an intent: text with gaps where entities stand, `제 이름은 [민준](name)(이)에요`.

/// A phrasing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example {
    parts: Vec<Part>,
    /// What two phrasings share when they differ in spaces, punctuation or entity values only.
    pub(super) key: String,
}

/// A piece of a phrasing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// A value of the entity `name`, with the one that the source writes.
    Entity {
        name: String,
        written: String,
    },
}

impl Example {
    /// Reads Rasa's notation: `[value](entity)`, `[value](entity:synonym)`, `[value]{"entity": "name", ...}`.
    ///
    /// # Errors
    /// What was found where a notation is begun and not ended.
    pub(super) fn parse(text: &str, bot_name: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('[') {
            plain.push_str(&rest[..open]);
            rest = &rest[open..];
            let annotated = rest.split_once(']').filter(|(_, after)| after.starts_with(['(', '{']));
            let Some((written, after)) = annotated else {
                plain.push('[');
                rest = &rest[1..];
                continue;
            };
            let (name, after) = entity(after).ok_or_else(|| format!("`{rest}`"))?;
            push_text(&mut parts, &mut plain, bot_name);
            parts.push(Part::Entity { name, written: written[1..].to_owned() });
            rest = after;
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain, bot_name);
        let key = key_of(&parts);
        Ok(Self { parts, key })
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of its entities, in order.
    pub(super) fn entities(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Entity { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String, bot_name: &str) {
    if !plain.is_empty() {
        parts.push(Part::Text(plain.replace(super::BOT_NAME, bot_name)));
        plain.clear();
    }
}

/// The entity's name in what follows `[value]`, and the rest of the text.
fn entity(after: &str) -> Option<(String, &str)> {
    if let Some(inner) = after.strip_prefix('(') {
        let (name, rest) = inner.split_once(')')?;
        let name = name.split(':').next().unwrap_or_default().trim();
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let (object, rest) = after.split_at(after.find('}')? + 1);
    let object: serde_json::Value = serde_json::from_str(object).ok()?;
    Some((object.get("entity")?.as_str()?.to_owned(), rest))
}

fn key_of(parts: &[Part]) -> String {
    let text: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => key_of_text(text),
            Part::Entity { name, .. } => format!("{{{name}}}"),
        })
        .collect();
    text
}

/// The letters and digits of a text, in lower case; the text itself where it has none.
pub(super) fn key_of_text(text: &str) -> String {
    let key: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if key.is_empty() { text.trim().to_owned() } else { key }
}
