//! The library itself.

use std::ffi::{CStr, c_char, c_void};

use serde_json::Value;

use super::guard::{guard, json_out};
use super::status::{armoriq_status, name_of};
use super::text::free_raw;
use crate::log::{self, Level};
use crate::{Error, VERSION};

/// The ABI that this header describes: the major number in the upper 16 bits, the minor in the lower. A program that
/// was built for one major works with every library of that major whose minor is not smaller.
///
/// @section Library
/// What the library is, the text that it returns, and the log that it can write.
pub const ARMORIQ_ABI_VERSION: u32 = 1;

/// Called for each line that the library logs, on whatever thread logs it, several at once. `level` is 1 (error),
/// 2 (warning), 3 (info), 4 (debug) or 5 (trace); `target` names the part of the library. The texts are valid during
/// the call only and hold no secret. Do not unwind out of it (no C++ exception, no longjmp). It may call any function
/// of the library; what that logs is left out while the logger runs.
pub type armoriq_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char)>;

/// The library's version: `"0.1.0"`. The text is static: never free it.
///
/// Thread-safe; never blocks; cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_version() -> *const c_char {
    const TEXT: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    };
    const _: () = assert!(TEXT.to_bytes().len() == VERSION.len());
    TEXT.as_ptr()
}

/// The library's own `ARMORIQ_ABI_VERSION`, to compare with that of the header.
///
/// There is no need to: `armoriq_client_new` compares them. Thread-safe; never blocks; cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_abi_version() -> u32 {
    ARMORIQ_ABI_VERSION
}

/// The name of a status, for logs and messages: `"ARMORIQ_OK"`, `"ARMORIQ_ERR_TIMEOUT"`. A number that the library
/// does not know gives `"ARMORIQ_ERR_UNKNOWN"`. The text is static: never free it.
///
/// Thread-safe; never blocks; cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_status_name(status: armoriq_status) -> *const c_char {
    name_of(status).as_ptr()
}

/// Frees a text that the library returned through a `char **`. NULL is fine. Free each one once.
///
/// Thread-safe; never blocks.
///
/// # Safety
/// `text` is NULL or a text of this library's that was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_string_free(text: *mut c_char) {
    // SAFETY: the condition above.
    unsafe { free_raw(text) }
}

/// Installs a logger, or removes it. The library is silent until then, and never prints anything itself.
///
/// `max_level`: the most detailed level wanted, 1 (errors only) to 5 (trace). `logger`: NULL removes the logger,
/// whatever the level; when the call returns, no call of the old one is in flight on another thread. `user_data` is
/// handed to each call and must stay valid until then. `json`: JSON `null`, or the error object; may be NULL.
///
/// Thread-safe; blocks while calls of an old logger run.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`: `max_level` is not from 1 to 5, and there is a logger.
///
/// # Safety
/// `logger` and `user_data` stay valid until the logger is removed or replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_set_logger(
    max_level: i32,
    logger: armoriq_log_fn,
    user_data: *mut c_void,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: `json` is NULL or writable, as the header demands.
    let json = unsafe { json_out(json) };
    guard(json, || {
        let Some(logger) = logger else {
            log::remove_sink();
            return Ok(Value::Null.to_string());
        };
        let level = Level::from_number(max_level)
            .ok_or_else(|| Error::invalid_argument("max_level must be from 1 (error) to 5 (trace)"))?;
        let user_data = user_data.expose_provenance();
        log::set_sink(level, move |level, target, message| {
            let user_data = std::ptr::with_exposed_provenance_mut(user_data);
            // SAFETY: the host keeps the function and its data valid until it removes the logger, and removing waits
            // for this call; both texts are NUL-terminated and outlive it.
            unsafe { logger(user_data, level.number(), target.as_ptr(), message.as_ptr()) }
        });
        Ok(Value::Null.to_string())
    })
}
