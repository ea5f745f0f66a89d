//! What a check of the library is measured against, as C functions: a call that does nothing, the least that a check
//! can do, and the same question asked of Cedar.

mod cedar;
mod floor;

use std::ffi::{CStr, c_char};

/// Does nothing: the cost of a call into a shared library.
#[unsafe(no_mangle)]
pub extern "C" fn floor_noop(value: i32) -> i32 {
    std::hint::black_box(value)
}

/// The text behind a pointer.
///
/// # Safety
/// `text` is NUL-terminated and stays as it is during `'a`.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the same condition.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}
