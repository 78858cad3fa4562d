//! Replies to many histories.

use std::collections::HashMap;

use artifact::config::GenerationConfig;
use artifact::conversation::Message;
use model::chat::Chat;
use model::generate::{FinishReason, Tokens};
use rayon::prelude::*;
use terminal::{Lang, Progress};

use crate::chrf::mix;

/// What a model says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The text.
    pub(crate) text: String,
    /// Its length in the model's tokens.
    pub(crate) tokens: usize,
    /// How it ended; none where there is no reply because the last message is longer than the context.
    pub(crate) finish: Option<FinishReason>,
}

/// The likeliest token at each step.
pub(crate) fn greedy_settings(chat: &Chat, max_new_tokens: usize) -> GenerationConfig {
    GenerationConfig { do_sample: false, repetition_penalty: 1.0, max_new_tokens, ..chat.generation.clone() }
}

/// As the model's directory says that it samples.
pub(crate) fn sampling_settings(chat: &Chat, max_new_tokens: usize) -> GenerationConfig {
    GenerationConfig { do_sample: true, max_new_tokens, ..chat.generation.clone() }
}

/// The reply to one history.
pub(crate) fn reply(chat: &Chat, history: &[Message], settings: &GenerationConfig, seed: u64) -> Reply {
    let Ok((prompt, _)) = chat.prompt(history) else { return Reply::default() };
    let mut tokens = Tokens::new(chat.model.as_ref(), &prompt, settings, seed);
    let reply: Vec<u32> = tokens.by_ref().collect();
    Reply { text: chat.tokenizer.decode(&reply), tokens: reply.len(), finish: tokens.finish_reason() }
}

/// The reply to each history; equal histories are answered once. Each draws by itself, from `seed` and its place.
pub(crate) fn replies(
    chat: &Chat,
    histories: &[&[Message]],
    settings: &GenerationConfig,
    seed: u64,
) -> Vec<Reply> {
    let mut places = HashMap::new();
    let mut distinct = Vec::new();
    let place_of: Vec<usize> = histories
        .iter()
        .map(|history| {
            let said: Vec<_> =
                history.iter().map(|message| (message.role, message.content.as_str())).collect();
            *places.entry(said).or_insert_with(|| {
                distinct.push(*history);
                distinct.len() - 1
            })
        })
        .collect();
    let progress =
        Progress::new(Lang::pick("답변", "replies"), distinct.len() as u64, Lang::pick("답변", "replies"));
    let answered: Vec<Reply> = distinct
        .par_iter()
        .enumerate()
        .map(|(place, history)| {
            let reply = reply(chat, history, settings, mix(seed ^ place as u64));
            progress.inc(1);
            reply
        })
        .collect();
    progress.finish();
    place_of.into_iter().map(|place| answered[place].clone()).collect()
}
