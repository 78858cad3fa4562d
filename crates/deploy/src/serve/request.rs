//! The bodies of `POST /v1/chat/completions` and `POST /v1/completions`.

use artifact::conversation::Message;
use model::generate::Adjustments;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::fields::Fields;
use super::messages;
use crate::sampling::Sampling;

/// The most stop strings.
const STOPS: usize = 4;
/// The longest stop string, in bytes.
const LONGEST_STOP: usize = 256;
/// The most replies of a request.
const MOST_REPLIES: usize = 8;
/// The most of the likeliest tokens that are told of one: OpenAI's limits for either kind of completion.
const MOST_LIKELY: [usize; 2] = [20, 5];

/// A request that makes sense.
pub(super) struct Request {
    pub(super) question: Question,
    /// Replies to each prompt.
    pub(super) n: usize,
    pub(super) sampling: Sampling,
    pub(super) adjustments: Adjustments,
    pub(super) seed: Option<u64>,
    pub(super) stop: Vec<String>,
    /// How many of the likeliest tokens are told of each token; none where logprobs are not asked for.
    pub(super) top_logprobs: Option<usize>,
    /// What the reply must be an instance of.
    pub(super) schema: Option<Value>,
    pub(super) stream: bool,
    /// Whether a stream ends with the count of its tokens.
    pub(super) include_usage: bool,
}

/// What is to be answered or continued.
pub(super) enum Question {
    Chat {
        messages: Vec<Message>,
        /// Whether the oldest turns may be left out where the context does not hold them.
        truncate: bool,
    },
    Texts(Vec<Prompt>),
}

/// A text to continue.
pub(super) enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

impl Request {
    /// Reads the body of a chat completion, for a model of `vocabulary` tokens.
    pub(super) fn chat(fields: &mut Fields, vocabulary: usize) -> Result<Self, ApiError> {
        let messages = messages::take(fields)?;
        let truncate = match fields.text("truncation")?.as_deref() {
            None | Some("disabled") => false,
            Some("auto") => true,
            Some(_) => return Err(ApiError::value("truncation", "\"auto\" or \"disabled\"")),
        };
        let top_logprobs = match (
            fields.flag("logprobs")?.unwrap_or(false),
            fields.count_within("top_logprobs", 0, MOST_LIKELY[0])?,
        ) {
            (false, Some(_)) => {
                return Err(ApiError::value("top_logprobs", "it only together with `logprobs`: true"));
            }
            (asked, top) => asked.then_some(top.unwrap_or(0)),
        };
        for (name, nothing) in [("tools", json!([])), ("store", json!(false))] {
            fields.asks_nothing(name, &nothing)?;
        }
        if let Some(metadata) = fields.take("metadata")
            && !metadata.is_object()
        {
            return Err(ApiError::value("metadata", "an object"));
        }
        Self::shared(fields, vocabulary, Question::Chat { messages, truncate }, top_logprobs)
    }

    /// Reads the body of a text completion, for a model of `vocabulary` tokens.
    pub(super) fn text(fields: &mut Fields, vocabulary: usize) -> Result<Self, ApiError> {
        let prompts = prompts(fields.take("prompt"), vocabulary)?;
        let top_logprobs = fields.count_within("logprobs", 0, MOST_LIKELY[1])?;
        for (name, nothing) in [("echo", json!(false)), ("best_of", json!(1)), ("suffix", json!(""))] {
            fields.asks_nothing(name, &nothing)?;
        }
        Self::shared(fields, vocabulary, Question::Texts(prompts), top_logprobs)
    }

    fn shared(
        fields: &mut Fields,
        vocabulary: usize,
        question: Question,
        top_logprobs: Option<usize>,
    ) -> Result<Self, ApiError> {
        let stream = fields.flag("stream")?.unwrap_or(false);
        let include_usage = stream_options(fields, stream)?;
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
        let penalty = |penalty: Option<f64>| penalty.unwrap_or(0.0) as f32;
        let adjustments = Adjustments {
            frequency_penalty: penalty(fields.number_within("frequency_penalty", -2.0, 2.0)?),
            presence_penalty: penalty(fields.number_within("presence_penalty", -2.0, 2.0)?),
            bias: logit_bias(fields.object("logit_bias")?, vocabulary)?,
        };
        let request = Self {
            question,
            n: fields.count_within("n", 1, MOST_REPLIES)?.unwrap_or(1),
            sampling,
            adjustments,
            seed: fields.seed()?,
            stop: stop(fields.take("stop"))?,
            top_logprobs,
            schema: response_format(fields)?,
            stream,
            include_usage,
        };
        fields.text("user")?;
        fields.refuse_the_rest()?;
        Ok(request)
    }
}

fn prompts(value: Option<Value>, vocabulary: usize) -> Result<Vec<Prompt>, ApiError> {
    let expected = format!(
        "a string, a list of tokens below {vocabulary}, or a list of up to {MOST_REPLIES} of either, none of them empty"
    );
    let wrong = || ApiError::value("prompt", &expected);
    let tokens = |values: &[Value]| -> Option<Prompt> {
        let token = |value: &Value| value.as_u64().filter(|&id| id < vocabulary as u64).map(|id| id as u32);
        values.iter().map(token).collect::<Option<_>>().map(Prompt::Tokens)
    };
    let prompts = match value {
        None => return Err(wrong()),
        Some(Value::String(text)) => vec![Prompt::Text(text)],
        Some(Value::Array(values)) if values.first().is_some_and(Value::is_number) => {
            vec![tokens(&values).ok_or_else(wrong)?]
        }
        Some(Value::Array(values)) if (1..=MOST_REPLIES).contains(&values.len()) => values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Some(Prompt::Text(text)),
                Value::Array(values) if !values.is_empty() => tokens(&values),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?,
        Some(_) => return Err(wrong()),
    };
    Ok(prompts)
}

fn stream_options(fields: &mut Fields, stream: bool) -> Result<bool, ApiError> {
    let Some(mut options) = fields.object("stream_options")? else { return Ok(false) };
    if !stream {
        return Err(ApiError::value("stream_options", "it only together with `stream`: true"));
    }
    let include_usage = options.flag("include_usage")?.unwrap_or(false);
    options.refuse_the_rest()?;
    Ok(include_usage)
}

/// Tokens with what is added to their logits, in the order of the tokens.
fn logit_bias(fields: Option<Fields>, vocabulary: usize) -> Result<Vec<(u32, f32)>, ApiError> {
    let expected = format!("tokens below {vocabulary}, each with a number from -100 to 100");
    let mut bias = Vec::new();
    for (token, value) in fields.into_iter().flat_map(Fields::all) {
        // As JSON writes numbers: neither a sign nor zeros before it.
        let id = token.parse().ok().filter(|id: &u32| (*id as usize) < vocabulary && id.to_string() == token);
        let value = value.as_f64().filter(|value| (-100.0..=100.0).contains(value));
        match (id, value) {
            (Some(id), Some(value)) => bias.push((id, value as f32)),
            _ => return Err(ApiError::value("logit_bias", &expected)),
        }
    }
    bias.sort_by_key(|(token, _)| *token);
    Ok(bias)
}

fn response_format(fields: &mut Fields) -> Result<Option<Value>, ApiError> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    let schema = match format.text("type")?.as_deref() {
        Some("text") => None,
        Some("json_object") => Some(json!({ "type": "object" })),
        Some("json_schema") => {
            let place = format.name("json_schema");
            let named = format.object("json_schema")?;
            let mut named = named.ok_or_else(|| ApiError::value(place, "an object with a `schema`"))?;
            named.text("name")?;
            named.text("description")?;
            named.flag("strict")?;
            let schema = named.take("schema").filter(Value::is_object);
            let schema = schema.ok_or_else(|| ApiError::value(named.name("schema"), "a JSON Schema"))?;
            named.refuse_the_rest()?;
            Some(schema)
        }
        _ => {
            let expected = "\"text\", \"json_object\" or \"json_schema\"";
            return Err(ApiError::value(format.name("type"), expected));
        }
    };
    format.refuse_the_rest()?;
    Ok(schema)
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
