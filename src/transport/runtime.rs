use crate::error::{Error, Result};
use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
pub use tokio::task::JoinHandle as Task;

const THREAD_NAME: &str = "armoriq";
/// Threads that look up names, which the system does blocking. A look-up that hangs must not hold up all others.
const MAX_BLOCKING_THREADS: usize = 4;

/// One thread that drives sockets, timers and background tasks. It ends when this is dropped, without being waited for.
pub(super) struct Runtime {
    handle: Handle,
    thread_start: Option<fn()>,
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    /// Starts the thread. The runtime is made on it, so that nothing is left to clean up where there is no thread.
    pub fn start(thread_start: Option<fn()>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let drive = move || {
            prepare_thread(thread_start);
            match build(thread_start) {
                Ok(runtime) => {
                    let _ = ready.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(stopped);
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        };
        named_thread().spawn(drive).map_err(cannot_start)?;
        match started.recv() {
            Ok(handle) => Ok(Self { handle: handle.map_err(cannot_start)?, thread_start, _stop: stop }),
            Err(_) => Err(Error::Internal("the thread for network calls ended".into())),
        }
    }

    /// See `Transport::block_on`.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        match Handle::try_current() {
            Err(_) => Ok(self.handle.block_on(future)),
            // The thread that would drive the call is the one that would wait for it.
            Ok(current) if current.id() == self.handle.id() => {
                Err(Error::InvalidState("a blocking call on a thread of the library itself".into()))
            }
            Ok(_) => self.block_on_helper(future),
        }
    }

    fn block_on_helper<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        thread::scope(|scope| {
            let wait = || {
                prepare_thread(self.thread_start);
                self.handle.block_on(future)
            };
            let helper = named_thread().spawn_scoped(scope, wait).map_err(cannot_start)?;
            helper.join().map_err(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }
}

fn build(thread_start: Option<fn()>) -> io::Result<tokio::runtime::Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name(THREAD_NAME)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .on_thread_start(move || prepare_thread(thread_start))
        .build()
}

fn named_thread() -> thread::Builder {
    thread::Builder::new().name(THREAD_NAME.into())
}

fn prepare_thread(thread_start: Option<fn()>) {
    if let Some(prepare) = thread_start {
        prepare();
    }
}

fn cannot_start(error: io::Error) -> Error {
    Error::Internal(format!("cannot start a thread for network calls: {error}"))
}
