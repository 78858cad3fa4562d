//! Decoding a reply token by token.

use super::ChatTokenizer;

/// The most U+FFFD that an unfinished character may stand for at the end of a text: the first three of four bytes.
const UNFINISHED: usize = 3;

/// Tokens after which a window without a finished character is cut at a clean boundary instead.
const LONGEST_WINDOW: usize = 16;

/// Turns a stream of tokens into text that is never cut inside a character.
///
/// Only a short window of the last tokens is decoded at each step, so that a reply costs time in proportion to its
/// length. The window begins where a piece of text ended whole; it keeps the tokens of the last piece, because some
/// decoders treat the first token of a text otherwise (`SentencePiece` drops its space).
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a ChatTokenizer,
    window: Vec<u32>,
    /// How many tokens at the start of the window the last whole piece ends with.
    whole: usize,
    /// The text of the window that has been given out.
    sent: String,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a ChatTokenizer) -> Self {
        Self { tokenizer, window: Vec::new(), whole: 0, sent: String::new() }
    }

    /// Takes a token; gives the text that is now certain, which may be empty.
    pub fn push(&mut self, token: u32) -> String {
        self.window.push(token);
        let text = self.tokenizer.decode(&self.window);
        let certain = without_unfinished(&text);
        let mut new = self.advance(certain);
        if certain.len() == text.len() && !new.is_empty() {
            self.begin_at(self.whole);
        } else if self.window.len() > LONGEST_WINDOW {
            new.push_str(&self.cut(&text));
        }
        new
    }

    /// Ends the stream; gives what was held back.
    pub fn finish(mut self) -> String {
        let text = self.tokenizer.decode(&self.window);
        self.advance(&text)
    }

    fn advance(&mut self, text: &str) -> String {
        let Some(new) = text.strip_prefix(self.sent.as_str()) else { return String::new() };
        let new = new.to_owned();
        self.sent.push_str(&new);
        new
    }

    /// Forgets the first `start` tokens of the window, whose rest has been given out whole.
    fn begin_at(&mut self, start: usize) {
        self.window.drain(..start);
        self.whole = self.window.len();
        self.sent = self.tokenizer.decode(&self.window);
    }

    /// Shortens a window that has no finished character at its end (bytes that are no UTF-8, or tokens without
    /// text), where its two parts decode to what it decodes to as a whole; gives the text that this makes certain.
    ///
    /// An unfinished character has at most three bytes and a token at least one, so that one of the last three
    /// boundaries before the end is not inside it.
    fn cut(&mut self, text: &str) -> String {
        let length = self.window.len();
        for start in (length - UNFINISHED..length).rev() {
            let (before, after) = self.window.split_at(start);
            let (before, after) = (self.tokenizer.decode(before), self.tokenizer.decode(after));
            if text.strip_prefix(before.as_str()) != Some(after.as_str()) {
                continue;
            }
            let new = before.strip_prefix(self.sent.as_str()).unwrap_or_default().to_owned();
            self.sent = self.sent.strip_prefix(before.as_str()).unwrap_or_default().to_owned();
            self.window.drain(..start);
            self.whole = 0;
            return new;
        }
        String::new()
    }
}

/// The text without what may yet become a character: up to three U+FFFD at its end.
fn without_unfinished(text: &str) -> &str {
    let mut certain = text;
    for _ in 0..UNFINISHED {
        certain = certain.strip_suffix('\u{FFFD}').unwrap_or(certain);
    }
    certain
}
