//! The signals of the process are the host's: the library handles none, takes none, and causes none.

#[cfg(unix)]
use crate::log::warning;
#[cfg(unix)]
use nix::sys::signal::SigSet;

/// Keeps every signal that can be blocked from this thread, which is one of the library's.
pub(super) fn block_all() {
    #[cfg(unix)]
    if let Err(error) = SigSet::all().thread_block() {
        warning!("cannot block signals on a thread: {error}");
    }
}
