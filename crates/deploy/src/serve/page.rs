//! The chat page and the page about the API, compiled into the program.

use axum::Router;
use axum::http::header;
use axum::routing::get;

/// Each file of the pages: where it is found, what it is, what it holds.
pub(super) const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("../../web/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../../web/style.css")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("../../web/app.js")),
    ("/docs", "text/html; charset=utf-8", include_str!("../../web/docs.html")),
    ("/docs.css", "text/css; charset=utf-8", include_str!("../../web/docs.css")),
    ("/docs.js", "text/javascript; charset=utf-8", include_str!("../../web/docs.js")),
    ("/icon.svg", "image/svg+xml", include_str!("../../web/icon.svg")),
];

/// Serves the pages.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
        router.route(path, get(move || async move { (headers, content) }))
    })
}
