//! A model that says what it is told to say.

use std::collections::BTreeMap;

use artifact::config::GenerationConfig;
use artifact::conversation::{Conversation, Message};
use model::chat::Chat;
use model::{LanguageModel, Session};

use crate::bytes_tokenizer::bytes_tokenizer;

/// Finds each token as likely as every other in `score`, and replies by heart.
struct Parrot {
    vocab_size: usize,
    context_length: usize,
    end: u32,
    /// Replies in tokens, by the prompt.
    replies: BTreeMap<Vec<u32>, Vec<u32>>,
}

struct ParrotSession<'a> {
    parrot: &'a Parrot,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

impl LanguageModel for Parrot {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
    fn context_length(&self) -> usize {
        self.context_length
    }
    fn parameters(&self) -> usize {
        1234567
    }
    fn memory_bytes(&self) -> usize {
        5_000_000
    }
    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        assert!(tokens.len() <= self.context_length, "{} tokens", tokens.len());
        vec![-(self.vocab_size as f32).ln(); tokens.len() - 1]
    }
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(ParrotSession { parrot: self, tokens: Vec::new(), logits: Vec::new() })
    }
}

impl Session for ParrotSession<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.tokens.extend_from_slice(tokens);
        let known = self.parrot.replies.iter().filter(|(prompt, _)| self.tokens.starts_with(prompt));
        // The longest prompt is the one that was asked.
        let next = known.max_by_key(|(prompt, _)| prompt.len()).and_then(|(prompt, reply)| {
            let said = self.tokens.len() - prompt.len();
            reply.get(said).copied()
        });
        self.logits = vec![0.0; self.parrot.vocab_size];
        self.logits[next.unwrap_or(self.parrot.end) as usize] = 1.0;
        &self.logits
    }
    fn logits(&self) -> &[f32] {
        &self.logits
    }
    fn state_bytes(&self) -> usize {
        4 * self.tokens.len()
    }
    fn len(&self) -> usize {
        self.tokens.len()
    }
}

/// A model that gives `replies` to histories whose last words they follow.
pub(crate) fn parrot(
    conversations: &[Conversation],
    replies: &[(&str, &str)],
    context_length: usize,
) -> Chat {
    let tokenizer = bytes_tokenizer();
    let mut by_prompt = BTreeMap::new();
    let fixed = ["안녕하세요", "한 번 더"].map(|question| vec![Message::user(question)]);
    let histories =
        conversations.iter().flat_map(|talk| (0..talk.messages.len()).map(|end| &talk.messages[..=end]));
    for history in histories.chain(fixed.iter().map(Vec::as_slice)) {
        let last = &history.last().unwrap().content;
        if let Some((_, reply)) = replies.iter().find(|(question, _)| question == last) {
            by_prompt.insert(tokenizer.prompt(history).unwrap(), tokenizer.encode(reply).unwrap());
        }
    }
    let end = tokenizer.eos().unwrap();
    let model = Parrot { vocab_size: tokenizer.vocab_size(), context_length, end, replies: by_prompt };
    let generation = GenerationConfig { eos_token_id: vec![end], ..GenerationConfig::default() };
    Chat { model: Box::new(model), tokenizer, generation }
}
