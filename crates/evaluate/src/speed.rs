//! Speed of generation: one talk at a time, as a person meets it.

use std::time::Instant;

use artifact::conversation::Message;
use artifact::report::ContextSpeed;
use model::LanguageModel;
use model::chat::Chat;

use crate::replies::Decoding;

/// Tokens generated for each question. No end token stops them, so that a terse model is timed as long as a talkative one.
const TOKENS: usize = 48;

/// Lengths of the context at which speed is told, in tokens.
const CONTEXTS: [usize; 5] = [64, 256, 1024, 4096, 16_384];
/// Tokens generated behind each.
const BEHIND: usize = 16;
/// Measurements of which the median is told.
const ROUNDS: usize = 3;

/// What one talk at a time reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SingleStream {
    /// Tokens in a second, after the first of each reply.
    pub(crate) tokens_per_second: f64,
    /// Median over the questions, in seconds.
    pub(crate) seconds_to_first_token: f64,
}

/// Times the replies to `questions`, after one that warms the caches up.
pub(crate) fn measure(chat: &Chat, questions: &[String]) -> SingleStream {
    let mut settings = Decoding::greedy(chat, TOKENS).settings;
    settings.eos_token_id.clear();
    let mut tokens = 0;
    let mut seconds = 0.0;
    let mut first = Vec::new();
    for (round, question) in questions.iter().take(1).chain(questions).enumerate() {
        let began = Instant::now();
        let Ok(mut reply) = chat.reply(&[Message::user(question)], &settings, 0) else { continue };
        let _ = reply.next();
        let first_token = began.elapsed().as_secs_f64();
        let before = reply.completion_tokens();
        for _ in reply.by_ref() {}
        if round == 0 {
            continue;
        }
        first.push(first_token);
        seconds += began.elapsed().as_secs_f64() - first_token;
        tokens += reply.completion_tokens() - before;
    }
    first.sort_by(f64::total_cmp);
    SingleStream {
        tokens_per_second: if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 },
        seconds_to_first_token: first.get(first.len() / 2).copied().unwrap_or_default(),
    }
}

/// Speed behind prompts of given lengths, as far as they fit into the context.
pub(crate) fn by_context(model: &dyn LanguageModel) -> Vec<ContextSpeed> {
    let fitting = CONTEXTS.into_iter().filter(|tokens| tokens + BEHIND <= model.context_length());
    fitting.map(|tokens| behind(model, tokens)).collect()
}

fn behind(model: &dyn LanguageModel, tokens: usize) -> ContextSpeed {
    // Which token it is makes no difference to how long it takes.
    let prompt = vec![0; tokens];
    let (mut first, mut later) = ([0.0; ROUNDS], [0.0; ROUNDS]);
    for round in 0..ROUNDS {
        let mut session = model.session();
        let began = Instant::now();
        session.feed(&prompt);
        first[round] = began.elapsed().as_secs_f64();
        for _ in 0..BEHIND {
            session.feed(&[0]);
        }
        later[round] = began.elapsed().as_secs_f64() - first[round];
    }
    first.sort_by(f64::total_cmp);
    later.sort_by(f64::total_cmp);
    ContextSpeed {
        tokens,
        seconds_to_first_token: first[ROUNDS / 2],
        tokens_per_second: BEHIND as f64 / later[ROUNDS / 2].max(f64::MIN_POSITIVE),
    }
}
