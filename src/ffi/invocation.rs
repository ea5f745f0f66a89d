//! Client methods: calls of tools through the proxy.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Calls a tool through the proxy, under an intent token.
///
/// `params`: a JSON object; unknown members are refused.
///
/// | member | type, default |
/// | --- | --- |
/// | mcp | text: the server |
/// | action | text: the tool |
/// | intent_token | the object that `armoriq_session_start_plan` or `armoriq_client_get_intent_token` gave |
/// | params | the tool's arguments, an object; `{}`. Forwarded byte for byte |
/// | user_email | text: whose call it is; nobody's |
/// | timeout_ms | 1 to 86400000; the client's holds where it is smaller |
///
/// `json`: `mcp`, `action`, `result` (the tool's own, as it is), `status` ("success", or "error" where the result says
/// that the tool failed), `execution_time` (seconds), `verified` (true), `metadata` {`hasToolError`}; or the error object.
/// A call that failed without an answer, or with `ARMORIQ_ERR_TIMEOUT`, may have been made. Blocks for up to the client's
/// `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CONFIGURATION` (no proxy is set), `ARMORIQ_ERR_TOKEN_EXPIRED` (nothing is
/// sent then), `ARMORIQ_ERR_TOKEN_REVOKED`, `ARMORIQ_ERR_INVALID_TOKEN`, `ARMORIQ_ERR_POLICY_BLOCKED`,
/// `ARMORIQ_ERR_POLICY_HOLD`, `ARMORIQ_ERR_INTENT_MISMATCH`, `ARMORIQ_ERR_MCP_INVOCATION` (the server's error, or an answer
/// that cannot be read), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: calls
/// The proxy decides about a call and makes it. A session does the same with `armoriq_session_dispatch`, and refuses
/// what its plan does not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_invoke(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.invoke(params)))
}

/// Calls a tool as `armoriq_client_invoke` does, tells the proxy which amount it moves, and can wait for a person's
/// approval of a held call.
///
/// `params`: `mcp`, `action`, `intent_token` and `params` as there. The library adds `_policy_context` to the arguments
/// and, for an approved call, `_delegation_id` and `_approvals`; the caller's own arguments must not have these. And
/// `options`, an object:
///
/// | member | type, default |
/// | --- | --- |
/// | wait_for_approval | false: a held call is `ARMORIQ_ERR_POLICY_HOLD`. true, with a user_email: it asks for an approval, waits for it and then makes the call |
/// | delegation_timeout_ms | 1800000: how long to wait for the approval |
/// | user_email | text: whose call it is, and who asks for the approval |
/// | requester_role | text: the user's role; what the service says |
/// | requester_limit | 0: what the user may decide alone; used with requester_role |
///
/// `json`: as for `armoriq_client_invoke`, or the error object. Where the approved call was made but its approval could
/// not be marked as used, the result is there all the same, and `metadata` has a `warning`. The log tells of the hold and
/// the delegation's id, at level 3. Blocks for up to `delegation_timeout_ms` and some requests of up to the client's
/// `timeout_ms`. Thread-safe.
///
/// # Errors
/// Those of `armoriq_client_invoke`, and `ARMORIQ_ERR_DELEGATION`: the approval was refused, expired, was used before or
/// did not come in time. `ARMORIQ_ERR_POLICY_HOLD` has `delegationError` in its metadata where none could be asked for.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_invoke_with_policy(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.invoke_with_policy(params)))
}
