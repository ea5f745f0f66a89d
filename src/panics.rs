//! Panics inside the library are its own business: nothing is printed, and the host's panic hook is not called.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::log_at;

#[derive(Clone, Copy, PartialEq)]
enum Thread {
    /// The host's, outside of the library as far as is known.
    Elsewhere,
    /// Inside of [`caught`]: who called it learns of a panic.
    Guarded,
    /// The library's own: a panic that is not caught before ends a piece of work that nobody waits for.
    Own,
}

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread::Elsewhere) };
}

/// Runs `call`; a panic becomes the error, which is the panic's text.
#[inline]
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = THREAD.replace(Thread::Guarded);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    THREAD.set(outer);
    outcome.map_err(|payload| text(payload.as_ref()).to_owned())
}

/// Says that this thread is the library's, to its end.
pub(crate) fn mark_own_thread() {
    install_hook();
    THREAD.set(Thread::Own);
}

/// The default hook prints to stderr, which is the host's. Panics elsewhere still reach the hook that was there before.
#[inline]
fn install_hook() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Relaxed) || INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match THREAD.get() {
        Thread::Elsewhere => previous(panic),
        Thread::Guarded => {}
        Thread::Own => log_at!(Error, "panic on the library's own thread: {}", text(panic.payload())),
    }));
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_panic_is_kept() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("a bug")), Err::<(), _>("a bug".into()));
        assert_eq!(caught(|| panic!("{} bugs", 2)), Err::<(), _>("2 bugs".into()));
        assert_eq!(caught(|| std::panic::panic_any(7)), Err::<(), _>("unknown".into()));
    }

    #[test]
    fn a_thread_is_what_it_was_before() {
        let inside = caught(|| (THREAD.get() == Thread::Guarded, caught(|| panic!("inside")), THREAD.get()));
        assert!(inside.is_ok_and(|(guarded, inner, then): (_, Result<(), _>, _)| {
            guarded && inner.is_err() && then == Thread::Guarded
        }));
        assert!(THREAD.get() == Thread::Elsewhere);
        std::thread::spawn(|| {
            mark_own_thread();
            assert!(caught(|| panic!("inside")) == Err::<(), _>("inside".into()) && THREAD.get() == Thread::Own);
        })
        .join()
        .unwrap();
    }
}
