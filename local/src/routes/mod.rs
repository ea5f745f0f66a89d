//! The HTTP endpoints, by what they are about.

mod admin;
mod audit;
mod delegation;
mod directory;
mod enforce;
mod forward;
mod http;
mod inventory;
mod preflight;
mod proxy;
mod telemetry;
mod token;
mod trust;
mod trust_delegation;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use crate::app::App;

/// The control plane's own API.
pub fn backend(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/health", get(directory::health))
        .route("/iap/public-key", get(token::public_key))
        .route("/iap/sdk/token", post(token::mint_token))
        .route("/iap/sdk/enforce", post(enforce::enforce))
        .route("/iap/sdk/bootstrap", post(directory::bootstrap))
        .route("/iap/sdk/resolve-user", post(directory::resolve_user))
        .route("/iap/sdk/tools", post(inventory::push))
        .route("/iap/sdk/preflight", post(preflight::preflight))
        .route("/iap/plans/{id}/status", post(trust::set_plan_status))
        .route("/iap/trust/reanchor", post(trust::reanchor))
        .route("/iap/trust/revoke", post(trust::revoke))
        .route("/iap/trust/delegate", post(trust_delegation::delegate))
        .route("/iap/audit", post(audit::report))
        .route("/policy/bundles/current", get(directory::bundle))
        .route("/delegation/request", post(delegation::request))
        .route("/delegation/check-approved", get(delegation::check_approved))
        .route("/delegation/{id}/status", get(delegation::status))
        .route("/delegation/mark-executed", post(delegation::mark_executed))
        .route("/delegation/my-role", get(delegation::my_role))
        .route("/mcp/my-servers", get(directory::servers))
        .route("/mcp/tools/{name}", get(directory::tools))
        .route("/mcp/tool-metadata/{name}", get(directory::tool_metadata))
        .route("/observability/policy/lease", get(telemetry::lease))
        .route("/v1/traces", post(telemetry::accept_traces))
        .route("/dashboard/token-usage", post(usage::record))
        .route("/dashboard/token-usage/stream", post(usage::stream))
        .route("/dashboard/token-usage/stream/reset", post(usage::reset))
        .route("/dashboard/token-usage/batch", post(usage::batch))
        .route("/dashboard/token-usage/runs/{id}", put(usage::run))
        .route("/local/delegations", get(admin::delegations))
        .route("/local/delegations/{id}/approve", post(admin::approve))
        .route("/local/delegations/{id}/reject", post(admin::reject))
        .route("/local/audit", get(admin::audit))
        .route("/local/inventories", get(admin::inventories))
        .route("/local/usage", get(admin::usage));
    http::finish(routes, app)
}

/// The gateway before the MCP servers.
pub fn proxy(app: Arc<App>) -> Router {
    let routes = Router::new().route("/health", get(directory::health)).route("/invoke", post(proxy::invoke));
    http::finish(routes, app)
}

/// The signer. The SDKs fetch the key from the backend; this is for programs that ask the IAP itself.
pub fn iap(app: Arc<App>) -> Router {
    let routes =
        Router::new().route("/health", get(directory::health)).route("/iap/public-key", get(token::public_key));
    http::finish(routes, app)
}
