//! The tokens of a model as bytes: for logprobs, and for grammars that say which of them may come next.

use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{ParserFactory, token_bytes_from_tokenizer_json};
use model::chat::Chat;
use serde_json::{Value, json};

use super::grammar::Matcher;

pub(super) struct Vocabulary {
    tokens: Vec<Token>,
    /// The token that ends a reply.
    end: Option<u32>,
    /// Made when the first grammar is asked for.
    grammars: OnceLock<Result<ParserFactory, String>>,
}

#[derive(Clone)]
struct Token {
    bytes: Vec<u8>,
    is_special: bool,
}

impl Vocabulary {
    /// Of the tokens that the model knows.
    pub(super) fn new(chat: &Chat) -> Self {
        let found = chat.tokenizer.to_json().ok().and_then(|json| {
            let json = serde_json::from_str(&json).ok()?;
            token_bytes_from_tokenizer_json(&json).ok()
        });
        // Tokenizers of another kind tell what a token alone decodes to.
        let found = found.unwrap_or_else(|| {
            (0..chat.tokenizer.vocab_size() as u32)
                .map(|id| chat.tokenizer.decode(&[id]).into_bytes())
                .collect()
        });
        let mut tokens: Vec<Token> = found
            .into_iter()
            .map(|bytes| match bytes.as_slice() {
                [TokTrie::SPECIAL_TOKEN_MARKER, name @ ..] if !name.is_empty() => {
                    Token { bytes: name.to_vec(), is_special: true }
                }
                _ => Token { bytes, is_special: false },
            })
            .collect();
        tokens.resize(chat.model.vocab_size(), Token { bytes: Vec::new(), is_special: false });
        Self { tokens, end: chat.generation.eos_token_id.first().copied(), grammars: OnceLock::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// What a token adds to a text: nothing if it is special.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        let token = &self.tokens[token as usize];
        if token.is_special { &[] } else { &token.bytes }
    }

    /// What a token is called, special or not.
    pub(super) fn name(&self, token: u32) -> &[u8] {
        &self.tokens[token as usize].bytes
    }

    /// What keeps a reply to JSON of a schema.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub(super) fn matcher(&self, mut schema: Value) -> Result<Matcher, String> {
        let end = self.end.ok_or("this model has no token that ends a reply")?;
        let factory = self.grammars.get_or_init(|| self.factory(end).map_err(|error| error.to_string()));
        let factory = factory.as_ref().map_err(Clone::clone)?;
        if let Some(fields) = schema.as_object_mut() {
            // Without white space that means nothing, of which a small model may write no end.
            fields.insert("x-guidance".to_owned(), json!({ "whitespace_flexible": false }));
        }
        let parser = factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = llguidance::Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(error.lines().next().unwrap_or_default().to_owned()),
            None => Ok(Matcher::new(matcher, end)),
        }
    }

    fn factory(&self, end: u32) -> anyhow::Result<ParserFactory> {
        let words: Vec<Vec<u8>> = self
            .tokens
            .iter()
            .map(|token| {
                let marker = token.is_special.then_some(TokTrie::SPECIAL_TOKEN_MARKER);
                marker.into_iter().chain(token.bytes.iter().copied()).collect()
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment)?;
        factory.quiet();
        Ok(factory)
    }
}
