//! `pthread_cancel` unwinds the thread's stack, which ends the process where it meets Rust. Within the library a thread
//! is not cancelled; a request for that waits for the end of the call.

/// While this lives, its thread is not cancelled.
pub(super) struct Uncancelled {
    #[cfg(target_os = "linux")]
    before: libc::c_int,
}

#[cfg(target_os = "linux")]
mod pthread {
    pub(super) const CANCEL_DISABLE: libc::c_int = 1;

    unsafe extern "C" {
        /// Not in the libc crate.
        pub(super) fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
    }
}

#[cfg(target_os = "linux")]
impl Uncancelled {
    pub(super) fn new() -> Self {
        let mut before = pthread::CANCEL_DISABLE;
        // SAFETY: both are what the function wants; it fails for other states only.
        unsafe { pthread::pthread_setcancelstate(pthread::CANCEL_DISABLE, &raw mut before) };
        Self { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Uncancelled {
    fn drop(&mut self) {
        let mut disabled = pthread::CANCEL_DISABLE;
        // SAFETY: as above.
        unsafe { pthread::pthread_setcancelstate(self.before, &raw mut disabled) };
    }
}

#[cfg(not(target_os = "linux"))]
impl Uncancelled {
    pub(super) fn new() -> Self {
        Self {}
    }
}
