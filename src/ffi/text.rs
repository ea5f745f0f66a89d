//! Text over the boundary: NUL-terminated UTF-8 in, owned NUL-terminated UTF-8 out.

use std::ffi::{CStr, c_char};

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

    pub(super) fn is_null(self) -> bool {
        self.0.is_none()
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

/// Hands text over to the caller, who frees it with `armoriq_string_free`. NULL where there is no memory for it.
pub(super) fn into_raw(text: &str) -> *mut c_char {
    // JSON text holds no NUL (it writes one as an escape), so that nothing is cut here.
    let length = memchr::memchr(0, text.as_bytes()).unwrap_or(text.len());
    // SAFETY: any size may be asked for.
    let copy = unsafe { libc::malloc(length + 1) }.cast::<u8>();
    if !copy.is_null() {
        // SAFETY: `text` has at least `length` bytes, and the new memory, which is nobody else's, has one more.
        unsafe {
            copy.copy_from_nonoverlapping(text.as_ptr(), length);
            copy.add(length).write(0);
        }
    }
    copy.cast()
}

/// Frees what [`into_raw`] handed over.
///
/// # Safety
/// `text` is NULL or came from `into_raw` and was not freed before.
pub(super) unsafe fn free_raw(text: *mut c_char) {
    // SAFETY: by this function's own condition; `free` takes NULL.
    unsafe { libc::free(text.cast()) }
}
