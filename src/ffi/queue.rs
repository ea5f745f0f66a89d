//! The completion queue.

use std::ffi::c_char;
use std::time::Duration;

use super::client::null;
use super::completions::{Call, Completion, Queue};
use super::guard::{Out, attempt, caught, create, error_json, free, handle_out, json_out, on_with};
use super::handles::{self, handle};
use super::session::{ARMORIQ_BLOCK, armoriq_verdict, number_of};
use super::status::{ARMORIQ_OK, armoriq_status, status_of};
use super::text::Owned;
use crate::Error;

/// A completion queue. Thread-safe; free it with `armoriq_queue_free`.
///
/// @section Completion queue
/// Calls for programs with an event loop: a call is submitted, the library makes it in the background, and its outcome
/// arrives in a queue whose descriptor the loop watches. No thread of the program waits, nothing calls back into it.
///
/// - Every accepted submission gives exactly one completion, in the process that submitted it: its result, its error,
///   `ARMORIQ_ERR_CANCELLED` after `armoriq_call_cancel`, `ARMORIQ_ERR_CLOSED` after `armoriq_client_close`. Only
///   `armoriq_queue_free` drops those that were not delivered. One that was refused gives none.
/// - Completions arrive in the order in which the calls end, which need not be that of the submissions.
/// - The descriptor is readable exactly while completions wait (level-triggered), so that it works with select, poll,
///   epoll, kqueue and what is built on them. When it is readable, call `armoriq_queue_next` with a timeout of 0 until it
///   returns `ARMORIQ_ERR_TIMEOUT`. With edge-triggered polling (EPOLLET) this is a must; with level-triggered polling it
///   may be left off earlier. Never read from the descriptor, write to it or close it.
/// - After `fork()` a child has the queue with a descriptor of its own, without calls and completions: ask
///   `armoriq_queue_fd` again. Calls in flight are the parent's.
///
/// ```c
/// struct pollfd ready = {(int)armoriq_queue_fd(queue), POLLIN, 0};
/// armoriq_completion done;
///
/// if (armoriq_submit_check(session, queue, 7, "bank__pay", "{\"amount\": 20}", NULL, NULL, NULL)) return;
/// poll(&ready, 1, -1);
/// while (armoriq_queue_next(queue, 0, &done, NULL) == ARMORIQ_OK) {
///     if (done.user_data == 7 && done.verdict == ARMORIQ_ALLOW) pay(20);
///     armoriq_string_free(done.json);
/// }
/// ```
pub struct armoriq_queue {
    _opaque: [u8; 0],
}

/// A submitted call. Thread-safe; free it with `armoriq_call_free`.
pub struct armoriq_call {
    _opaque: [u8; 0],
}

handle!(Queue, armoriq_queue);
handle!(Call, armoriq_call);

/// The end of a submitted call.
#[repr(C)]
pub struct armoriq_completion {
    /// What the submission was given.
    pub user_data: u64,
    /// What the blocking function would have returned, or `ARMORIQ_ERR_CANCELLED`.
    pub status: armoriq_status,
    /// A check's verdict; `ARMORIQ_BLOCK` for everything else, and where the status is not `ARMORIQ_OK`.
    pub verdict: armoriq_verdict,
    /// The result, or the error object. It is yours: free it with `armoriq_string_free`.
    pub json: *mut c_char,
}

impl armoriq_completion {
    const EMPTY: Self = Self { user_data: 0, status: ARMORIQ_OK, verdict: ARMORIQ_BLOCK, json: std::ptr::null_mut() };
}

impl From<Completion> for armoriq_completion {
    fn from(Completion { user_data, outcome }: Completion) -> Self {
        let (status, verdict, json) = match outcome {
            Ok(answer) => (ARMORIQ_OK, number_of(answer.verdict), answer.json),
            Err(error) => (status_of(&error), ARMORIQ_BLOCK, error_json(&error)),
        };
        Self { user_data, status, verdict, json: Owned::from(json).into_raw() }
    }
}

/// Makes a completion queue. One serves any number of clients and sessions; a program often has one for each of its
/// event loops.
///
/// `capacity`: how many calls it takes at once, from 1 on: those in flight and those whose completion was not fetched
/// yet, together. `queue` receives the handle and must not be NULL; free it with `armoriq_queue_free`. `json`: JSON
/// `null`, or the error object; may be NULL. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (a capacity of 0, `queue` is NULL), `ARMORIQ_ERR_INTERNAL` (no descriptor is left).
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_queue_new(
    capacity: u32,
    queue: *mut *mut armoriq_queue,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let (queue, json) = unsafe { (handle_out(queue), json_out(json)) };
    create(queue, json, || Queue::new(capacity))
}

/// The queue's descriptor, to be watched for reading; on Windows the HANDLE of an event object, to be waited for. It is
/// ready exactly while completions wait. It is the same on each call, and another in a child after `fork()`.
///
/// It belongs to the queue: do not read from it, write to it or close it. Programs that this one starts do not inherit
/// it (close-on-exec), and it never blocks. -1 where the handle is not valid, or a child has no descriptor left. Take it
/// out of your event loop before you free the queue. Never blocks. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_queue_fd(queue: *mut armoriq_queue) -> i64 {
    attempt(queue, Queue::descriptor).unwrap_or(-1)
}

/// Fetches the completion that has waited longest.
///
/// `timeout_ms`: how long to wait for one where there is none: 0 does not wait, `UINT32_MAX` waits until there is one.
/// `completion` receives it and must not be NULL; on any status but `ARMORIQ_OK` it is zeroed. The status of the call is
/// in it; the function's own only says whether there was a completion. `json`: JSON `null`, or the error object; may be
/// NULL.
///
/// Blocks for up to `timeout_ms`. Thread-safe: several threads may wait at once, and each completion goes to one of
/// them. Freeing the queue ends the wait with `ARMORIQ_ERR_INVALID_HANDLE`.
///
/// # Errors
/// `ARMORIQ_ERR_TIMEOUT` (none came), `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_queue_next(
    queue: *mut armoriq_queue,
    timeout_ms: u32,
    completion: *mut armoriq_completion,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let (completion, json) = unsafe { (Out::new(completion, armoriq_completion::EMPTY), json_out(json)) };
    let wanted = completion.is_wanted();
    on_with(queue, completion, json, |queue: &Queue| {
        if !wanted {
            return Err(Error::invalid_argument("completion is NULL"));
        }
        let timeout = (timeout_ms != u32::MAX).then(|| Duration::from_millis(timeout_ms.into()));
        Ok((null(), queue.next(timeout)?.into()))
    })
}

/// Frees a queue. NULL and a handle that was freed before are no-ops. It cancels the calls in flight and frees the
/// completions that were not fetched; threads that wait in `armoriq_queue_next` return.
///
/// What a cancelled call had sent by then may have happened. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_queue_free(queue: *mut armoriq_queue) {
    // Those who wait for a completion hold the queue: its end must not wait for them.
    let found = handles::find::<Queue>(queue);
    free::<Queue>(queue);
    if let Ok(found) = found {
        let _ = caught(|| found.object::<Queue>().map(Queue::end));
    }
}
