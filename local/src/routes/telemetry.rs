//! Telemetry: accepted, so that a client works, and not kept.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::http::{ApiKey, AppState, reply};

/// No client captures anything for a control plane that keeps nothing.
pub async fn lease(State(_): AppState, _: ApiKey) -> Response {
    let lease = json!({
        "captureMode": "off",
        "revision": 1,
        "expiresAt": "2099-01-01T00:00:00Z",
        "debugExpiresAt": null,
        "contentCaptureAllowed": false,
        "externalContentCaptureAllowed": false,
    });
    reply(StatusCode::OK, &lease)
}

/// Protobuf of any content.
pub async fn accept_traces(State(_): AppState, _: ApiKey, _: Bytes) -> Response {
    reply(StatusCode::OK, &json!({}))
}
