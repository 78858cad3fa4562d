//! `/openapi.json`: the API in the words of OpenAPI 3.1.

use serde_json::{Value, json};

use super::State;

/// The document; what depends on the server's options is filled in.
pub(super) fn document(state: &State) -> Value {
    let mut document: Value = serde_json::from_str(include_str!("openapi.json")).expect("a JSON document");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    if state.access.is_closed() {
        document["components"]["securitySchemes"] = json!({ "key": { "type": "http", "scheme": "bearer" } });
        for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
            let is_open = path == "/health" || path == "/openapi.json";
            for operation in operations.as_object_mut().into_iter().flatten().filter(|_| !is_open) {
                operation.1["security"] = json!([{ "key": [] }]);
            }
        }
    }
    document
}
