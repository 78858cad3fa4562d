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

    /// More requests than the queue holds.
    pub(super) fn busy() -> Self {
        let message = "too many requests are waiting; try again in a moment";
        Self { kind: "rate_limit_error", ..Self::invalid(message) }
            .status(StatusCode::TOO_MANY_REQUESTS)
            .coded("queue_full")
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
        json!({
            "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code }
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
