//! Client methods: what the organisation has.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Tells the organisation, the agent, the MCP servers and which server each tool is on.
///
/// @section Client methods: directory
/// What the organisation has registered: its MCP servers, their tools, its users and their roles.
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
