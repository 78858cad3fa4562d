//! Encoding many conversations: the same tokens as [`ChatTokenizer::conversation`] gives, with each word merged once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use tokenizers::models::bpe::BPE;
use tokenizers::{Model, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::{BEGIN, ChatTokenizer, END, Rendered, SPECIAL, TEMPLATE, byte_characters, composed, words};
use crate::conversation::{Message, Role};
use crate::{Error, Result};

/// Parts of the table of words, so that threads seldom wait for each other.
const PARTS: usize = 64;

/// Words that a part remembers; those beyond it are merged each time.
const WORDS_PER_PART: usize = 8192;

/// Encodes conversations, from any number of threads.
#[derive(Debug)]
pub struct Encoder<'a> {
    chat: &'a ChatTokenizer,
    /// None where the tokenizer or the template is not one of ours: then the library does all.
    own: Option<Own<'a>>,
}

/// Words and their tokens.
type Part = HashMap<Box<str>, Box<[u32]>>;

/// A byte-level BPE under our own template.
#[derive(Debug)]
struct Own<'a> {
    model: &'a BPE,
    characters: [char; 256],
    begin: u32,
    end: u32,
    /// Of system, user and assistant.
    roles: [u32; 3],
    hashes: RandomState,
    known: Vec<Mutex<Part>>,
}

impl<'a> Encoder<'a> {
    /// Encodes with this tokenizer.
    pub fn new(chat: &'a ChatTokenizer) -> Self {
        Self { chat, own: Own::new(chat) }
    }

    /// The most tokens that a conversation may have, told without encoding it.
    pub fn most_tokens(&self, messages: &[Message]) -> usize {
        if self.own.is_none() {
            return usize::MAX;
        }
        // A token has at least one byte. NFC makes a few characters longer, none of them more than threefold.
        let bytes =
            |text: &str| if unicode_normalization::is_nfc(text) { text.len() } else { 3 * text.len() };
        1 + messages.iter().map(|message| bytes(&message.content) + 2).sum::<usize>()
    }

    /// As [`ChatTokenizer::conversation`].
    pub fn conversation(&self, messages: &[Message]) -> Result<Rendered> {
        let Some(own) = &self.own else { return self.chat.conversation(messages) };
        let mut rendered = Rendered { tokens: vec![own.begin], loss: vec![0] };
        for message in messages {
            let Rendered { tokens, loss } = &mut rendered;
            tokens.push(own.roles[message.role as usize]);
            loss.push(0);
            own.text(&super::without_special(&message.content, &SPECIAL), tokens)?;
            tokens.push(own.end);
            loss.resize(tokens.len(), u8::from(message.is_target()));
        }
        Ok(rendered)
    }
}

impl<'a> Own<'a> {
    fn new(chat: &'a ChatTokenizer) -> Option<Self> {
        let model = own_model(&chat.tokenizer).filter(|_| chat.template == TEMPLATE)?;
        let is_own =
            chat.config.bos_token.as_deref() == Some(BEGIN) && chat.config.eos_token.as_deref() == Some(END);
        let [begin, end, system, user, assistant] = SPECIAL.map(|text| chat.token_id(text));
        let roles = [Role::System, Role::User, Role::Assistant].map(|role| role as usize);
        debug_assert_eq!(roles, [0, 1, 2], "roles are places in `roles`");
        Some(Self {
            model,
            characters: byte_characters(),
            begin: begin.filter(|_| is_own)?,
            end: end?,
            roles: [system?, user?, assistant?],
            hashes: RandomState::new(),
            known: (0..PARTS).map(|_| Mutex::default()).collect(),
        })
    }

    /// Appends the tokens of a text without special tokens.
    fn text(&self, text: &str, tokens: &mut Vec<u32>) -> Result<()> {
        words(&composed(text)).try_for_each(|word| self.word(word, tokens))
    }

    fn word(&self, word: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let part = &self.known[self.hashes.hash_one(word) as usize % PARTS];
        let lock = || part.lock().expect("no holder of this lock panics");
        if let Some(known) = lock().get(word) {
            tokens.extend_from_slice(known);
            return Ok(());
        }
        let seen: String = word.bytes().map(|byte| self.characters[byte as usize]).collect();
        let merged = self.model.tokenize(&seen).map_err(|error| Error::refused(error.to_string()))?;
        let merged: Box<[u32]> = merged.into_iter().map(|token| token.id).collect();
        tokens.extend_from_slice(&merged);
        let mut part = lock();
        if part.len() < WORDS_PER_PART {
            part.insert(word.into(), merged);
        }
        Ok(())
    }
}

/// The model of a tokenizer that does what ours do and nothing else.
fn own_model(tokenizer: &Tokenizer) -> Option<&BPE> {
    let ModelWrapper::BPE(model) = tokenizer.get_model() else { return None };
    let plain = model.dropout.is_none()
        && model.unk_token.is_none()
        && model.continuing_subword_prefix.as_deref().is_none_or(str::is_empty)
        && model.end_of_word_suffix.as_deref().is_none_or(str::is_empty)
        && !model.ignore_merges;
    let normalized = matches!(tokenizer.get_normalizer(), Some(NormalizerWrapper::NFC(_)));
    let divided = matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::ByteLevel(bytes))
        if !bytes.add_prefix_space && bytes.use_regex);
    let added = tokenizer.get_added_tokens_decoder();
    let special = added.len() == SPECIAL.len()
        && added.values().all(|token| {
            SPECIAL.contains(&token.content.as_str())
                && token.special
                && !(token.single_word || token.lstrip || token.rstrip || token.normalized)
        });
    (plain && normalized && divided && special).then_some(model)
}
