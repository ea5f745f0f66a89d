//! The library's log: silent until the host installs a sink, and never the process's global logger, which is the
//! host's.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fmt::Arguments;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering, fence};

use arc_swap::ArcSwapOption;

use crate::fork::PerProcess;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error = 1,
    Warn = 2,
    Info = 3,
    Debug = 4,
    Trace = 5,
}

impl Level {
    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.number() == number)
    }

    pub fn number(self) -> i32 {
        self as i32
    }
}

type Write = dyn Fn(Level, &CStr, &CStr) + Send + Sync;

struct Sink {
    write: Box<Write>,
    /// How many calls of `write` run. A child has a count of its own: those of its parent do not end there.
    running: PerProcess<AtomicUsize>,
}

static MAX_LEVEL: AtomicI32 = AtomicI32::new(0);
static SINK: ArcSwapOption<Sink> = ArcSwapOption::const_empty();

thread_local! {
    /// Whether this thread is inside the sink: what the sink's own calls log is left out.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Installs a sink; the old one, if any, has no call in flight when this returns.
pub fn set_sink(max_level: Level, write: impl Fn(Level, &CStr, &CStr) + Send + Sync + 'static) {
    replace(max_level.number(), Some(Arc::new(Sink { write: Box::new(write), running: PerProcess::new() })));
}

/// Removes the sink; it has no call in flight when this returns, the caller's own apart.
pub fn remove_sink() {
    replace(0, None);
}

fn replace(max_level: i32, sink: Option<Arc<Sink>>) {
    MAX_LEVEL.store(0, Ordering::SeqCst);
    let old = SINK.swap(sink);
    MAX_LEVEL.store(max_level, Ordering::SeqCst);
    let Some(running) = old.as_ref().map(|old| old.running.get()) else { return };
    let own = usize::from(WRITING.get());
    while running.load(Ordering::SeqCst) > own {
        std::thread::yield_now();
    }
}

/// Whether a line of this level goes anywhere.
pub fn is_on(level: Level) -> bool {
    level.number() <= MAX_LEVEL.load(Ordering::Relaxed)
}

/// Writes a line. Use the macros, which look at the level first.
pub fn write(level: Level, target: &str, message: Arguments<'_>) {
    if WRITING.get() {
        return;
    }
    let Some(sink) = SINK.load_full() else { return };
    let running = Running(sink.running.get());
    running.0.fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    // Removed between the load and the count: whoever removed it may not have waited for this call.
    if !SINK.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, &sink)) {
        return;
    }
    let text = |text: String| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    let (target, message) = (text(target.to_owned()), text(message.to_string()));
    WRITING.set(true);
    (sink.write)(level, &target, &message);
    WRITING.set(false);
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

macro_rules! log_at {
    ($level:ident, $($message:tt)+) => {
        if $crate::log::is_on($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, module_path!(), format_args!($($message)+));
        }
    };
}

macro_rules! warning {
    ($($message:tt)+) => { $crate::log::log_at!(Warn, $($message)+) };
}

macro_rules! info {
    ($($message:tt)+) => { $crate::log::log_at!(Info, $($message)+) };
}

macro_rules! debug {
    ($($message:tt)+) => { $crate::log::log_at!(Debug, $($message)+) };
}

pub(crate) use {debug, info, log_at, warning};
