//! Text over the boundary: NUL-terminated UTF-8 in, owned NUL-terminated UTF-8 out.

use std::ffi::{CStr, CString, c_char};

use crate::{Error, Result};

/// Text that a caller passed, not looked at yet.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(Option<&'a CStr>);

impl<'a> Text<'a> {
    /// # Safety
    /// `pointer` is NULL or NUL-terminated text that stays as it is during the call.
    pub(super) unsafe fn new(pointer: *const c_char) -> Self {
        // SAFETY: not NULL here, and NUL-terminated by this function's own condition.
        Self((!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }))
    }

    pub(super) fn required(self, name: &str) -> Result<&'a str> {
        self.optional(name)?.ok_or_else(|| Error::InvalidArgument(format!("{name} is NULL")))
    }

    pub(super) fn optional(self, name: &str) -> Result<Option<&'a str>> {
        self.0.map(|text| text.to_str().map_err(|error| not_utf8(name, error))).transpose()
    }

    /// JSON that may be left out: NULL means `{}`.
    pub(super) fn json_or_empty(self, name: &str) -> Result<&'a str> {
        Ok(self.optional(name)?.unwrap_or("{}"))
    }
}

fn not_utf8(name: &str, error: std::str::Utf8Error) -> Error {
    Error::InvalidArgument(format!("{name} is not UTF-8 (byte {})", error.valid_up_to()))
}

/// Takes back what [`into_raw`] handed over, and frees it.
///
/// # Safety
/// `text` is NULL or came from `into_raw` and was not taken back before.
pub(super) unsafe fn take_back(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: by this function's own condition.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// Hands text over to the caller, who frees it with `armoriq_string_free`.
pub(super) fn into_raw(text: String) -> *mut c_char {
    // JSON text holds no NUL (it writes one as an escape); were there one, what follows it would be cut.
    let text = CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    });
    text.into_raw()
}
