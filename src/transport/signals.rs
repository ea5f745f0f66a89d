//! The signals of the process are the host's: the library handles none, takes none, and causes none.

#[cfg(unix)]
use crate::log::warning;
#[cfg(unix)]
use nix::sys::signal::SigSet;
#[cfg(target_os = "linux")]
use nix::sys::signal::{SigmaskHow, Signal, raise};

/// Keeps every signal that can be blocked from this thread, which is one of the library's.
pub(super) fn block_all() {
    #[cfg(unix)]
    if let Err(error) = SigSet::all().thread_block() {
        warning!("cannot block signals on a thread: {error}");
    }
}

/// While this lives, no SIGPIPE reaches the host's thread that it was made on.
///
/// Writing to a socket that its server has closed raises one, where it is done with `writev`, as HTTP and TLS do;
/// programs in Rust ignore it, and others end. Elsewhere than on Linux sockets are told not to.
pub(super) struct NoBrokenPipe {
    /// Whether the thread is to get them again afterwards.
    #[cfg(target_os = "linux")]
    restores: bool,
}

#[cfg(target_os = "linux")]
impl NoBrokenPipe {
    pub(super) fn new() -> Self {
        let before = SigSet::from(Signal::SIGPIPE).thread_swap_mask(SigmaskHow::SIG_BLOCK);
        Self { restores: before.is_ok_and(|before| !before.contains(Signal::SIGPIPE)) }
    }
}

#[cfg(target_os = "linux")]
impl Drop for NoBrokenPipe {
    fn drop(&mut self) {
        if !self.restores {
            return;
        }
        let broken_pipe = SigSet::from(Signal::SIGPIPE);
        // Whether one is pending cannot be asked without unsafe code. So one more makes sure that there is one, since they
        // do not add up, and it is taken away. A blocked signal is pending also where the host ignores it.
        if raise(Signal::SIGPIPE).is_ok() {
            let _ = broken_pipe.wait();
        }
        let _ = broken_pipe.thread_unblock();
    }
}

#[cfg(not(target_os = "linux"))]
impl NoBrokenPipe {
    pub(super) fn new() -> Self {
        Self {}
    }
}
