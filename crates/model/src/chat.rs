//! A model with its tokenizer: from messages to a reply.

use std::path::Path;

use artifact::config::GenerationConfig;
use artifact::conversation::{Message, Role};
use artifact::tokenizer::{ChatTokenizer, TextStream};
use artifact::{Error, Result};

use crate::generate::{FinishReason, Tokens};
use crate::{LanguageModel, Model};

/// Tokens of the context that a prompt leaves free for the reply.
const ROOM_FOR_REPLY: usize = 16;

/// The seed of the reply to a talk of so many messages: each turn draws anew, and the whole talk repeats for its seed,
/// wherever it is held.
pub fn seed_of_turn(seed: u64, messages: usize) -> u64 {
    seed.wrapping_add(messages as u64)
}

/// A trained model that answers conversations.
pub struct Chat {
    /// The network or the counts.
    pub model: Box<dyn LanguageModel>,
    /// Its tokenizer and chat template.
    pub tokenizer: ChatTokenizer,
    /// How it samples unless told otherwise.
    pub generation: GenerationConfig,
}

impl Chat {
    /// Reads a model directory.
    pub fn read(dir: &Path) -> Result<Self> {
        let model = Model::read(dir)?.into_language_model();
        let tokenizer = ChatTokenizer::read(dir)?;
        let generation = GenerationConfig::read(dir)?;
        if tokenizer.vocab_size() > model.vocab_size() {
            return Err(Error::malformed(
                dir,
                format!("a tokenizer of at most the model's {} tokens", model.vocab_size()),
                tokenizer.vocab_size().to_string(),
            ));
        }
        Ok(Self { model, tokenizer, generation })
    }

    /// The most tokens of a prompt: what the context holds, but for some room for the reply.
    pub fn longest_prompt(&self) -> usize {
        self.model.context_length().saturating_sub(ROOM_FOR_REPLY).max(1)
    }

    /// The prompt for the next turn, without the oldest turns where all of them would not fit; and how many
    /// messages were left out. A system message stays.
    ///
    /// # Errors
    /// [`Error::Refused`] when even the last message alone is too long.
    pub fn prompt(&self, messages: &[Message]) -> Result<(Vec<u32>, usize)> {
        let limit = self.longest_prompt();
        let system = usize::from(messages.first().is_some_and(|first| first.role == Role::System));
        let without = |dropped: usize| {
            let kept: Vec<Message> =
                messages[..system].iter().chain(&messages[system + dropped..]).cloned().collect();
            self.tokenizer.prompt(&kept)
        };
        let whole = without(0)?;
        if whole.len() <= limit {
            return Ok((whole, 0));
        }
        let mut dropped = messages.len().saturating_sub(system + 1);
        let mut prompt = without(dropped)?;
        if prompt.len() > limit {
            let found = prompt.len();
            return Err(Error::refused(format!("a message of {found} tokens; the context holds {limit}")));
        }
        // Fewer messages are fewer tokens, so halving finds the fewest to leave out: one by one, a request of thousands
        // of messages would cost thousands of renderings.
        let mut too_few = 0;
        while dropped - too_few > 1 {
            let middle = too_few + (dropped - too_few) / 2;
            let shorter = without(middle)?;
            if shorter.len() <= limit {
                (prompt, dropped) = (shorter, middle);
            } else {
                too_few = middle;
            }
        }
        Ok((prompt, dropped))
    }

    /// Begins a reply to `messages`.
    pub fn reply(&self, messages: &[Message], settings: &GenerationConfig, seed: u64) -> Result<Reply<'_>> {
        let (prompt, dropped) = self.prompt(messages)?;
        Ok(Reply {
            prompt_tokens: prompt.len(),
            dropped,
            tokens: Tokens::new(self.model.as_ref(), &prompt, settings, seed),
            text: Some(self.tokenizer.stream()),
        })
    }
}

/// A reply, piece by piece. Pieces may be empty; joined they are the whole text.
pub struct Reply<'a> {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Messages left out because the context would not hold them.
    pub dropped: usize,
    tokens: Tokens<'a>,
    text: Option<TextStream<'a>>,
}

impl Reply<'_> {
    /// Why the reply ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.tokens.finish_reason()
    }

    /// Tokens generated so far.
    pub fn completion_tokens(&self) -> usize {
        self.tokens.generated().len()
    }
}

impl Iterator for Reply<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self.tokens.next() {
            Some(token) => self.text.as_mut().map(|text| text.push(token)),
            None => self.text.take().map(TextStream::finish),
        }
    }
}
