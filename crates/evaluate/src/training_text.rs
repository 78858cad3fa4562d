//! What was said in training, to look for it in replies.

use std::collections::HashMap;
use std::path::Path;

use artifact::Result;
use artifact::conversation::Split;
use artifact::shard;
use artifact::tokenizer::{ChatTokenizer, SPECIAL};

/// The distinct turns of the training split.
#[derive(Debug, Default)]
pub(crate) struct TrainingText {
    pub(crate) turns: Vec<Turn>,
}

/// Something said in training.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) text: String,
    /// The conversations that say it, each once, in order.
    pub(crate) conversations: Vec<u32>,
}

impl TrainingText {
    /// Reads the training split of a data directory; none where it has no tokens, as where somebody has kept the held-out
    /// conversations alone.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        if shard::files(dir, Split::Train)?.is_empty() {
            return Ok(None);
        }
        let tokenizer = ChatTokenizer::read(dir)?;
        let documents = shard::read_split(dir, Split::Train)?;
        let special: Vec<u32> = SPECIAL.iter().filter_map(|token| tokenizer.token_id(token)).collect();
        let mut places: HashMap<&[u32], usize> = HashMap::new();
        let mut turns: Vec<Turn> = Vec::new();
        for (number, document) in documents.starts.windows(2).enumerate() {
            let tokens = &documents.tokens[document[0]..document[1]];
            for said in tokens.split(|token| special.contains(token)).filter(|said| !said.is_empty()) {
                let place = *places.entry(said).or_insert(turns.len());
                if place == turns.len() {
                    turns.push(Turn {
                        text: tokenizer.decode(said).trim().to_owned(),
                        conversations: Vec::new(),
                    });
                }
                let conversations = &mut turns[place].conversations;
                if conversations.last() != Some(&(number as u32)) {
                    conversations.push(number as u32);
                }
            }
        }
        Ok(Some(Self { turns }))
    }

    /// The number of conversations that hold `text` within one turn.
    pub(crate) fn conversations_with(&self, text: &str) -> usize {
        let holding = self.turns.iter().filter(|turn| turn.text.contains(text));
        let mut conversations: Vec<u32> =
            holding.flat_map(|turn| turn.conversations.iter().copied()).collect();
        conversations.sort_unstable();
        conversations.dedup();
        conversations.len()
    }

    /// Whether some turn holds `text`.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.turns.iter().any(|turn| turn.text.contains(text))
    }
}
