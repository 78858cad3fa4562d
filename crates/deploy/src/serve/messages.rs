//! The messages of a request.

use artifact::conversation::{Message, Role};
use serde_json::Value;

use super::api_error::ApiError;
use super::fields::Fields;

/// The most messages of a request; a context holds fewer.
const MOST_MESSAGES: usize = 4096;

/// Reads `messages`, the last of which is to be answered.
pub(super) fn take(fields: &mut Fields) -> Result<Vec<Message>, ApiError> {
    let values = fields.list("messages")?.ok_or_else(|| ApiError::value("messages", "a list of messages"))?;
    if values.len() > MOST_MESSAGES {
        return Err(ApiError::value("messages", &format!("at most {MOST_MESSAGES} messages")));
    }
    let messages: Vec<Message> = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| message(&format!("messages[{index}]"), value))
        .collect::<Result<_, _>>()?;
    match messages.last().map(|last| last.role) {
        None => Err(ApiError::value("messages", "at least one message")),
        Some(Role::Assistant) => {
            Err(ApiError::value("messages", "a last message to answer, not one of the assistant"))
        }
        Some(_) => Ok(messages),
    }
}

fn message(place: &str, value: Value) -> Result<Message, ApiError> {
    let mut fields = Fields::of(place, value)?;
    let role = match fields.take("role").as_ref().and_then(Value::as_str) {
        // OpenAI's newer name for the same.
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err(ApiError::value(fields.name("role"), "\"system\", \"user\" or \"assistant\"")),
    };
    let content = match fields.take("content") {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => {
            let texts: Result<Vec<String>, ApiError> = parts
                .into_iter()
                .enumerate()
                .map(|(part, value)| text_part(&format!("{place}.content[{part}]"), value))
                .collect();
            texts?.join("\n")
        }
        _ => return Err(ApiError::value(fields.name("content"), "a string, or a list of text parts")),
    };
    fields.refuse_the_rest()?;
    Ok(Message::new(role, content))
}

fn text_part(place: &str, value: Value) -> Result<String, ApiError> {
    let wrong =
        || ApiError::value(place, "{\"type\": \"text\", \"text\": ...}; this server reads nothing but text");
    let Value::Object(mut part) = value else { return Err(wrong()) };
    let kind = part.remove("type");
    match (kind.as_ref().and_then(Value::as_str), part.remove("text")) {
        (Some("text"), Some(Value::String(text))) if part.is_empty() => Ok(text),
        _ => Err(wrong()),
    }
}
