//! What must not be shared with a child that `fork()` made.
//!
//! A child has the parent's memory but only the thread that forked: a runtime's threads are gone, a lock may be held by
//! a thread that is not there to release it, and sockets belong to the parent. So each process makes such things anew,
//! on first use, and leaves the parent's as they are: dropping them could wait for a thread, or end a connection, that
//! is not the child's.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwapOption;
use once_cell::race::OnceBox;
use once_cell::sync::OnceCell;

/// How many forks led from the process that loaded the library to this one, as far as it was told.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// What tells a process from its parent. Its number alone does not where each is the first of its own namespace, and the
/// count does not where a child was made by other means than `fork()`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Process {
    number: u32,
    forks: u32,
}

impl Process {
    fn this() -> Self {
        Self { number: std::process::id(), forks: FORKS.load(Ordering::Relaxed) }
    }
}

/// Tells a child that it is one. Safe where only what is safe in a signal handler is.
pub(crate) fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A value that each process makes for itself.
pub(crate) struct PerProcess<T> {
    current: Current,
    value: PhantomData<fn() -> T>,
}

/// The slot of whichever process used a value last; none before the first use, so that making one costs nothing, and
/// neither does dropping one that was not used: to drop an `ArcSwap`, empty or not, is to look for its readers. It knows
/// nothing of the value's type, so that the library has what takes care of it once and not for each type.
struct Current(OnceBox<ArcSwapOption<Slot>>);

struct Slot {
    process: Process,
    value: OnceCell<Arc<dyn Any + Send + Sync>>,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    pub(crate) fn new() -> Self {
        Self { current: Current(OnceBox::new()), value: PhantomData }
    }

    /// The value of this process, made now where there is none yet. Threads that ask at once wait for one of them.
    pub(crate) fn get_or_try_init<E>(&self, init: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let slot = self.current.slot();
        slot.value.get_or_try_init(|| init().map(|value| Arc::new(value) as _)).map(typed)
    }

    /// The value of this process, where there is one.
    pub(crate) fn existing(&self) -> Option<Arc<T>> {
        let current = self.current.0.get()?.load();
        let slot = current.as_ref().filter(|slot| slot.process == Process::this())?;
        slot.value.get().map(typed)
    }
}

/// The value as its owner put it there.
fn typed<T: Send + Sync + 'static>(value: &Arc<dyn Any + Send + Sync>) -> Arc<T> {
    Arc::clone(value).downcast().unwrap_or_else(|_| unreachable!("nobody else puts a value there"))
}

impl Current {
    fn slot(&self) -> Arc<Slot> {
        let shared = self.0.get_or_init(Box::default);
        let current = shared.load_full();
        match &current {
            Some(slot) if slot.process == Process::this() => return Arc::clone(slot),
            _ => {}
        }
        let own = Arc::new(Slot { process: Process::this(), value: OnceCell::new() });
        let previous = shared.compare_and_swap(&current, Some(own.clone()));
        match arc_swap::Guard::into_inner(previous) {
            // Another thread of this process was faster.
            Some(other) if !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &other)) => other,
            _ => {
                // The parent's: never dropped here.
                std::mem::forget(current);
                own
            }
        }
    }
}

impl<T: Default + Send + Sync + 'static> PerProcess<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        let value: Result<_, std::convert::Infallible> = self.get_or_try_init(|| Ok(T::default()));
        value.unwrap_or_else(|never| match never {})
    }
}

impl<T: Send + Sync + 'static> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Current {
    /// Leaves the parent's value alone, also where the child never asked for its own.
    fn drop(&mut self) {
        let Some(shared) = self.0.get() else { return };
        if shared.load().as_ref().is_some_and(|slot| slot.process != Process::this()) {
            std::mem::forget(shared.swap(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once() {
        let value = PerProcess::<u32>::new();
        assert_eq!(*value.get_or_try_init(|| Err("no")).unwrap_err(), *"no");
        assert_eq!(value.existing(), None);
        assert_eq!(*value.get_or_try_init(|| Ok::<_, &str>(1)).unwrap(), 1);
        assert_eq!(*value.get_or_try_init(|| Ok::<_, &str>(2)).unwrap(), 1);
        assert_eq!(value.existing().as_deref(), Some(&1));
    }

    /// What tells the parent of this process from it: another number, or another count where the number is the same.
    fn parents() -> [Process; 2] {
        let this = Process::this();
        [Process { number: this.number.wrapping_add(1), ..this }, Process { forks: this.forks.wrapping_sub(1), ..this }]
    }

    #[test]
    fn is_made_anew_in_another_process() {
        for process in parents() {
            let value = PerProcess::<u32>::new();
            let parents = Arc::new(Slot { process, value: OnceCell::new() });
            parents.value.set(Arc::new(1)).unwrap();
            value.current.0.get_or_init(Box::default).store(Some(parents.clone()));
            assert_eq!(value.existing(), None);
            assert_eq!(*value.get_or_try_init(|| Ok::<_, &str>(2)).unwrap(), 2);
            assert!(Arc::strong_count(&parents) > 1, "the parent's value was let go of");
        }
    }

    #[test]
    fn what_is_the_parents_is_not_dropped_with_the_rest() {
        let value = PerProcess::<u32>::new();
        let parents = Arc::new(Slot { process: parents()[0], value: OnceCell::new() });
        value.current.0.get_or_init(Box::default).store(Some(parents.clone()));
        drop(value);
        assert_eq!(Arc::strong_count(&parents), 2);
        let value = PerProcess::new();
        let own = value.get_or_try_init(|| Ok::<_, &str>(1)).unwrap();
        drop(value);
        assert_eq!(Arc::strong_count(&own), 1);
    }
}
