//! Client methods: what may be done with an intent token besides showing it.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Hands an intent token on to another agent: the service makes one for the holder of that agent's key.
///
/// `params`: a JSON object:
///
/// | member | type, default |
/// | --- | --- |
/// | intent_token | required: the token to hand on |
/// | delegate_public_key | required text: the delegate's Ed25519 key in hex |
/// | validity_seconds | positive number, 3600 |
/// | allowed_actions | list of texts, not empty: only these actions; without it all that the token has |
/// | target_agent | text: the delegate's agent id |
/// | subtask | object: what the delegate is to do |
///
/// `json`: `delegation_id`, `delegated_token` (a token of its own), `delegate_public_key`, `target_agent` (or null),
/// `expires_at` (Unix seconds), `trust_delta`, `status` ("delegated"), `metadata`; or the error object. Where the
/// service says nothing of an expiry the delegated token counts as expired.
///
/// Blocks for up to 10 s (or the client's `timeout_ms`, where that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (refused, or no
/// token in the answer: `status_code`, `target_agent`), `ARMORIQ_ERR_TOKEN_REVOKED`, `ARMORIQ_ERR_SERVICE`,
/// `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: trust
/// What may be done with an intent token besides showing it: hand it on, or a part of it, revoke it, put another plan
/// under it; and ask about a plan before there is a token. An `intent_token` is the JSON object that
/// `armoriq_client_get_intent_token` or `armoriq_session_start_plan` gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_delegate(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.delegate(params)))
}

/// Hands on the part of an intent token that is about one part of its plan, with a proof that the part belongs to the
/// whole.
///
/// `params`: a JSON object:
///
/// | member | type, default |
/// | --- | --- |
/// | intent_token | required: the token to hand a part of on |
/// | delegate_public_key | required text: the delegate's Ed25519 key in hex |
/// | subtree_path | required text: the part, such as "/steps/[0]" |
/// | validity_seconds | positive number, 3600 |
/// | parent_plan | object: the whole plan, where the service does not have it |
/// | plan_id | text: the token's own |
/// | intent_reference | text |
/// | target_agent | text: named in errors, not sent |
///
/// `json`: `trust_id`, `delta` (the service's record), `inclusion_proof` (a list), `subtree_root` (a hash),
/// `delegated_token`; or the error object. The delegated token is the given one with `subtree_delegation`:
/// `subtree_path`, `subtree_root`, `parent_plan_hash`, `inclusion_proof`, `parent_token_id`.
///
/// Blocks for up to 10 s an attempt (or the client's `timeout_ms`, where that is less), with up to `max_retries`
/// further attempts. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (refused:
/// `status_code`, `target_agent`), `ARMORIQ_ERR_TOKEN_REVOKED`, `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no
/// answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_delegate_subtree(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.delegate_subtree(params)))
}

/// Revokes an intent token: the service blocks every later call that shows it.
///
/// `params`: a JSON object: `intent_token` and `reason` (text), required; `cascade` (true: also what was delegated from
/// it), `plan_id` (text, the token's own), `intent_reference` (text). `json`: the service's answer as it is, such as
/// `trustId`, `delta`, `cascadedRevocations`; or the error object. Local mode does not ask the service and learns of it
/// only when the token expires.
///
/// Blocks for up to 10 s an attempt (or the client's `timeout_ms`, where that is less), with up to `max_retries`
/// further attempts. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (refused:
/// `status_code`), `ARMORIQ_ERR_TOKEN_REVOKED`, `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer),
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_revoke(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.revoke(params)))
}

/// Puts another plan under an intent token, as `armoriq_session_start_plan` does when a plan has grown.
///
/// `params`: a JSON object: `intent_token` and `updated_plan` (an object), required; `reason` (text), `plan_id` (text,
/// the token's own), `intent_reference` (text). `json`: the service's answer as it is, such as `trustId`, `delta`; or
/// the error object. The token stays the same.
///
/// Blocks for up to 10 s an attempt (or the client's `timeout_ms`, where that is less), with up to `max_retries`
/// further attempts. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_INTENT_REANCHOR` (refused:
/// `status_code`, `plan_id`, `reason`, such as "intent_plan_expired" or "reanchor_chain_limit": then mint anew),
/// `ARMORIQ_ERR_TOKEN_REVOKED`, `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_reanchor(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.reanchor(params)))
}

/// Asks the service what it thinks of a request and the tool calls that a model made of it, before there is a plan.
///
/// `params`: a JSON object, or NULL: `agent_id` (text), `user_prompt` (text), `tool_calls` (a list),
/// `authority_snapshot` (any JSON). What is left out is sent as null. `json`: `decision` (text, the service's own word:
/// go ahead only on one that you know), `intent_id` (or null), `violations`, `offending_interfaces`, `predicate_fails`
/// (lists), `meta` (object); or the error object.
///
/// Blocks for up to 30 s (or the client's `timeout_ms`, where that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_SERVICE` (no answer, or
/// none with a decision: treat it as a refusal), `ARMORIQ_ERR_TIMEOUT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_refine(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.refine(params)))
}
