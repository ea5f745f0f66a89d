//! Client methods: approvals, and what became of a plan.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Asks for a person's approval of a call.
///
/// `params`: a JSON object:
///
/// | member | type, default |
/// | --- | --- |
/// | tool, action | required texts: the tool, and what it is to do |
/// | requester_email | required text: in whose name |
/// | arguments | object: the call's arguments, forwarded as they are written |
/// | amount | number that is not negative: what the call is about, in the tool's own unit |
/// | requester_role, requester_limit | text, number that is not negative: up to what the requester may decide alone |
/// | domain, target_url | texts: the MCP server, its address |
/// | plan_id, intent_reference, merkle_root | texts: from the intent token |
/// | reason | text: why the call was held |
///
/// What is left out is not sent; the service asks for `amount`, `requester_role` and `requester_limit`. `json`:
/// `delegation_id`, `status` ("pending"), `expires_at` (ISO 8601, or null); or the error object.
///
/// Blocks for up to the client's `timeout_ms`; it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (refused),
/// `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: approvals and plans
/// What a session does by itself when a call is held, for programs that do it in their own way; and what the service is
/// told of a plan.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_create_delegation_request(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.create_delegation_request(params)))
}

/// Looks for an approval that was given and not used yet.
///
/// `params`: a JSON object: `user_email`, `tool` (texts) and `amount` (a number that is not negative), required: those
/// of the request; `plan_id` (text): the service finds none without it. `json`: `delegation_id`, `approver_email`,
/// `approver_role`, `delegation_token` (each null where it is not known), `approved` (true); JSON null where there is
/// none, which a refusal and an answer that cannot be read also mean; or the error object. Spend it with
/// `armoriq_client_mark_delegation_executed` before the call is made.
///
/// Blocks for up to the client's `timeout_ms`; it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_SERVICE`,
/// `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_check_approved_delegation(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.check_approved_delegation(params)))
}

/// Tells where a request for an approval stands.
///
/// `params`: a JSON object: `delegation_id`, required. `json`: a JSON text: "pending", "approved", "rejected",
/// "expired", or "none" where the service says nothing of it; or the error object. Blocks for up to 10 s (or the
/// client's `timeout_ms`, where that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (the service
/// cannot tell: `delegation_id`, `status_code`), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer),
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_get_delegation_status(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.get_delegation_status(params)))
}

/// Spends an approval, so that it is not used a second time.
///
/// `params`: a JSON object: `user_email` and `delegation_id`, required texts; `plan_id` (text). `json`: JSON null, or
/// the error object. Make the call only after `ARMORIQ_OK`. Blocks for up to the client's `timeout_ms` an attempt, with
/// up to `max_retries` further attempts; they share an idempotency key. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_DELEGATION` (the service
/// did not accept it as unused: `delegation_id`, `status_code`), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no
/// answer), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_mark_delegation_executed(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.mark_delegation_executed(params)))
}

/// Tells the service that a plan was carried out: `armoriq_client_update_plan_status` with "completed".
///
/// `params`: a JSON object: `plan_id`, required. `json` and all else are as there.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_complete_plan(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.complete_plan(params)))
}

/// Tells the service what became of a plan.
///
/// `params`: a JSON object: `plan_id` and `status`, required texts; the service knows "active", "executing",
/// "completed", "failed" and "expired". `json`: `{"delivered": true}`, or `{"delivered": false, "reason": ...}` where
/// the service did not take it or did not answer; or the error object. Blocks for up to the client's `timeout_ms` an
/// attempt, with up to `max_retries` further attempts; they share an idempotency key. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CLOSED`. What the service does is no error.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_update_plan_status(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.update_plan_status(params)))
}
