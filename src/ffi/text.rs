//! Text over the boundary: NUL-terminated UTF-8 in, owned NUL-terminated UTF-8 out.

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use crate::{Error, Result};

/// Text that a caller passed, not looked at yet.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(Option<&'a CStr>);

impl<'a> Text<'a> {
    /// # Safety
    /// `pointer` is NULL or NUL-terminated text that stays as it is during the call.
    #[inline]
    pub(super) unsafe fn new(pointer: *const c_char) -> Self {
        // SAFETY: not NULL here, and NUL-terminated by this function's own condition.
        Self((!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }))
    }

    #[inline]
    pub(super) fn is_null(self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(super) fn required(self, name: &str) -> Result<&'a str> {
        self.optional(name)?.ok_or_else(|| Error::InvalidArgument(format!("{name} is NULL")))
    }

    #[inline]
    pub(super) fn optional(self, name: &str) -> Result<Option<&'a str>> {
        self.0.map(|text| text.to_str().map_err(|error| not_utf8(name, error))).transpose()
    }

    /// JSON that may be left out: NULL means `{}`.
    #[inline]
    pub(super) fn json_or_empty(self, name: &str) -> Result<&'a str> {
        Ok(self.optional(name)?.unwrap_or("{}"))
    }
}

fn not_utf8(name: &str, error: std::str::Utf8Error) -> Error {
    Error::InvalidArgument(format!("{name} is not UTF-8 (byte {})", error.valid_up_to()))
}

/// Text that is handed over to the caller, who frees it with `armoriq_string_free`.
pub(super) struct Owned(*mut c_char);

impl Owned {
    /// NULL where there is no memory for it.
    pub(super) fn new(text: &str) -> Self {
        let length = text.len();
        // SAFETY: any size may be asked for.
        let copy = unsafe { libc::malloc(length + 1) }.cast::<u8>();
        if !copy.is_null() {
            // SAFETY: `text` has `length` bytes, and the new memory, which is nobody else's, has one more.
            unsafe {
                copy.copy_from_nonoverlapping(text.as_ptr(), length);
                copy.add(length).write(0);
            }
        }
        Self(copy.cast())
    }

    /// What `write` writes, and what it returns. The memory to write to is the thread's own, so that a check does not
    /// allocate twice.
    pub(super) fn written<T>(write: impl FnOnce(&mut String) -> T) -> (Self, T) {
        const MOST_SPARE: usize = 64 << 10;
        thread_local! {
            static SPARE: Cell<String> = const { Cell::new(String::new()) };
        }
        let mut text = SPARE.try_with(Cell::take).unwrap_or_default();
        let result = write(&mut text);
        let owned = Self::new(&text);
        if text.capacity() <= MOST_SPARE {
            text.clear();
            // Where the thread ends, its memory is gone already.
            let _ = SPARE.try_with(|spare| spare.set(text));
        }
        (owned, result)
    }

    #[inline]
    pub(super) fn into_raw(self) -> *mut c_char {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it came from `malloc`, and nobody else has it.
        unsafe { free_raw(self.0) }
    }
}

impl From<String> for Owned {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

/// Frees what an [`Owned`] handed over.
///
/// # Safety
/// `text` is NULL or came from `Owned::into_raw` and was not freed before.
pub(super) unsafe fn free_raw(text: *mut c_char) {
    // SAFETY: by this function's own condition; `free` takes NULL.
    unsafe { libc::free(text.cast()) }
}
