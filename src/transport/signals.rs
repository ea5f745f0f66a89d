//! The signals of the process are the host's: the library handles none, takes none, and causes none.

#[cfg(unix)]
use crate::log::warning;
#[cfg(unix)]
use nix::sys::signal::SigSet;
#[cfg(target_os = "linux")]
use nix::sys::signal::{SigmaskHow, Signal, raise};
#[cfg(target_os = "linux")]
use nix::sys::signalfd::{SfdFlags, SignalFd};
#[cfg(target_os = "linux")]
use once_cell::sync::OnceCell;

/// Keeps every signal that can be blocked from this thread, which is one of the library's.
pub(super) fn block_all() {
    #[cfg(unix)]
    if let Err(error) = SigSet::all().thread_block() {
        warning!("cannot block signals on a thread: {error}");
    }
}

/// Keeps SIGPIPE from the host's threads while they write to a proxy.
///
/// Writing to a socket that its other side has closed raises one, where it is done with `writev`, as reqwest does;
/// programs in Rust ignore it, and others end. The connections that are made without it are written to in another way
/// (see [`super::stream`]), which costs nothing. Elsewhere than on Linux sockets are told not to.
#[derive(Default)]
pub(super) struct BrokenPipes {
    /// Where those are taken that a thread did not get, none where the system has no descriptor for it. Made when it is
    /// first asked.
    #[cfg(target_os = "linux")]
    kept: OnceCell<Option<SignalFd>>,
}

/// While this lives, its thread gets no SIGPIPE.
#[cfg(target_os = "linux")]
pub(super) struct NoBrokenPipe<'p> {
    broken_pipes: &'p BrokenPipes,
    /// Whether the thread is to get them again afterwards.
    restores: bool,
}

#[cfg(target_os = "linux")]
impl BrokenPipes {
    /// For the thread that calls this.
    pub fn keep_away(&self) -> NoBrokenPipe<'_> {
        let before = SigSet::from(Signal::SIGPIPE).thread_swap_mask(SigmaskHow::SIG_BLOCK);
        let restores = before.is_ok_and(|before| !before.contains(Signal::SIGPIPE));
        NoBrokenPipe { broken_pipes: self, restores }
    }

    /// Takes away the one that waits for this thread, if there is one.
    fn take(&self) {
        let broken_pipe = SigSet::from(Signal::SIGPIPE);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let kept = self.kept.get_or_init(|| SignalFd::with_flags(&broken_pipe, flags).ok());
        if kept.as_ref().is_some_and(|kept| kept.read_signal().is_ok()) {
            return;
        }
        // Four times as dear: one more makes sure that there is one, since they do not add up, and it is waited for. A
        // blocked signal waits also where the host ignores it.
        if raise(Signal::SIGPIPE).is_ok() {
            let _ = broken_pipe.wait();
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for NoBrokenPipe<'_> {
    fn drop(&mut self) {
        if self.restores {
            self.broken_pipes.take();
            let _ = SigSet::from(Signal::SIGPIPE).thread_unblock();
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl BrokenPipes {
    pub fn keep_away(&self) -> &Self {
        self
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Whether one was there for this thread after `take`.
    fn is_left(broken_pipes: &BrokenPipes, raised: bool) -> bool {
        let broken_pipe = SigSet::from(Signal::SIGPIPE);
        broken_pipe.thread_block().unwrap();
        if raised {
            raise(Signal::SIGPIPE).unwrap();
        }
        broken_pipes.take();
        let left = SignalFd::with_flags(&broken_pipe, SfdFlags::SFD_NONBLOCK).unwrap();
        left.read_signal().unwrap().is_some()
    }

    #[test]
    fn a_broken_pipe_is_taken_with_and_without_a_descriptor_for_it() {
        for broken_pipes in [BrokenPipes::default(), BrokenPipes { kept: OnceCell::with_value(None) }] {
            for raised in [true, false, true] {
                assert!(!is_left(&broken_pipes, raised));
            }
        }
    }

    #[test]
    fn a_thread_gets_them_again_unless_it_did_not_before() {
        let blocks = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGPIPE);
        let broken_pipes = BrokenPipes::default();
        SigSet::from(Signal::SIGPIPE).thread_unblock().unwrap();
        for blocked in [false, true] {
            if blocked {
                SigSet::from(Signal::SIGPIPE).thread_block().unwrap();
            }
            let kept_away = broken_pipes.keep_away();
            assert!(blocks());
            drop(kept_away);
            assert_eq!(blocks(), blocked);
        }
    }
}
