//! Tokenizer and chat template: `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`.
//!
//! Rendering a conversation to tokens, and which of them are training targets, is written here once, for training,
//! evaluation and serving alike.

mod special;
mod stream;

use std::path::Path;

use fs_err as fs;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use crate::conversation::Message;
use crate::{Error, Result, json, write_atomic};

pub use special::without_special;
pub use stream::TextStream;

/// The file with vocabulary and merges, in the `tokenizers` library's form.
pub const FILE: &str = "tokenizer.json";
/// The file with the special tokens' roles, in `transformers`' form.
pub const CONFIG_FILE: &str = "tokenizer_config.json";
/// The file with the chat template.
pub const TEMPLATE_FILE: &str = "chat_template.jinja";
/// All three.
pub const FILES: [&str; 3] = [FILE, CONFIG_FILE, TEMPLATE_FILE];

/// Begins a conversation in our own tokenizers.
pub const BEGIN: &str = "<|endoftext|>";
/// Ends every message in our own tokenizers.
pub const END: &str = "<|end|>";
/// The special tokens of our own tokenizers, by their ids from 0.
pub const SPECIAL: [&str; 5] = [BEGIN, END, "<|system|>", "<|user|>", "<|assistant|>"];

/// The chat template of our own tokenizers: one token opens a turn, one ends it.
pub const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{{ '<|' + message.role + '|>' + \
message.content + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// `tokenizer_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenizerConfig {
    /// The class that `transformers` loads.
    #[serde(default)]
    pub tokenizer_class: String,
    /// Begins a conversation.
    #[serde(default, deserialize_with = "token_text")]
    pub bos_token: Option<String>,
    /// Ends a turn.
    #[serde(default, deserialize_with = "token_text")]
    pub eos_token: Option<String>,
    /// Fills a batch.
    #[serde(default, deserialize_with = "token_text")]
    pub pad_token: Option<String>,
    /// Whether decoding may rewrite spaces.
    #[serde(default)]
    pub clean_up_tokenization_spaces: bool,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            tokenizer_class: "PreTrainedTokenizerFast".to_owned(),
            bos_token: Some(BEGIN.to_owned()),
            eos_token: Some(END.to_owned()),
            pad_token: Some(BEGIN.to_owned()),
            clean_up_tokenization_spaces: false,
        }
    }
}

/// A token is written as its text, or as an object that holds it under `content`.
fn token_text<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a token's text, or an object with its text as `content`")]
    enum Token {
        Text(String),
        Added { content: String },
    }
    Ok(Option::<Token>::deserialize(deserializer)?.map(|token| match token {
        Token::Text(text) | Token::Added { content: text } => text,
    }))
}

/// A rendered conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Its tokens. `[T]`
    pub tokens: Vec<u32>,
    /// 1 where the token is a training target: every assistant turn and the token that ends it. `[T]`
    pub loss: Vec<u8>,
}

/// A tokenizer with its chat template.
#[derive(Debug, Clone)]
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    config: TokenizerConfig,
    template: String,
    environment: Environment<'static>,
    specials: Vec<String>,
    vocab_size: usize,
}

impl ChatTokenizer {
    /// Joins a tokenizer and a template.
    ///
    /// # Errors
    /// [`Error::Refused`] when the template is no Jinja.
    pub fn new(mut tokenizer: Tokenizer, config: TokenizerConfig, template: String) -> Result<Self> {
        let environment = compile(&template)
            .map_err(|error| Error::refused(format!("the chat template: {}", template_error(&error))))?;
        // What a tokenizer from elsewhere brings of these would silently shorten or lengthen what is encoded.
        tokenizer
            .with_truncation(None)
            .map_err(|error| Error::refused(error.to_string()))?
            .with_padding(None);
        let mut specials: Vec<String> = tokenizer
            .get_added_tokens_decoder()
            .into_values()
            .filter(|token| token.special && !token.content.is_empty())
            .map(|token| token.content)
            .collect();
        // The map has no order of its own.
        specials.sort_unstable();
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self { tokenizer, config, template, environment, specials, vocab_size })
    }

    /// Reads the three files of a directory.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = fs::read(&path)?;
        let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
            Error::malformed(&path, "a tokenizer of the `tokenizers` library", error.to_string())
        })?;
        let config = json::read(&dir.join(CONFIG_FILE))?;
        let path = dir.join(TEMPLATE_FILE);
        let template = fs::read_to_string(&path)?;
        compile(&template)
            .map_err(|error| Error::malformed(&path, "a Jinja template", template_error(&error)))?;
        Self::new(tokenizer, config, template)
    }

    /// Writes the three files into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write_atomic(&dir.join(FILE), self.to_json()?.as_bytes())?;
        json::write(&dir.join(CONFIG_FILE), &self.config)?;
        write_atomic(&dir.join(TEMPLATE_FILE), self.template.as_bytes())
    }

    /// The tokenizer as `tokenizer.json` holds it.
    pub fn to_json(&self) -> Result<String> {
        self.tokenizer.to_string(true).map_err(|error| Error::refused(error.to_string()))
    }

    /// One more than the largest token id, special tokens included.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Whether both give the same id to the same token.
    pub fn same_vocabulary(&self, other: &Self) -> bool {
        self.tokenizer.get_vocab(true) == other.tokenizer.get_vocab(true)
    }

    /// The id of a token by its exact text.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.tokenizer.token_to_id(text)
    }

    /// The token that begins a conversation.
    pub fn bos(&self) -> Option<u32> {
        self.config.bos_token.as_deref().and_then(|text| self.token_id(text))
    }

    /// The token that ends a turn.
    pub fn eos(&self) -> Option<u32> {
        self.config.eos_token.as_deref().and_then(|text| self.token_id(text))
    }

    /// The token that fills a batch.
    pub fn pad(&self) -> Option<u32> {
        self.config.pad_token.as_deref().and_then(|text| self.token_id(text))
    }

    /// The tokens of a text, special tokens recognised.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encoding(text)?.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out. Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens, true).unwrap_or_default()
    }

    /// The text that asks for the assistant's next turn.
    ///
    /// # Errors
    /// [`Error::Refused`] when the template refuses the messages.
    pub fn prompt_text(&self, messages: &[Message]) -> Result<String> {
        self.render(&self.harmless(messages), true)
    }

    /// The tokens that ask for the assistant's next turn.
    ///
    /// # Errors
    /// [`Error::Refused`] when the template refuses the messages.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>> {
        self.encode(&self.prompt_text(messages)?)
    }

    /// The tokens of a whole conversation and which of them are training targets.
    ///
    /// A token is a target when it begins between the end of the prompt for an assistant's turn and the end of that
    /// turn, which holds for every template that only appends.
    ///
    /// # Errors
    /// [`Error::Refused`] when the template refuses the messages, or rewrites earlier turns as a talk goes on.
    pub fn conversation(&self, messages: &[Message]) -> Result<Rendered> {
        let is_target: Vec<bool> = messages.iter().map(Message::is_target).collect();
        let messages = self.harmless(messages);
        let text = self.render(&messages, false)?;
        let mut targets = Vec::new();
        for (index, is_target) in is_target.into_iter().enumerate() {
            if !is_target {
                continue;
            }
            let prompt = self.render(&messages[..index], true)?;
            let answered = self.render(&messages[..=index], false)?;
            if !text.starts_with(&answered) || !answered.starts_with(&prompt) {
                return Err(Error::refused("the chat template rewrites earlier turns")
                    .with_hint("only templates that append each turn give a loss mask"));
            }
            // What a template writes after the end token (ChatML: a line break) is not the model's to say.
            targets.push(prompt.len()..answered.trim_end().len());
        }
        let encoding = self.encoding(&text)?;
        let loss = encoding
            .get_offsets()
            .iter()
            .map(|(start, _)| u8::from(targets.iter().any(|range| range.contains(start))))
            .collect();
        Ok(Rendered { tokens: encoding.get_ids().to_vec(), loss })
    }

    /// Decodes a reply token by token.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    fn encoding(&self, text: &str) -> Result<tokenizers::Encoding> {
        self.tokenizer.encode(text, false).map_err(|error| Error::refused(error.to_string()))
    }

    /// The messages without the texts of special tokens, which would let a speaker end a turn and open another's.
    fn harmless(&self, messages: &[Message]) -> Vec<Message> {
        messages
            .iter()
            .map(|message| Message::new(message.role, without_special(&message.content, &self.specials)))
            .collect()
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let messages: Vec<minijinja::Value> = messages
            .iter()
            .map(|message| context! { role => message.role.name(), content => message.content.as_str() })
            .collect();
        let template = self.environment.get_template("chat").expect("added when it was compiled");
        template
            .render(context! {
                messages,
                add_generation_prompt,
                bos_token => self.config.bos_token.as_deref().unwrap_or_default(),
                eos_token => self.config.eos_token.as_deref().unwrap_or_default(),
            })
            .map_err(|error| Error::refused(format!("the chat template: {}", template_error(&error))))
    }
}

/// The template in an environment that behaves as `transformers`' own.
fn compile(template: &str) -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(10_000_000));
    environment.add_function("raise_exception", |message: String| -> std::result::Result<String, _> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_template_owned("chat", template.to_owned())?;
    Ok(environment)
}

fn template_error(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    format!("{}{line}", error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
}
