//! The guard that every function of the ABI goes through: out parameters are emptied, the handle is looked up, a panic
//! is caught, and the outcome is written back as a status and JSON.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::handles::{self, Handle};
use super::status::{ARMORIQ_OK, armoriq_status, name_of, status_of};
use super::text::Owned;
use crate::{Error, Result};

/// An out parameter of the caller's. It is made empty before anything else happens.
pub(super) struct Out<'a, T>(Option<&'a mut T>);

impl<T> Out<'_, T> {
    /// # Safety
    /// `pointer` is NULL or valid for a write of `T` during the call.
    pub(super) unsafe fn new(pointer: *mut T, empty: T) -> Self {
        if !pointer.is_null() {
            // SAFETY: not NULL, and writable by this function's own condition; a plain write does not read what was
            // there, which may be uninitialised.
            unsafe { pointer.write(empty) };
        }
        // SAFETY: as above, and initialised by now.
        Self(unsafe { pointer.as_mut() })
    }

    pub(super) fn set(&mut self, value: T) {
        if let Some(out) = self.0.as_deref_mut() {
            *out = value;
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }
}

/// The `char **json` that every function that can fail ends with.
pub(super) type JsonOut<'a> = Out<'a, *mut c_char>;

/// # Safety
/// `json` is NULL or valid for a write during the call.
pub(super) unsafe fn json_out<'a>(json: *mut *mut c_char) -> JsonOut<'a> {
    // SAFETY: the same condition.
    unsafe { Out::new(json, std::ptr::null_mut()) }
}

/// # Safety
/// `out` is NULL or valid for a write during the call.
pub(super) unsafe fn handle_out<'a, T>(out: *mut *mut T) -> Out<'a, *mut T> {
    // SAFETY: the same condition.
    unsafe { Out::new(out, std::ptr::null_mut()) }
}

/// Runs a function that needs no handle.
pub(super) fn guard(json: JsonOut<'_>, call: impl FnOnce() -> Result<String>) -> armoriq_status {
    finish(json, caught(call).unwrap_or_else(Err))
}

/// Runs a function on the object of a handle. A panic spoils that handle and no other.
pub(super) fn on<T: Handle, J: Into<Owned>>(
    handle: *mut T::Opaque,
    json: JsonOut<'_>,
    call: impl FnOnce(&T) -> Result<J>,
) -> armoriq_status {
    let outcome = handles::find::<T>(handle).and_then(|lookup| {
        caught(|| call(lookup.object::<T>()?)).unwrap_or_else(|panic| {
            lookup.poison();
            Err(panic)
        })
    });
    finish(json, outcome)
}

/// Runs a function that makes a handle from nothing.
pub(super) fn create<T: Handle>(
    out: Out<'_, *mut T::Opaque>,
    json: JsonOut<'_>,
    make: impl FnOnce() -> Result<T>,
) -> armoriq_status {
    guard(json, || hand_out(out, make))
}

/// Runs a function that makes a handle from the object of another.
pub(super) fn create_on<P: Handle, T: Handle>(
    parent: *mut P::Opaque,
    out: Out<'_, *mut T::Opaque>,
    json: JsonOut<'_>,
    make: impl FnOnce(&P) -> Result<T>,
) -> armoriq_status {
    on(parent, json, |parent: &P| hand_out(out, || make(parent)))
}

fn hand_out<T: Handle>(mut out: Out<'_, *mut T::Opaque>, make: impl FnOnce() -> Result<T>) -> Result<String> {
    if !out.is_wanted() {
        return Err(Error::InvalidArgument(format!("the out parameter for the {} is NULL", T::NAME)));
    }
    out.set(handles::insert(make()?)?);
    Ok(String::from("null"))
}

/// Frees a handle. What the object's end does is caught like everything else.
pub(super) fn free<T: Handle>(handle: *mut T::Opaque) {
    if handle.is_null() {
        return;
    }
    let freed = caught(|| handles::remove::<T>(handle));
    if matches!(freed, Ok(false)) {
        crate::log::debug!("free of an {} that was freed before or never existed", T::NAME);
    }
}

/// Runs `call`; a panic becomes the outer error, which carries the panic's text.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T> {
    silence_our_panics();
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    outcome.map_err(|payload| Error::Internal(format!("panic: {}", panic_text(payload.as_ref()))))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The default panic hook prints to stderr, which is the host's. Panics that the guard catches are reported through
/// the error object instead; all others still reach the hook that was there before.
fn silence_our_panics() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Relaxed) || INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            previous(panic);
        }
    }));
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

fn finish(mut json: JsonOut<'_>, outcome: Result<impl Into<Owned>>) -> armoriq_status {
    match outcome {
        Ok(result) => {
            if json.is_wanted() {
                json.set(result.into().into_raw());
            }
            ARMORIQ_OK
        }
        Err(error) => {
            if json.is_wanted() {
                json.set(Owned::from(error_json(&error)).into_raw());
            }
            status_of(&error)
        }
    }
}

/// The error object: code, message, and the attributes of the official SDK's exception.
pub(super) fn error_json(error: &Error) -> String {
    let mut object = json!({
        "code": name_of(status_of(error)).to_string_lossy(),
        "message": error.to_string(),
    });
    if let Value::Object(members) = &mut object {
        members.extend(error.attributes());
    }
    object.to_string()
}
