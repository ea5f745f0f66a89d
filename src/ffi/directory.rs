//! Client methods: what the organisation has.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Tells the organisation, the agent, the MCP servers and which server each tool is on.
///
/// `params`: NULL or `{}`. `json`: the service's answer as it is: `org` {`name`}, `agent` {`id`}, `mcps` [{`name`, ...}],
/// `toolMap` {tool: server}; or the error object. Remembered for the client's life; see
/// `armoriq_client_refresh_bootstrap`. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_CONFIGURATION` (the service refused), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT`,
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: directory
/// What the organisation has registered: its MCP servers, their tools, its users and their roles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_bootstrap(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.bootstrap(params)))
}

/// Asks for the answer of `armoriq_client_bootstrap` anew, and remembers that.
///
/// `params`, `json` and errors are as there. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_refresh_bootstrap(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.refresh_bootstrap(params)))
}

/// Lists the MCP servers that are registered.
///
/// `params`: NULL or `{}`. `json`: a list of objects as the service gives them, such as `{"mcpId", "name", "url"}`; or
/// the error object. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_MCP_INVOCATION` (the service refused), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer),
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_list_mcps(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.list_mcps(params)))
}

/// Tells what the service knows of a user: their membership and policies.
///
/// `params`: a JSON object: `user_email`, required; it is trimmed and put in lower case. `json`: the service's answer
/// as it is, or the error object. Remembered for `user_context_ttl_seconds`, as `armoriq_user_resolve` does. Blocks for
/// up to the client's `timeout_ms`, and not while it is remembered. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_CONFIGURATION` (no such
/// user), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_resolve_user(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.resolve_user(params)))
}

/// Forgets what is remembered of a user: the next question is asked anew.
///
/// `params`: a JSON object: `user_email`, required. `json`: JSON null, or the error object. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_invalidate_user(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.invalidate_user(params)))
}

/// Lists the tools of an MCP server with their schemas.
///
/// `params`: a JSON object: `mcp_name`, required. `json`: a list of objects as the service gives them, or the error
/// object. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_MCP_INVOCATION` (no such
/// server), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_get_mcp_tool_schemas(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.get_mcp_tool_schemas(params)))
}

/// Tells what the tools of an MCP server mean, such as which of them move money.
///
/// `params`: a JSON object: `mcp_name`, required. `json`: `mcp_id`, `name`, `role_mapping` {role of the organisation:
/// role on the server} and `tool_metadata`, an object with each tool's meaning by its name:
///
/// | member | what it is; null where it is not known |
/// | --- | --- |
/// | is_financial | whether a call moves money |
/// | transaction_type | text |
/// | amount_fields | list of texts: which arguments hold the amount, the first that is there counts |
/// | amount_unit | "cents", or null for the currency's own unit |
/// | currency, recipient_field, category | texts |
///
/// A server of which the service knows or tells nothing (an HTTP error, too) has an empty `tool_metadata`, which is not
/// remembered; all else is, for the client's life. Blocks for up to the client's `timeout_ms`, and not while it is
/// remembered. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_SERVICE`,
/// `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_fetch_tool_metadata(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.fetch_tool_metadata(params)))
}

/// Tells what a role of the organisation is called on an MCP server.
///
/// `params`: a JSON object: `mcp_name` and `org_role`, required texts. `json`: a JSON text: the server's name for the
/// role, or `org_role` itself where it has none or the service tells nothing (an HTTP error, too); or the error object.
/// Asks and remembers as `armoriq_client_fetch_tool_metadata` does. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_SERVICE`,
/// `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_resolve_role(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.resolve_role(params)))
}
