//! Conversations to tokens, no longer than a model's context.

use artifact::Result;
use artifact::conversation::{Conversation, Message, Role};
use artifact::tokenizer::{ChatTokenizer, Rendered};
use rayon::prelude::*;
use terminal::Progress;

/// Turns that are rendered before it is known how many fit: most talks are shorter, and a chat export may be one
/// conversation of a hundred thousand, whose end must not be looked at.
const FIRST_TURNS: usize = 32;

/// The beginning of a conversation that fits.
pub(crate) struct Encoded {
    /// How many of its turns.
    pub turns: usize,
    /// Their tokens.
    pub rendered: Rendered,
}

/// Encodes conversations, in order; none where not even the first answer fits into `max_tokens`.
pub(crate) fn encode(
    tokenizer: &ChatTokenizer,
    conversations: &[Conversation],
    max_tokens: usize,
) -> Result<Vec<Option<Encoded>>> {
    let progress = Progress::new("tokens", conversations.len() as u64, "conversations");
    let encoded: Vec<Result<Option<Encoded>>> = conversations
        .par_iter()
        .map(|conversation| {
            progress.inc(1);
            fitting(tokenizer, &conversation.messages, max_tokens)
        })
        .collect();
    progress.finish();
    encoded.into_iter().collect()
}

/// The whole conversation where it fits; otherwise as many turns from its beginning as do, up to an answer.
fn fitting(tokenizer: &ChatTokenizer, messages: &[Message], max_tokens: usize) -> Result<Option<Encoded>> {
    let render = |turns: usize| tokenizer.conversation(&messages[..turns]);
    let mut turns = messages.len().min(FIRST_TURNS);
    let mut rendered = render(turns)?;
    let mut fit = 0;
    while rendered.tokens.len() <= max_tokens {
        if turns == messages.len() {
            return Ok(Some(Encoded { turns, rendered }));
        }
        fit = turns;
        turns = (2 * turns).min(messages.len());
        rendered = render(turns)?;
    }
    // `fit` turns are short enough, `turns` are too many.
    while turns - fit > 1 {
        let middle = fit.midpoint(turns);
        if render(middle)?.tokens.len() <= max_tokens {
            fit = middle;
        } else {
            turns = middle;
        }
    }
    let Some(answer) = messages[..fit].iter().rposition(|message| message.role == Role::Assistant) else {
        return Ok(None);
    };
    Ok(Some(Encoded { turns: answer + 1, rendered: render(answer + 1)? }))
}
