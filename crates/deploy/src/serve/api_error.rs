//! Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

/// A refusal that a client reads.
#[derive(Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    message: String,
    kind: &'static str,
    /// The field that is at fault.
    param: Option<String>,
    code: Option<&'static str>,
    /// Tokens of a prompt, and of the context that does not hold it.
    sizes: Option<(usize, usize)>,
    /// Seconds after which it is worth asking again.
    retry_after: Option<u64>,
}

impl ApiError {
    /// A request that cannot be fulfilled as it is.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            kind: "invalid_request_error",
            param: None,
            code: None,
            sizes: None,
            retry_after: None,
        }
    }

    /// A field that this server does not know or support.
    pub(super) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).of(param).coded("unsupported_parameter")
    }

    /// A field with a value that it cannot have.
    pub(super) fn value(param: impl Into<String>, expected: &str) -> Self {
        let param = param.into();
        Self::invalid(format!("`{param}`: expected {expected}")).of(param).coded("invalid_value")
    }

    /// A prompt of so many tokens, where `longest` are the most that a context leaves to a prompt.
    pub(super) fn context_exceeded(prompt: usize, longest: usize, context: usize) -> Self {
        let message = format!(
            "the prompt has {prompt} tokens; the context holds {context}, of which a prompt may have {longest}"
        );
        let error = Self::invalid(message).coded("context_length_exceeded");
        Self { sizes: Some((prompt, context)), ..error }
    }

    /// More requests than the queue holds.
    pub(super) fn busy() -> Self {
        let message = "too many requests are waiting; try again in a moment";
        Self { kind: "rate_limit_error", retry_after: Some(2), ..Self::invalid(message) }
            .status(StatusCode::TOO_MANY_REQUESTS)
            .coded("queue_full")
    }

    /// More requests of one client than it may make; there will be room after so many seconds.
    pub(super) fn too_often(seconds: u64) -> Self {
        let message = format!("too many requests; try again in {seconds} s");
        Self { kind: "rate_limit_error", retry_after: Some(seconds), ..Self::invalid(message) }
            .status(StatusCode::TOO_MANY_REQUESTS)
            .coded("rate_limit_exceeded")
    }

    /// The model is not there yet.
    pub(super) fn loading() -> Self {
        let message = "the model is being loaded; try again in a moment";
        Self { kind: "server_error", retry_after: Some(1), ..Self::invalid(message) }
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .coded("loading")
    }

    /// A fault of this server.
    pub(super) fn internal() -> Self {
        Self { kind: "server_error", ..Self::invalid("the server failed to generate a reply") }
            .status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn of(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(super) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        });
        if let Some((prompt, context)) = self.sizes {
            error["prompt_tokens"] = prompt.into();
            error["context_tokens"] = context.into();
        }
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
