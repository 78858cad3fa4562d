//! `POST /tokenize`, `/detokenize` and `/apply-template`: what the model reads, made visible.

use std::sync::Arc;

use artifact::tokenizer::ChatTokenizer;
use serde_json::{Value, json};

use super::State;
use super::api_error::ApiError;
use super::fields::Fields;
use super::messages;

/// What a request asks to be made of what.
pub(super) enum Task {
    Tokenize(String),
    Detokenize(Vec<u32>),
    Render(Vec<artifact::conversation::Message>),
}

/// One of the three paths.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Tokenize,
    Detokenize,
    ApplyTemplate,
}

/// Answers one request.
pub(super) async fn answer(state: Arc<State>, kind: Kind, body: &[u8]) -> Result<Value, ApiError> {
    let mut fields = Fields::of_body(body)?;
    let served = state.find(fields.text("model")?.as_deref())?;
    let chat = Arc::clone(&served.engine.chat);
    let task = match kind {
        Kind::Tokenize => {
            let content = fields.text("content")?;
            Task::Tokenize(content.ok_or_else(|| ApiError::value("content", "a string"))?)
        }
        Kind::Detokenize => Task::Detokenize(tokens(&mut fields, served.engine.vocabulary.len())?),
        Kind::ApplyTemplate => Task::Render(messages::take(&mut fields)?),
    };
    fields.refuse_the_rest()?;
    let done = tokio::task::spawn_blocking(move || run(&chat.tokenizer, task)).await;
    done.map_err(|_| ApiError::internal())?.map_err(|error| ApiError::invalid(error.to_string()))
}

fn run(tokenizer: &ChatTokenizer, task: Task) -> artifact::Result<Value> {
    Ok(match task {
        Task::Tokenize(text) => json!({ "tokens": tokenizer.encode(&text)? }),
        Task::Detokenize(tokens) => json!({ "content": tokenizer.decode(&tokens) }),
        Task::Render(messages) => json!({ "prompt": tokenizer.prompt_text(&messages)? }),
    })
}

fn tokens(fields: &mut Fields, vocabulary: usize) -> Result<Vec<u32>, ApiError> {
    let wrong = || ApiError::value("tokens", &format!("a list of tokens below {vocabulary}"));
    let values = fields.list("tokens")?.ok_or_else(wrong)?;
    let token = |value: &Value| value.as_u64().filter(|&id| id < vocabulary as u64).map(|id| id as u32);
    values.iter().map(|value| token(value).ok_or_else(wrong)).collect()
}
