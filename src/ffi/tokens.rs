//! Client methods: intent tokens.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Mints an intent token for a plan, without a session.
///
/// `params`: a JSON object:
///
/// | member | type, default |
/// | --- | --- |
/// | plan | required object: {"goal", "steps": [{"action", "mcp", "params"}]}, sent as it is |
/// | policy | object, null: a policy to send along |
/// | validity_seconds | positive number, 60.0: how long the token is to live; sent as written |
/// | user_email | text: whose plan it is; without it the client's user_id |
/// | llm, prompt, metadata | text, text, object: accepted for the official SDK's sake, and not sent |
///
/// `json`: the token, or the error object: `token_id`, `plan_hash`, `plan_id` (or null), `signature`, `issued_at` and
/// `expires_at` (Unix seconds), `policy`, `composite_identity`, `client_info`, `policy_validation`, `policy_snapshot`,
/// `step_proofs`, `total_steps`, `raw_token` (what the service signed, with the plan), `jwt_token`,
/// `subtree_delegation` (null). It is a secret: whoever has it may act on the plan.
///
/// Blocks for up to 30 s an attempt (or the client's `timeout_ms`, where that is less), with up to `max_retries`
/// further attempts. One idempotency key is sent with all of them. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_POLICY_BLOCKED` (the policy
/// refuses the plan: `reason`, `enforcement_action`, `metadata`), `ARMORIQ_ERR_INVALID_TOKEN` (no token was issued),
/// `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT` (no answer), `ARMORIQ_ERR_CLOSED`.
///
/// ```c
/// const char *params = "{\"plan\": {\"goal\": \"g\", \"steps\": ["
///                      "{\"action\": \"pay\", \"mcp\": \"bank\", \"params\": {}}]}}";
/// if (armoriq_client_get_intent_token(client, params, &json) != ARMORIQ_OK)
///     fprintf(stderr, "%s\n", json);
/// armoriq_string_free(json);
/// ```
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: intent tokens
/// What a session does by itself, for programs that keep their own plans: mint a token, and look at one. A token
/// travels as the JSON object that this, or `armoriq_session_start_plan`, gave; pass it on as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_get_intent_token(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.get_intent_token(params)))
}

/// Tells whether an intent token is whole: not expired, and unchanged since it was signed.
///
/// `params`: a JSON object: `intent_token`, required. `json`: true or false, or the error object. The signature is
/// verified with the key inside the token, so that true does not say who issued it; local mode verifies that by itself,
/// with the IAP's key. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (no `intent_token`, or an object that is none), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_verify_token(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.verify_token(params)))
}
