//! Client methods: token usage.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Records how many tokens the models of a session used in one hour, in the place of what was recorded for it before.
///
/// `params`: a JSON object:
///
/// | member | type, default |
/// | --- | --- |
/// | product | required text: such as "armorclaude" |
/// | session_id | required text |
/// | entries | required list of {"model", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}; an empty one is not sent |
/// | usage_date | required text: the day in UTC, YYYY-MM-DD |
/// | usage_hour | required whole number: the hour of that day in UTC, 0 to 23 |
/// | repo, device_id, device_name | texts |
/// | armored | true or false: whether ArmorIQ decided the session's calls |
///
/// `json`: `ok`, `status` (of HTTP, where there was an answer), `recorded` (how many entries, or null), `reason` (where
/// `ok` is false); or the error object. Blocks for up to the client's `timeout_ms` an attempt, with up to `max_retries`
/// further attempts. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), among them a date or an hour that there
/// is not; `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: token usage
/// What models cost, for the dashboard. These calls do not fail for what the service does: they give `ARMORIQ_OK`, and
/// `ok` in the result says whether it worked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_record_token_usage(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.record_token_usage(params)))
}

/// Starts the usage stream, or finds the one that there is: what `armoriq_client_record_token_usage_batch` belongs to.
///
/// `params`: a JSON object, or NULL: `timeout_ms` (5000). `json`: `ok` (true or false) and, where it is known, `status`
/// (of HTTP). With true: `value`, the service's answer. With false: `retryable` (whether the same call may succeed
/// later), `reason`, and where it applies `unreachable` (true: no answer), `retry_after_ms`, `relogin_required` (true:
/// the user has to log in anew); or the error object. `value` has `generation`, a UUID. Blocks for up to `timeout_ms`
/// (or the client's, where that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown parameter, a bad `timeout_ms`), `ARMORIQ_ERR_CLOSED`. What the service
/// does is no error.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_initialize_usage_stream(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.initialize_usage_stream(params)))
}

/// Ends a generation of the usage stream, so that everything is sent anew in the next.
///
/// `params`: a JSON object: `generation` and `reset_id` (a UUID of your own, the same when the call is repeated),
/// required; `timeout_ms` (5000). `json`: `ok` (true or false) and, where it is known, `status` (of HTTP). With true:
/// `value`, the service's answer. With false: `retryable` (whether the same call may succeed later), `reason`, and
/// where it applies `unreachable` (true: no answer), `retry_after_ms`, `relogin_required` (true: the user has to log in
/// anew); or the error object. `value` has the new `generation`. Blocks for up to `timeout_ms` (or the client's, where
/// that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown parameter, a bad `timeout_ms`), `ARMORIQ_ERR_CLOSED`. What the service
/// does is no error. An id that is no UUID is `ok` false.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_reset_usage_stream(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.reset_usage_stream(params)))
}

/// Records the token usage of many sessions and hours at once.
///
/// `params`: a JSON object: `batch`, required, and `timeout_ms` (5000). The batch is sent as it is:
///
/// | member | type |
/// | --- | --- |
/// | generation | UUID: from `armoriq_client_initialize_usage_stream` |
/// | batchId | UUID of your own, the same when the batch is repeated |
/// | runId | UUID, may be left out: the run that `armoriq_client_report_usage_run` reports |
/// | snapshots | 1 to 100 of {"sessionId", "revision", "usageDate", "usageHour", "entries"} |
///
/// A `revision` is a whole number from 1 on; the highest counts. Each of the `entries` is {"model", "inputTokens",
/// "outputTokens", "cacheReadTokens", "cacheWriteTokens"}; there may be 500 in all. The batch may be at most 262144
/// bytes long. `json`: `ok` (true or false) and, where it is known, `status` (of HTTP). With true: `value`, the
/// service's answer. With false: `retryable` (whether the same call may succeed later), `reason`, and where it applies
/// `unreachable` (true: no answer), `retry_after_ms`, `relogin_required` (true: the user has to log in anew); or the
/// error object. `value` has `results`, for each snapshot in order `sessionId`, `usageDate`, `usageHour` and `status`
/// ("applied", "present" or "superseded"); an answer that does not match the batch is `ok` false. Blocks for up to
/// `timeout_ms` (or the client's, where that is less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown parameter, a bad `timeout_ms`), `ARMORIQ_ERR_CLOSED`. What the service
/// does is no error. A batch that is not as described is `ok` false, with what is wrong as its `reason`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_record_token_usage_batch(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.record_token_usage_batch(params)))
}

/// Reports how a run that sends token usage is going.
///
/// `params`: a JSON object: `run_id` (a UUID) and `report` (an object, sent as it is), required; `timeout_ms` (5000).
/// `json`: `ok` (true or false) and, where it is known, `status` (of HTTP). With true: `value`, the service's answer.
/// With false: `retryable` (whether the same call may succeed later), `reason`, and where it applies `unreachable`
/// (true: no answer), `retry_after_ms`, `relogin_required` (true: the user has to log in anew); or the error object.
/// `value` has `applied` (true or false) and `run`. Blocks for up to `timeout_ms` (or the client's, where that is
/// less); it is tried once. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown parameter, a bad `timeout_ms`), `ARMORIQ_ERR_CLOSED`. What the service
/// does is no error. A `run_id` that is no UUID and a `report` that is no object are `ok` false.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_report_usage_run(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.report_usage_run(params)))
}

/// Adds up the tokens in the transcript of a coding agent and records them, hour by hour.
///
/// `params`: a JSON object:
///
/// | member | type |
/// | --- | --- |
/// | transcript_path | required text: the path of a file with one JSON object a line |
/// | product, session_id | required texts |
/// | device_id, device_name | texts |
/// | armored | true or false |
///
/// Lines with `usage` and `model` are counted, each message once, in the hour (UTC) of their `timestamp`. `json`: `ok`
/// (whether every hour was recorded), `recorded` (how many models), `reason` (the first failure's, else null; left out
/// where there was nothing to record); or the error object. A file that cannot be read has nothing to record. Where the
/// service does not answer, the hours that are left are not sent; recording them all again later is safe. Reads the
/// file, then blocks for each hour as `armoriq_client_record_token_usage` does. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), `ARMORIQ_ERR_CLOSED`. What the service
/// does is no error.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_capture_transcript_tokens(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.capture_transcript_tokens(params)))
}
