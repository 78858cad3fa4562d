//! What is found where, and what every answer carries.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::completion::Form;
use super::{State, access, completion, openapi, page, tokens};

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

/// The paths of the API, as logs and metrics name them.
const PATHS: [&str; 10] = [
    "/health",
    "/metrics",
    "/openapi.json",
    "/v1/models",
    "/v1/chat/completions",
    "/v1/completions",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/props",
];

type Body = Result<Bytes, BytesRejection>;

pub(super) fn router(state: Arc<State>) -> Router {
    let limited = Router::new()
        .route("/metrics", get(metrics))
        .route("/v1/models", get(models))
        .route("/props", get(props))
        .route(
            "/v1/chat/completions",
            post(async |state, h, body| complete(state, Form::Chat, h, body).await),
        )
        .route("/v1/completions", post(async |state, h, body| complete(state, Form::Text, h, body).await))
        .route(
            "/tokenize",
            post(async |state, h, body| convert(state, tokens::Kind::Tokenize, h, body).await),
        )
        .route(
            "/detokenize",
            post(async |state, h, body| convert(state, tokens::Kind::Detokenize, h, body).await),
        )
        .route(
            "/apply-template",
            post(async |state, h, body| convert(state, tokens::Kind::ApplyTemplate, h, body).await),
        )
        .route_layer(middleware::from_fn_with_state(Arc::clone(&state), access::check));
    Router::new()
        .merge(limited)
        .merge(page::router())
        .route("/health", get(health))
        .route(
            "/openapi.json",
            get(async |Shared(state): Shared<Arc<State>>| Json(openapi::document(&state))),
        )
        .fallback(|| async { ApiError::invalid("there is nothing here").status(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            ApiError::invalid("this method is not answered here").status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), observe_and_secure))
        .with_state(state)
}

async fn health(Shared(state): Shared<Arc<State>>) -> Response {
    match state.models() {
        Ok(_) => Json(json!({ "status": "ok" })).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.to_text())
}

async fn models(Shared(state): Shared<Arc<State>>) -> Result<Json<Value>, ApiError> {
    let models = state.models()?.iter();
    let models = models.map(
        |model| json!({ "id": model.name, "object": "model", "created": model.loaded, "owned_by": "naman" }),
    );
    Ok(Json(json!({ "object": "list", "data": models.collect::<Vec<_>>() })))
}

/// What a client may want to know of the models.
async fn props(Shared(state): Shared<Arc<State>>) -> Result<Json<Value>, ApiError> {
    let models = state.models()?.iter().map(|model| {
        let chat = &model.engine.chat;
        json!({
            "id": model.name,
            "parameters": chat.model.parameters(),
            "memory_bytes": chat.model.memory_bytes(),
            "vocabulary": model.engine.vocabulary.len(),
            "context_tokens": chat.model.context_length(),
            "longest_prompt_tokens": chat.longest_prompt(),
            "default_generation_settings": chat.generation,
        })
    });
    let models: Vec<Value> = models.collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "replies_at_once": state.capacity.at_once,
        "queue": state.capacity.queue,
        "models": models,
    })))
}

async fn complete(
    Shared(state): Shared<Arc<State>>,
    form: Form,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    completion::answer(state, form, &json_body(&headers, body)?).await
}

async fn convert(
    Shared(state): Shared<Arc<State>>,
    kind: tokens::Kind,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    tokens::answer(state, kind, &json_body(&headers, body)?).await.map(Json)
}

fn json_body(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    // A page of another site can post anything but this type without asking first, and the answer to that is no.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::invalid("expected `content-type: application/json`")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::invalid(format!("the body: expected at most {LARGEST_BODY} bytes"))
                .status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        status => ApiError::invalid("the body did not arrive").status(status),
    })
}

/// Logs that a request was answered, never what it or the answer says.
async fn observe_and_secure(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    // Paths that lead nowhere are the client's words, too.
    let path = PATHS
        .into_iter()
        .chain(page::FILES.into_iter().map(|(path, ..)| path))
        .find(|&path| path == request.uri().path())
        .unwrap_or("(other)");
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    state.metrics.observe_answer(path, status, took);
    tracing::info!(%method, path, status, milliseconds = took.as_millis() as u64, "answered");
    response
}
