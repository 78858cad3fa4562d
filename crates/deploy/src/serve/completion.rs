//! `POST /v1/chat/completions` and `POST /v1/completions`: from a request to its replies, whole or streamed.

mod form;
mod stream;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use artifact::config::GenerationConfig;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Json, Response};
use model::chat::{Chat, seed_of_turn};
use model::generate::Sampler;
use serde_json::{Value, json};

pub(super) use self::form::Form;
use super::api_error::ApiError;
use super::engine::{Event, Events, Order, Summary, TokenLogprob};
use super::fields::Fields;
use super::request::{Prompt, Question, Request};
use super::vocabulary::Vocabulary;
use super::{State, unix_seconds};
use crate::sampling::random_seed;

/// Tells how many of the oldest messages the context would not hold.
const DROPPED: HeaderName = HeaderName::from_static("x-naman-dropped-messages");

/// What all parts of one answer share.
struct Head {
    form: Form,
    id: String,
    created: u64,
    model: String,
    vocabulary: Arc<Vocabulary>,
    /// Tokens of all prompts.
    prompt_tokens: usize,
    /// Replies to each prompt.
    n: usize,
    /// Replies to all prompts.
    replies: usize,
    logprobs: bool,
}

/// Replies that were asked for, ready to be written.
struct Prepared {
    orders: Vec<Order>,
    prompt_tokens: usize,
    /// Messages left out because the context would not hold them.
    dropped: usize,
}

/// Answers one request.
pub(super) async fn answer(state: Arc<State>, form: Form, body: &[u8]) -> Result<Response, ApiError> {
    let mut fields = Fields::of_body(body)?;
    let served = state.find(fields.text("model")?.as_deref())?;
    let engine = &served.engine;
    let vocabulary = engine.vocabulary.len();
    let request = match form {
        Form::Chat => Request::chat(&mut fields, vocabulary)?,
        Form::Text => Request::text(&mut fields, vocabulary)?,
    };
    let settings = request.sampling.over(&engine.chat.generation).map_err(|error| {
        let field = error.field;
        ApiError::invalid(error.to_string()).of(field).coded("invalid_value")
    })?;
    let (n, stream, include_usage) = (request.n, request.stream, request.include_usage);
    let logprobs = request.top_logprobs.is_some();
    // Rendering and encoding take time that other requests need not wait for.
    let (chat, words) = (Arc::clone(&engine.chat), Arc::clone(&engine.vocabulary));
    let prepared = tokio::task::spawn_blocking(move || prepare(&chat, &words, request, &settings));
    let Prepared { orders, prompt_tokens, dropped } = prepared.await.map_err(|_| ApiError::internal())??;
    let head = Head {
        form,
        id: format!("{}-{:016x}", form.id(), RandomState::new().hash_one("id")),
        created: unix_seconds(),
        model: served.name.clone(),
        vocabulary: Arc::clone(&engine.vocabulary),
        prompt_tokens,
        n,
        replies: orders.len(),
        logprobs,
    };
    let events = engine.order(orders)?;
    let mut response =
        if stream { stream::streamed(head, events, include_usage) } else { whole(&head, events).await? };
    response.headers_mut().insert(DROPPED, HeaderValue::from(dropped));
    Ok(response)
}

fn prepare(
    chat: &Chat,
    vocabulary: &Vocabulary,
    request: Request,
    settings: &GenerationConfig,
) -> Result<Prepared, ApiError> {
    let refused = |error: artifact::Error, field: &str| ApiError::invalid(error.to_string()).of(field);
    let mut seed = request.seed.unwrap_or_else(random_seed);
    let (prompts, dropped, field) = match request.question {
        Question::Chat { messages, truncate } => {
            seed = seed_of_turn(seed, messages.len());
            let whole = chat.tokenizer.prompt(&messages).map_err(|error| refused(error, "messages"))?;
            if truncate && whole.len() > chat.longest_prompt() {
                let (prompt, dropped) =
                    chat.prompt(&messages).map_err(|_| too_long(chat, &whole, "messages"))?;
                (vec![prompt], dropped, "messages")
            } else {
                (vec![whole], 0, "messages")
            }
        }
        Question::Texts(texts) => {
            let encode = |prompt| match prompt {
                Prompt::Tokens(tokens) => Ok(tokens),
                Prompt::Text(text) => chat.tokenizer.encode(&text).map_err(|error| refused(error, "prompt")),
            };
            // Nothing at all goes on as a conversation begins.
            let begun = |tokens: Vec<u32>| match tokens.as_slice() {
                [] => vec![chat.tokenizer.bos().unwrap_or(chat.generation.bos_token_id)],
                _ => tokens,
            };
            let prompts = texts.into_iter().map(|text| encode(text).map(begun)).collect::<Result<_, _>>()?;
            (prompts, 0, "prompt")
        }
    };
    if let Some(long) = prompts.iter().find(|prompt| prompt.len() > chat.longest_prompt()) {
        return Err(too_long(chat, long, field));
    }
    let grammar = match request.schema {
        None => None,
        Some(schema) => Some(vocabulary.matcher(schema).map_err(|error| {
            ApiError::invalid(format!("`response_format`: {error}"))
                .of("response_format")
                .coded("invalid_value")
        })?),
    };
    let prompt_tokens = prompts.iter().map(Vec::len).sum();
    let mut orders = Vec::with_capacity(prompts.len() * request.n);
    for prompt in prompts {
        let prompt: Arc<[u32]> = prompt.into();
        for choice in 0..request.n {
            let sampler = Sampler::new(settings, seed).adjusted(request.adjustments.clone());
            orders.push(Order {
                prompt: Arc::clone(&prompt),
                sampler: sampler.of_choice(choice as u64),
                stop: request.stop.clone(),
                top_logprobs: request.top_logprobs,
                grammar: grammar.as_ref().map(super::grammar::Matcher::again),
            });
        }
    }
    Ok(Prepared { orders, prompt_tokens, dropped })
}

fn too_long(chat: &Chat, prompt: &[u32], field: &str) -> ApiError {
    let context = chat.model.context_length();
    ApiError::context_exceeded(prompt.len(), chat.longest_prompt(), context).of(field)
}

/// One reply as far as it has come.
#[derive(Default)]
struct Written {
    text: String,
    logprobs: Vec<TokenLogprob>,
    summary: Option<Summary>,
}

async fn whole(head: &Head, mut events: Events) -> Result<Response, ApiError> {
    let mut replies: Vec<Written> = (0..head.replies).map(|_| Written::default()).collect();
    while let Some((index, event)) = events.recv().await {
        let reply = &mut replies[index];
        match event {
            Event::Piece { text, logprobs } => {
                reply.text.push_str(&text);
                reply.logprobs.extend(logprobs);
            }
            Event::End(summary) => reply.summary = Some(summary),
            Event::Failed => return Err(ApiError::internal()),
        }
    }
    let summaries: Option<Vec<Summary>> = replies.iter().map(|reply| reply.summary).collect();
    let summaries = summaries.ok_or_else(ApiError::internal)?;
    let choices: Vec<Value> = replies
        .iter()
        .zip(&summaries)
        .enumerate()
        .map(|(index, (reply, summary))| {
            let logprobs = head.logprobs.then_some((reply.logprobs.as_slice(), 0));
            head.form.choice(index, &reply.text, head.logprobs_json(logprobs), summary.reason)
        })
        .collect();
    let mut answer = head.envelope(head.form.object(), choices.into());
    answer["usage"] = head.usage(&summaries);
    Ok(Json(answer).into_response())
}

impl Head {
    /// What an answer or a part of it is wrapped in.
    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": concat!("naman-", env!("CARGO_PKG_VERSION")),
            "choices": choices,
        })
    }

    /// Of tokens, the first of which stands after so many characters of its reply.
    fn logprobs_json(&self, logprobs: Option<(&[TokenLogprob], usize)>) -> Value {
        logprobs.map_or(Value::Null, |(tokens, start)| self.form.logprobs(&self.vocabulary, tokens, start))
    }

    /// `summaries` of all replies, in their order.
    fn usage(&self, summaries: &[Summary]) -> Value {
        let completion_tokens: usize = summaries.iter().map(|summary| summary.completion_tokens).sum();
        // A prompt counts once, however many replies there are to it.
        let cached: usize = summaries.iter().step_by(self.n).map(|summary| summary.cached_tokens).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": { "cached_tokens": cached },
        })
    }
}
