//! Per-user scopes.

use std::ffi::c_char;

use super::client::armoriq_client;
use super::guard::{create_on, free, handle_out, json_out, on};
use super::handles::handle;
use super::status::armoriq_status;
use super::text::Text;
use crate::client::{Client, UserScope};

/// The scope of one end user. Thread-safe; free it with `armoriq_user_scope_free`.
///
/// @section User scope
/// One key, one email per request: everything in a scope is done in its user's name.
pub struct armoriq_user_scope {
    _opaque: [u8; 0],
}

handle!(UserScope, armoriq_user_scope);

/// Opens the scope of one end user, in which every call is that user's. It costs next to nothing: make one per
/// request.
///
/// `email`: the user's; it is trimmed and lower-cased. `user` receives the handle and must not be NULL; free it with
/// `armoriq_user_scope_free`. `json`: JSON `null`, or the error object; may be NULL. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (NULL, not UTF-8, empty), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_for_user(
    client: *mut armoriq_client,
    email: *const c_char,
    user: *mut *mut armoriq_user_scope,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (email, user, json) = unsafe { (Text::new(email), handle_out(user), json_out(json)) };
    create_on(client, user, json, |client: &Client| client.for_user(email.required("email")?))
}

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

/// Frees a scope. NULL and a handle that was freed before are no-ops. Sessions made from it go on working.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_user_scope_free(user: *mut armoriq_user_scope) {
    free::<UserScope>(user);
}
