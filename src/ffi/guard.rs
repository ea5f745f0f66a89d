//! The guard that every function of the ABI goes through: out parameters are emptied, the handle is looked up, a panic
//! is caught, and the outcome is written back as a status and JSON.

use std::ffi::c_char;

use serde_json::{Value, json};

use super::cancellation::Uncancelled;
use super::handles::{self, Handle};
use super::status::{ARMORIQ_OK, armoriq_status, name_of, status_of};
use super::text::Owned;
use crate::{Error, Result, panics};

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
    finish(json, caught(call).unwrap_or_else(Err).map(Into::into))
}

/// Runs a function on the object of a handle. A panic spoils that handle and no other.
#[inline]
pub(super) fn on<T: Handle, J: Into<Owned>>(
    handle: *mut T::Opaque,
    json: JsonOut<'_>,
    call: impl FnOnce(&T) -> Result<J>,
) -> armoriq_status {
    finish(json, attempt(handle, call).map(Into::into))
}

/// As [`on`], where there is no JSON to write the outcome to.
#[inline]
pub(super) fn attempt<T: Handle, R>(handle: *mut T::Opaque, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
    let lookup = handles::find::<T>(handle)?;
    caught(|| call(lookup.object::<T>()?)).unwrap_or_else(|panic| {
        lookup.poison();
        Err(panic)
    })
}

/// As [`on`], for a function that has more than JSON to tell.
#[inline]
pub(super) fn on_with<T: Handle, J: Into<Owned>, O>(
    handle: *mut T::Opaque,
    out: Out<'_, O>,
    json: JsonOut<'_>,
    call: impl FnOnce(&T) -> Result<(J, O)>,
) -> armoriq_status {
    tell(out, |told| {
        on(handle, json, |object: &T| {
            let (text, value) = call(object)?;
            *told = Some(value);
            Ok(text)
        })
    })
}

/// Runs a function that makes a handle from nothing.
pub(super) fn create<T: Handle>(
    out: Out<'_, *mut T::Opaque>,
    json: JsonOut<'_>,
    make: impl FnOnce() -> Result<T>,
) -> armoriq_status {
    let wanted = out.is_wanted();
    tell(out, |told| {
        guard(json, || {
            *told = Some(handle_of(wanted, make)?);
            Ok(String::from("null"))
        })
    })
}

/// Runs a function that makes a handle from the object of another.
pub(super) fn create_on<P: Handle, T: Handle>(
    parent: *mut P::Opaque,
    out: Out<'_, *mut T::Opaque>,
    json: JsonOut<'_>,
    make: impl FnOnce(&P) -> Result<T>,
) -> armoriq_status {
    let wanted = out.is_wanted();
    on_with(parent, out, json, |parent: &P| Ok((String::from("null"), handle_of(wanted, || make(parent))?)))
}

/// Writes what a function has to tell when the whole of it ended well: a panic between the two must not leave a verdict
/// that is no block, or a handle, beside its status.
#[inline]
fn tell<O>(mut out: Out<'_, O>, function: impl FnOnce(&mut Option<O>) -> armoriq_status) -> armoriq_status {
    let mut told = None;
    let status = function(&mut told);
    if status == ARMORIQ_OK
        && let Some(value) = told
    {
        out.set(value);
    }
    status
}

fn handle_of<T: Handle>(wanted: bool, make: impl FnOnce() -> Result<T>) -> Result<*mut T::Opaque> {
    if !wanted {
        return Err(Error::InvalidArgument(format!("the out parameter for the {} is NULL", T::NAME)));
    }
    handles::insert(make()?)
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
#[inline]
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T> {
    let _uncancelled = Uncancelled::new();
    #[cfg(feature = "panic_probe")]
    let call = || super::panic_probe::around(call);
    panics::caught(call).map_err(|text| Error::Internal(format!("panic: {text}")))
}

#[inline]
fn finish(mut json: JsonOut<'_>, outcome: Result<Owned>) -> armoriq_status {
    match outcome {
        Ok(result) => {
            if json.is_wanted() {
                json.set(result.into_raw());
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
