//! Words of a command line in which `{stage}` stands for a stage's output directory.

/// A word as the pipeline file has it, and its parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    /// What the file says.
    pub(crate) template: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Stage(String),
}

/// Whether a name can stand for a stage or a pipeline: it becomes a directory's name.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

impl Word {
    /// Splits a word: `{name}` is a stage, `{{name}}` is the text `{name}`, and every other brace is itself.
    pub(crate) fn parse(template: impl Into<String>) -> Self {
        let template = template.into();
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = template.as_str();
        while let Some(open) = rest.find('{') {
            text.push_str(&rest[..open]);
            rest = &rest[open..];
            if let Some(name) = name_between(rest, "{{", "}}") {
                text.extend(["{", name, "}"]);
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = name_between(rest, "{", "}") {
                pieces.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
                pieces.push(Piece::Stage(name.to_owned()));
                rest = &rest[name.len() + 2..];
            } else {
                text.push('{');
                rest = &rest[1..];
            }
        }
        text.push_str(rest);
        pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
        Self { template, pieces }
    }

    /// The stages that stand in the word.
    pub(crate) fn stages(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Stage(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The word with `directory(stage)` in the place of each stage.
    pub(crate) fn expand(&self, directory: impl Fn(&str) -> String) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Stage(name) => directory(name),
            })
            .collect()
    }
}

fn name_between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?;
    let name = &inner[..inner.find('}')?];
    (is_name(name) && inner[name.len()..].starts_with(close)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_in_braces_becomes_its_directory() {
        let check = |template: &str, stages: &[&str], expanded: &str| {
            let word = Word::parse(template);
            assert_eq!(word.stages().collect::<Vec<_>>(), stages, "{template}");
            assert_eq!(word.expand(|stage| format!("dir/{stage}")), expanded, "{template}");
        };
        check("{collect}", &["collect"], "dir/collect");
        check("gru={train-gru}/x", &["train-gru"], "gru=dir/train-gru/x");
        check("{a}{b}", &["a", "b"], "dir/adir/b");
        check("{{bot_name}}", &[], "{bot_name}");
        check("{{ user }} {\"a\": {\"b\": 1}}", &[], "{{ user }} {\"a\": {\"b\": 1}}");
        check("한글 {x} {", &["x"], "한글 dir/x {");
        check("", &[], "");
    }
}
