//! Per-user scopes.

use std::ffi::c_char;

use super::client::object;
use super::guard::{create_on, free, handle_out, json_out, on};
use super::handles::handle;
use super::session::armoriq_session;
use super::status::armoriq_status;
use super::text::Text;
use crate::client::UserScope;
use crate::config::SessionOptions;

/// The scope of one end user. Thread-safe; free it with `armoriq_user_scope_free`.
///
/// @section User scope
/// One key, one email per request: everything in a scope is done in its user's name.
pub struct armoriq_user_scope {
    _opaque: [u8; 0],
}

handle!(UserScope, armoriq_user_scope);

/// Asks the service who the user is.
///
/// `json`: the user's membership and policies as the service tells them, or the error object. The answer is
/// remembered for the client's `user_context_ttl_seconds`. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_CONFIGURATION` (the service refused), `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT`,
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_user_resolve(user: *mut armoriq_user_scope, json: *mut *mut c_char) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(user, json, |user: &UserScope| user.resolve().map(|context| context.to_string()))
}

/// Starts a session of the user's.
///
/// `options`: a JSON object, or NULL. All members are optional; unknown ones are refused.
///
/// | member | type, default |
/// | --- | --- |
/// | mode | "local" (decide in this process), "sdk" (ask the backend), "proxy" (ask the proxy); "local" |
/// | default_mcp_name | text: the server of tool names that name none |
/// | validity_seconds | 3600: how long the intent token is to be valid |
/// | session_id | a UUID; a random one |
/// | context_id | text: the client's |
/// | llm | "agent": the language model's name |
/// | observability_enabled | true |
///
/// `session` receives the handle and must not be NULL; free it with `armoriq_session_free`. `json`: JSON `null`, or
/// the error object; may be NULL. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, an unknown option or mode, a session_id that is no UUID),
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_user_start_session(
    user: *mut armoriq_user_scope,
    options: *const c_char,
    session: *mut *mut armoriq_session,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (options, session, json) = unsafe { (Text::new(options), handle_out(session), json_out(json)) };
    create_on(user, session, json, |user: &UserScope| {
        user.start_session(SessionOptions::from_json(&object("options", options)?)?)
    })
}

/// Frees a scope. NULL and a handle that was freed before are no-ops. Sessions made from it go on working.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_user_scope_free(user: *mut armoriq_user_scope) {
    free::<UserScope>(user);
}
