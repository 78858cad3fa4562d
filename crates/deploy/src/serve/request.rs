//! The body of `POST /v1/chat/completions`. What is not supported is refused, never ignored.

use artifact::conversation::{Message, Role};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use crate::sampling::Sampling;

/// The most stop strings.
const STOPS: usize = 4;
/// The longest stop string, in bytes.
const LONGEST_STOP: usize = 256;

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    pub(super) sampling: Sampling,
    pub(super) seed: Option<u64>,
    pub(super) stop: Vec<String>,
    pub(super) stream: bool,
    /// Whether a stream ends with the count of its tokens.
    pub(super) include_usage: bool,
}

impl Request {
    /// Reads a body for the model `name`.
    pub(super) fn parse(body: &[u8], name: &str) -> Result<Self, ApiError> {
        let body = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(format!("the body: expected a JSON object: {error}")))?;
        let Value::Object(fields) = body else {
            return Err(ApiError::invalid("the body: expected a JSON object"));
        };
        let mut fields = Fields(fields);

        if let Some(asked) = fields.text("model")?
            && asked != name
        {
            return Err(ApiError::invalid(format!(
                "the model `{asked}` is not here; this server has `{name}`"
            ))
            .status(StatusCode::NOT_FOUND)
            .of("model")
            .coded("model_not_found"));
        }
        let messages = messages(fields.take("messages"))?;
        let stream = fields.flag("stream")?.unwrap_or(false);
        let include_usage = stream_options(fields.take("stream_options"), stream)?;
        let max_tokens = match (fields.count("max_tokens")?, fields.count("max_completion_tokens")?) {
            (Some(_), Some(_)) => {
                return Err(ApiError::value("max_tokens", "it or `max_completion_tokens`, not both"));
            }
            (old, new) => new.or(old),
        };
        let sampling = Sampling {
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            top_k: fields.count("top_k")?,
            min_p: fields.number("min_p")?,
            repetition_penalty: fields.number("repetition_penalty")?,
            max_tokens,
        };
        let seed = fields.seed()?;
        let stop = stop(fields.take("stop"))?;
        fields.refuse_the_rest()?;
        Ok(Self { messages, sampling, seed, stop, stream, include_usage })
    }
}

/// The fields that nobody has taken yet. `null` is the same as absence.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::value(name, "a string")),
        }
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(ApiError::value(name, "true or false")),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>, ApiError> {
        let value = self.take(name);
        value.map(|value| value.as_f64().ok_or_else(|| ApiError::value(name, "a number"))).transpose()
    }

    fn count(&mut self, name: &str) -> Result<Option<usize>, ApiError> {
        let value = self.take(name);
        value
            .map(|value| {
                let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
                count.ok_or_else(|| ApiError::value(name, "a whole number, 0 or more"))
            })
            .transpose()
    }

    /// Negative seeds are seeds too.
    fn seed(&mut self) -> Result<Option<u64>, ApiError> {
        let value = self.take("seed");
        value
            .map(|value| {
                let seed = value.as_u64().or_else(|| value.as_i64().map(|seed| seed as u64));
                seed.ok_or_else(|| ApiError::value("seed", "a whole number of 64 bits"))
            })
            .transpose()
    }

    /// Fields that change no reply are let through, and so are values that ask for nothing: clients send them unasked.
    fn refuse_the_rest(self) -> Result<(), ApiError> {
        let nothing = [
            ("n", json!(1)),
            ("frequency_penalty", json!(0.0)),
            ("presence_penalty", json!(0.0)),
            ("logprobs", json!(false)),
            ("logit_bias", json!({})),
            ("response_format", json!({"type": "text"})),
            ("tools", json!([])),
            ("store", json!(false)),
        ];
        for (name, value) in self.0 {
            if value.is_null() || name == "user" || name == "metadata" {
                continue;
            }
            match nothing.iter().find(|(known, _)| *known == name) {
                Some((_, nothing)) if same(&value, nothing) => {}
                Some((_, nothing)) => {
                    return Err(ApiError::unsupported(
                        &name,
                        format!("`{name}`: this server supports only {nothing}"),
                    ));
                }
                None => {
                    return Err(ApiError::unsupported(
                        &name,
                        format!("`{name}`: this server does not support it"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Equal as JSON means it: 0 is 0.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || (a == 0.0 && b == 0.0),
        _ => a == b,
    }
}

fn messages(value: Option<Value>) -> Result<Vec<Message>, ApiError> {
    let Some(Value::Array(values)) = value else {
        return Err(ApiError::value("messages", "a list of messages"));
    };
    let messages: Vec<Message> = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| message(index, value))
        .collect::<Result<_, _>>()?;
    match messages.last().map(|last| last.role) {
        None => Err(ApiError::value("messages", "at least one message")),
        Some(Role::Assistant) => {
            Err(ApiError::value("messages", "a last message to answer, not one of the assistant"))
        }
        Some(_) => Ok(messages),
    }
}

fn message(index: usize, value: Value) -> Result<Message, ApiError> {
    let place = format!("messages[{index}]");
    let Value::Object(fields) = value else {
        return Err(ApiError::value(place, "an object with `role` and `content`"));
    };
    let mut fields = Fields(fields);
    let role = match fields.take("role").as_ref().and_then(Value::as_str) {
        // OpenAI's newer name for the same.
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err(ApiError::value(format!("{place}.role"), "\"system\", \"user\" or \"assistant\"")),
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
        _ => return Err(ApiError::value(format!("{place}.content"), "a string, or a list of text parts")),
    };
    if let Some((name, _)) = fields.0.iter().find(|(_, value)| !value.is_null()) {
        let param = format!("{place}.{name}");
        return Err(ApiError::unsupported(&param, format!("`{param}`: this server does not support it")));
    }
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

fn stream_options(value: Option<Value>, stream: bool) -> Result<bool, ApiError> {
    let Some(value) = value else { return Ok(false) };
    if !stream {
        return Err(ApiError::value("stream_options", "it only together with `stream`: true"));
    }
    let Value::Object(fields) = value else {
        return Err(ApiError::value("stream_options", "an object"));
    };
    let mut fields = Fields(fields);
    let include_usage = fields.flag("include_usage")?.unwrap_or(false);
    match fields.0.keys().next() {
        None => Ok(include_usage),
        Some(name) => {
            let param = format!("stream_options.{name}");
            Err(ApiError::unsupported(&param, format!("`{param}`: this server does not support it")))
        }
    }
}

fn stop(value: Option<Value>) -> Result<Vec<String>, ApiError> {
    let expected = "a string, or a list of up to 4 strings, each of 1 to 256 bytes";
    let stops = match value {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                _ => Err(ApiError::value("stop", expected)),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(ApiError::value("stop", expected)),
    };
    let fits = stops.len() <= STOPS && stops.iter().all(|stop| (1..=LONGEST_STOP).contains(&stop.len()));
    if fits { Ok(stops) } else { Err(ApiError::value("stop", expected)) }
}
