//! How good a model is at a moment of its training: its loss on held-out documents, and its answers.

use artifact::config::GenerationConfig;
use artifact::conversation::Message;
use artifact::metrics::{Answer, ValidationRow};
use artifact::shard::Documents;
use artifact::tokenizer::ChatTokenizer;
use artifact::{Error, Result};
use model::LanguageModel;
use model::decoder::Loss;
use model::generate::Tokens;
use terminal::Lang;

use crate::batches::Pieces;

/// The most input tokens that a validation reads, a second or two of ten a run; a larger split is sampled, always alike.
const MOST_ROWS: usize = 32_768;
/// The longest answer, in tokens: enough to see whether the model speaks.
const LONGEST_ANSWER: usize = 48;

/// The held-out documents, and the length of the text that they ask for.
#[derive(Debug)]
pub(crate) struct ValidationSet<'a> {
    /// The documents as pieces.
    pub(crate) pieces: Pieces<'a>,
    /// Bytes of the targets' text.
    bytes: usize,
}

impl<'a> ValidationSet<'a> {
    /// The set, unless no document has a target.
    pub(crate) fn new(documents: &'a Documents, context: usize, tokenizer: &ChatTokenizer) -> Option<Self> {
        let pieces = Pieces::new(documents, context).sample(MOST_ROWS);
        let bytes = pieces.iter().map(|(tokens, loss)| target_bytes(tokens, loss, tokenizer)).sum();
        (pieces.len() > 0).then_some(Self { pieces, bytes })
    }

    /// A loss over the set in bits for each byte of text, where there is any.
    pub(crate) fn bits_per_byte(&self, loss: Loss) -> Option<f64> {
        (self.bytes > 0).then(|| loss.nats / std::f64::consts::LN_2 / self.bytes as f64)
    }
}

/// Bytes of the text of a piece's targets, reply by reply: a single token may be no whole character.
fn target_bytes(tokens: &[u32], loss: &[u8], tokenizer: &ChatTokenizer) -> usize {
    let mut bytes = 0;
    let mut reply = Vec::new();
    for (token, flag) in tokens.iter().zip(loss).skip(1) {
        if *flag == 1 {
            reply.push(*token);
        } else if !reply.is_empty() {
            bytes += tokenizer.decode(&reply).len();
            reply.clear();
        }
    }
    bytes + tokenizer.decode(&reply).len()
}

/// What a model is asked at each validation.
pub(crate) struct Interview<'a> {
    prompts: Vec<(String, Vec<u32>)>,
    settings: GenerationConfig,
    tokenizer: &'a ChatTokenizer,
}

impl<'a> Interview<'a> {
    /// Prepares the prompts for a model of this context.
    ///
    /// # Errors
    /// [`Error::Refused`] when a prompt leaves no room for an answer.
    pub(crate) fn new(
        prompts: &[String],
        context: usize,
        generation: &GenerationConfig,
        tokenizer: &'a ChatTokenizer,
    ) -> Result<Self> {
        let prepared = prompts.iter().map(|text| {
            let tokens = tokenizer.prompt(&[Message::user(text.as_str())])?;
            if tokens.is_empty() || tokens.len() >= context {
                let found = tokens.len();
                let message =
                    format!("--prompt {text:?}: {found} tokens; the model's context holds {context}");
                return Err(Error::refused(message).with_hint("shorten the prompt"));
            }
            Ok((text.clone(), tokens))
        });
        let mut settings = GenerationConfig {
            do_sample: false,
            repetition_penalty: 1.0,
            max_new_tokens: generation.max_new_tokens.min(LONGEST_ANSWER),
            ..generation.clone()
        };
        settings.eos_token_id.extend(tokenizer.eos());
        Ok(Self { prompts: prepared.collect::<Result<_>>()?, settings, tokenizer })
    }

    /// The likeliest answers.
    pub(crate) fn answers(&self, model: &dyn LanguageModel) -> Vec<Answer> {
        let answer = |(prompt, tokens): &(String, Vec<u32>)| {
            // Greedy, so the seed has no part in it.
            let reply: Vec<u32> = Tokens::new(model, tokens, &self.settings, 0).collect();
            Answer { prompt: prompt.clone(), reply: self.tokenizer.decode(&reply) }
        };
        self.prompts.iter().map(answer).collect()
    }
}

/// An answer as a line for a terminal: without control characters, which a model may well produce.
pub(crate) fn line(answer: &Answer) -> String {
    let clean = |text: &str| -> String {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    };
    format!("  {} → {}", clean(&answer.prompt), clean(&answer.reply))
}

/// A validation as a line for a terminal.
pub(crate) fn summary(row: &ValidationRow) -> String {
    let bits = row.bits_per_byte.map_or_else(|| "-".to_owned(), |bits| format!("{bits:.3}"));
    let (step, epoch, loss) = (row.step, row.epoch, row.loss_nats_per_token);
    let ko = format!("검증: {step}단계, {epoch:.2}에폭, 손실 {loss:.4} nats/token, {bits} bits/byte");
    let en =
        format!("validation: step {step}, epoch {epoch:.2}, loss {loss:.4} nats/token, {bits} bits/byte");
    let text = Lang::pick(ko, en);
    if row.best { format!("{text} {}", Lang::pick("(최저)", "(lowest)")) } else { text }
}
