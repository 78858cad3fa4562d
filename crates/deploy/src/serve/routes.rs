//! What is found where, and what every answer carries.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::{State, completion, page};

/// The largest body, in bytes: many times what any context of these models holds.
const LARGEST_BODY: usize = 256 << 10;

/// The page loads nothing from elsewhere and runs nothing that is not in its own files; nobody may frame it.
const SECURITY: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .merge(page::router())
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(completions))
        .fallback(|| async { ApiError::invalid("there is nothing here").status(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            ApiError::invalid("this method is not answered here").status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(log_and_secure))
        .with_state(state)
}

async fn models(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{ "id": state.name, "object": "model", "created": state.loaded, "owned_by": "naman" }],
    }))
}

async fn completions(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // A page of another site can post anything but this type without asking first, and the answer to that is no.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::invalid("expected `content-type: application/json`")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::invalid(format!("the body: expected at most {LARGEST_BODY} bytes"))
                .status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        status => ApiError::invalid("the body did not arrive").status(status),
    })?;
    completion::answer(state, &body).await
}

/// Logs that a request was answered, never what it or the answer says.
async fn log_and_secure(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    // Paths that lead nowhere are the client's words, too.
    let path = ["/health", "/v1/models", "/v1/chat/completions"]
        .into_iter()
        .chain(page::FILES.into_iter().map(|(path, ..)| path))
        .find(|&path| path == request.uri().path())
        .unwrap_or("(other)");
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let milliseconds = begun.elapsed().as_millis() as u64;
    tracing::info!(%method, path, status = response.status().as_u16(), milliseconds, "answered");
    response
}
