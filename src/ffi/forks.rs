//! Learns of forks.

#[cfg(unix)]
use crate::fork;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

/// From now on a child of this process is told that it is one. Without memory for that, it knows by its number alone.
pub(super) fn watch() {
    #[cfg(unix)]
    {
        static WATCHED: AtomicBool = AtomicBool::new(false);
        if !WATCHED.load(Ordering::Relaxed) && !WATCHED.swap(true, Ordering::Relaxed) {
            // SAFETY: the function only adds to an atomic, which a child may do at once, and the library is never unloaded.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        }
    }
}

#[cfg(unix)]
extern "C" fn in_child() {
    fork::in_child();
}
