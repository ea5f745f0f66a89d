//! Where futures run.
//!
//! A call that blocks drives its own sockets on its own thread, in a [`Lane`] that nobody else uses meanwhile: no other
//! thread has to wake up for it. Background work has one thread of its own, which starts when there is such work.

use super::connections::Connections;
use super::sender::Sender;
use crate::error::{Error, Result};
#[cfg(unix)]
use crate::log::warning;
use crate::panics;
#[cfg(unix)]
use nix::sys::signal::SigSet;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
pub use tokio::task::JoinHandle as Task;

const THREAD_NAME: &str = "armoriq";
/// Lanes that are kept for the next calls.
const MAX_IDLE_LANES: usize = 16;
/// How long after a lane was driven it need not look at its connections again. Shorter than a server takes to close one
/// after it answered.
const UP_TO_DATE: Duration = Duration::from_micros(50);

/// What a runtime drives for a call that blocks.
type Work<'f> = dyn Future<Output = ()> + Send + 'f;

/// The runtimes of a transport. None is made before it is needed.
pub(super) struct Runtimes {
    connections: Arc<Connections>,
    idle: Mutex<Vec<Lane>>,
    background: Mutex<Option<Background>>,
}

impl Runtimes {
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections, idle: Mutex::default(), background: Mutex::default() }
    }

    /// See `Transport::block_on`. What does not depend on the future's type is in one place, and once in the library.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let mut output = None;
        self.run(pin!(async { output = Some(future.await) }))?;
        output.ok_or_else(|| Error::Internal("a future that ended without its output".into()))
    }

    fn run(&self, work: Pin<&mut Work<'_>>) -> Result<()> {
        match Handle::try_current() {
            // The thread is about to end, and what a runtime keeps for each thread is gone: a handler of `atexit`.
            Err(error) if error.is_thread_local_destroyed() => self.drive_on_helper(work),
            Err(_) => self.drive(work),
            Ok(current) if self.background().as_ref().is_some_and(|background| background.0.id() == current.id()) => {
                Err(Error::InvalidState("a blocking call on the library's own thread".into()))
            }
            Ok(_) => self.drive_on_helper(work),
        }
    }

    /// Drives a future to its end on this thread. A lane on which it panicked is not used again.
    fn drive(&self, work: Pin<&mut Work<'_>>) -> Result<()> {
        let idle = self.idle().pop();
        let mut lane = idle.map_or_else(|| Lane::open(&self.connections), Ok)?;
        lane.drive(work)?;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE_LANES {
            idle.push(lane);
        }
        Ok(())
    }

    fn drive_on_helper(&self, work: Pin<&mut Work<'_>>) -> Result<()> {
        thread::scope(|scope| {
            let helper = named_thread().spawn_scoped(scope, || {
                prepare_thread();
                self.drive(work)
            });
            let outcome = helper.map_err(cannot_start)?.join();
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// See `Transport::spawn`.
    pub fn spawn<F>(&self, make: impl FnOnce() -> F) -> Result<Task<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(self.running()?.spawn(make()))
    }

    /// The runtime of the background thread, which is started unless it runs.
    fn running(&self) -> Result<Handle> {
        // Dropped after the lock: what is left of its work ends with it, and may ask for more.
        let _ended;
        let mut background = self.background();
        _ended = background.take_if(|background| !background.is_running());
        let running = match background.as_ref() {
            Some(running) => running.0.clone(),
            None => background.insert(Background::start(Arc::clone(&self.connections))?).0.clone(),
        };
        drop(background);
        Ok(running)
    }

    fn background(&self) -> MutexGuard<'_, Option<Background>> {
        self.background.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runtime with its connections, driven by the thread of whichever call uses it.
struct Lane {
    /// There until the lane is dropped.
    runtime: Option<Runtime>,
    connections: Arc<Connections>,
    sender: Arc<Sender>,
    /// When it was last driven.
    driven: Option<Instant>,
}

impl Lane {
    fn open(connections: &Arc<Connections>) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(cannot_start)?;
        let sender = connections.open(runtime.handle());
        Ok(Self { runtime: Some(runtime), connections: Arc::clone(connections), sender, driven: None })
    }

    fn drive(&mut self, work: Pin<&mut Work<'_>>) -> Result<()> {
        let runtime = self.runtime.as_ref().ok_or_else(|| Error::Internal("a lane without a runtime".into()))?;
        self.sender.exchanges.set_up_to_date(self.driven.is_some_and(|driven| driven.elapsed() < UP_TO_DATE));
        runtime.block_on(work);
        self.driven = Some(Instant::now());
        Ok(())
    }
}

impl Drop for Lane {
    /// Waits for nothing, a look-up that hangs included.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            self.connections.close(runtime.handle());
            runtime.shutdown_background();
        }
    }
}

/// A thread that drives a runtime, as long as its handle and the sender are there. Nobody waits for its end.
struct Background(Handle, oneshot::Sender<()>);

impl Background {
    /// Not where a panic inside the runtime itself has ended its thread.
    fn is_running(&self) -> bool {
        !self.1.is_closed()
    }

    /// The runtime is made on its thread, so that nothing is left to clean up where there is no thread.
    fn start(connections: Arc<Connections>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let run = move || {
            let mut lane = match Lane::open(&connections) {
                Ok(lane) => lane,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let handle = lane.runtime.as_ref().map(|runtime| runtime.handle().clone());
            let handle = handle.ok_or_else(|| Error::Internal("a lane without a runtime".into()));
            if ready.send(handle).is_ok() {
                drop(lane.drive(pin!(async { drop(stopped.await) })));
            }
        };
        start_thread(run).map_err(cannot_start)?;
        let handle = started.recv().unwrap_or_else(|_| Err(Error::Internal("the background thread ended".into())))?;
        Ok(Self(handle, stop))
    }
}

/// Does work that blocks on a thread of its own, which ends with it. Whoever no longer waits leaves it to itself.
///
/// # Errors
///
/// Where the system has no thread for it.
pub(crate) async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    start_thread(move || drop(done.send(work())))?;
    outcome.await.map_err(io::Error::other)
}

fn start_thread(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = || {
        prepare_thread();
        run();
    };
    named_thread().spawn(run).map(drop)
}

/// The first that a thread of the library's does.
fn prepare_thread() {
    panics::mark_own_thread();
    // They are the host's.
    #[cfg(unix)]
    if let Err(error) = SigSet::all().thread_block() {
        warning!("cannot block signals on a thread: {error}");
    }
}

fn named_thread() -> thread::Builder {
    thread::Builder::new().name(THREAD_NAME.into())
}

fn cannot_start(error: io::Error) -> Error {
    Error::Service { message: format!("cannot start what network calls run on: {error}"), status_code: None }
}
