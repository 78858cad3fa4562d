//! What sets the two kinds of completions apart in their answers.

use model::generate::FinishReason;
use serde_json::{Map, Value, json};

use crate::serve::engine::TokenLogprob;
use crate::serve::vocabulary::Vocabulary;

/// What JSON can tell of a token that cannot be: OpenAI's own figure.
const IMPOSSIBLE: f32 = -9999.0;

/// The kind of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Text,
}

impl Form {
    /// How ids begin.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl",
            Self::Text => "cmpl",
        }
    }

    pub(super) fn object(self) -> &'static str {
        match self {
            Self::Chat => "chat.completion",
            Self::Text => "text_completion",
        }
    }

    pub(super) fn object_of_part(self) -> &'static str {
        match self {
            Self::Chat => "chat.completion.chunk",
            Self::Text => "text_completion",
        }
    }

    /// A whole reply.
    pub(super) fn choice(self, index: usize, text: &str, logprobs: Value, reason: FinishReason) -> Value {
        match self {
            Self::Chat => json!({
                "index": index,
                "message": { "role": "assistant", "content": text },
                "logprobs": logprobs,
                "finish_reason": reason_name(reason),
            }),
            Self::Text => json!({
                "index": index,
                "text": text,
                "logprobs": logprobs,
                "finish_reason": reason_name(reason),
            }),
        }
    }

    /// What opens a streamed reply, if anything does.
    pub(super) fn opening(self, index: usize) -> Option<Value> {
        let delta = json!({ "role": "assistant", "content": "" });
        (self == Self::Chat)
            .then(|| json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }))
    }

    /// A piece of a streamed reply.
    pub(super) fn piece(self, index: usize, text: &str, logprobs: Value) -> Value {
        match self {
            Self::Chat => json!({
                "index": index,
                "delta": { "content": text },
                "logprobs": logprobs,
                "finish_reason": null,
            }),
            Self::Text => {
                json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": null })
            }
        }
    }

    /// What ends a streamed reply.
    pub(super) fn ending(self, index: usize, reason: FinishReason) -> Value {
        let reason = reason_name(reason);
        match self {
            Self::Chat => json!({ "index": index, "delta": {}, "logprobs": null, "finish_reason": reason }),
            Self::Text => json!({ "index": index, "text": "", "logprobs": null, "finish_reason": reason }),
        }
    }

    /// `tokens`, the first of which stands after `start` characters of its reply.
    pub(super) fn logprobs(self, vocabulary: &Vocabulary, tokens: &[TokenLogprob], start: usize) -> Value {
        let name = |token: u32| String::from_utf8_lossy(vocabulary.name(token)).into_owned();
        match self {
            Self::Chat => {
                let entry = |(token, logprob): (u32, f32)| {
                    json!({
                        "token": name(token),
                        "logprob": logprob.max(IMPOSSIBLE),
                        "bytes": vocabulary.name(token),
                    })
                };
                let content: Vec<Value> = tokens
                    .iter()
                    .map(|token| {
                        let mut of_token = entry((token.token, token.logprob));
                        of_token["top_logprobs"] = token.top.iter().copied().map(entry).collect();
                        of_token
                    })
                    .collect();
                json!({ "content": content, "refusal": null })
            }
            Self::Text => {
                let top = |token: &TokenLogprob| -> Map<String, Value> {
                    // Of tokens that look alike (parts of characters), the likeliest keeps the name.
                    let likeliest_last = token.top.iter().rev();
                    likeliest_last
                        .map(|&(token, logprob)| (name(token), json!(logprob.max(IMPOSSIBLE))))
                        .collect()
                };
                let mut offset = start;
                let mut offsets = Vec::with_capacity(tokens.len());
                for token in tokens {
                    offsets.push(offset);
                    offset += characters(vocabulary.bytes(token.token));
                }
                json!({
                    "tokens": tokens.iter().map(|token| name(token.token)).collect::<Vec<_>>(),
                    "token_logprobs": tokens.iter().map(|t| t.logprob.max(IMPOSSIBLE)).collect::<Vec<_>>(),
                    "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
                    "text_offset": offsets,
                })
            }
        }
    }
}

/// Characters of UTF-8 that begin in `bytes`, whatever they are cut from.
pub(super) fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

fn reason_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}
