//! Submitted calls.

use std::ffi::c_char;
use std::ops::ControlFlow;

use serde_json::Value;

use super::client::{armoriq_client, null, object};
use super::completions::{Answer, Call, Pending, Queue, Ticket};
use super::guard::{JsonOut, Out, free, handle_out, json_out, on};
use super::handles::{self, Handle};
use super::methods::{client_method, session_method};
use super::queue::{armoriq_call, armoriq_queue};
use super::session::armoriq_session;
use super::status::{ARMORIQ_OK, armoriq_status};
use super::text::Text;
use crate::client::{Client, Params};
use crate::config::CheckOptions;
use crate::decision::{Decision, Verdict};
use crate::session::Session;
use crate::{Error, Result};

/// Asks whether a call may be made, as `armoriq_session_check` does, and does not wait for the answer.
///
/// `queue`: where the completion goes; its `verdict` and its `json` are those of `armoriq_session_check`, and its status
/// is `ARMORIQ_OK` for every decision. `user_data`: any number; the completion has it. `tool`, `args`, `options`: as
/// there; `timeout_ms` in the options is for all that the check does. Nothing of them is kept.
///
/// `call` receives a handle to cancel it with; NULL if none is wanted. Free it with `armoriq_call_free`. `json`: JSON
/// `null`, or the error object; may be NULL. On `ARMORIQ_OK` exactly one completion comes, possibly before this
/// function returns: in local mode, and where nothing has to be asked, it is there then. On any other status none comes.
///
/// Never blocks on the network. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_INVALID_HANDLE` (the session's or the queue's),
/// `ARMORIQ_ERR_QUEUE_FULL`, `ARMORIQ_ERR_CLOSED`, `ARMORIQ_ERR_SERVICE` (no thread can be started for it),
/// `ARMORIQ_ERR_INTERNAL`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_submit_check(
    session: *mut armoriq_session,
    queue: *mut armoriq_queue,
    user_data: u64,
    tool: *const c_char,
    args: *const c_char,
    options: *const c_char,
    call: *mut *mut armoriq_call,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tool, args, options) = unsafe { (Text::new(tool), Text::new(args), Text::new(options)) };
    // SAFETY: the same.
    let (call, json) = unsafe { (handle_out(call), json_out(json)) };
    accept(session, queue, user_data, call, json, |session: &Session| {
        let tool = tool.required("tool")?;
        let options = CheckOptions::from_json(&object("options", options)?)?;
        let work = match session
            .check_at_once(tool, args.json_or_empty("args")?, options, |decision| answer(tool, decision))?
        {
            ControlFlow::Break(answer) => Work::Done(answer),
            ControlFlow::Continue(check) => {
                Work::Runs(Box::pin(async move { check.decide(|decision| answer(check.tool(), decision)).await }))
            }
        };
        Ok((session.client().clone(), work))
    })
}

/// Makes a call by its name, and does not wait for its result.
///
/// `client`, `session`: a client method takes the client and a NULL session, a session method the session and a NULL
/// client. `method`: the name without the prefix. `params`: a JSON object, or NULL; unknown members are refused. For a
/// client method they are those of the function `armoriq_client_METHOD`; for a session method:
///
/// | method | params |
/// | --- | --- |
/// | start_plan | tool_calls (a list), goal |
/// | check_batch | calls (a list), options (an object) |
/// | report | tool, args (an object), result (any JSON), options (an object) |
/// | dispatch | tool, args (an object), options (an object) |
/// | await_approval | delegation_id, timeout_ms, interval_ms, user_email |
///
/// `queue`, `user_data`, `call` and `json` are as in `armoriq_submit_check`. The completion's `json` is the result of the
/// blocking function, or its error object, and its `verdict` always `ARMORIQ_BLOCK`. Params that are wrong are refused
/// at once or, by some client methods, with the completion. Time limits are those of the blocking function.
///
/// Never blocks on the network. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, an unknown method, both handles given),
/// `ARMORIQ_ERR_INVALID_HANDLE`, `ARMORIQ_ERR_QUEUE_FULL`, `ARMORIQ_ERR_CLOSED`, `ARMORIQ_ERR_SERVICE` (no thread can be
/// started for it), `ARMORIQ_ERR_INTERNAL`.
///
/// ```c
/// armoriq_call *call = NULL;
/// const char *params = "{\"delegation_id\": \"del_1\"}";
/// if (armoriq_submit(NULL, session, queue, 8, "await_approval", params, &call, NULL)) return;
/// // later; its completion is in the queue then, whatever happened
/// if (armoriq_call_cancel(call, NULL) != ARMORIQ_OK) puts("no such call");
/// armoriq_call_free(call);
/// ```
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_submit(
    client: *mut armoriq_client,
    session: *mut armoriq_session,
    queue: *mut armoriq_queue,
    user_data: u64,
    method: *const c_char,
    params: *const c_char,
    call: *mut *mut armoriq_call,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (method, params) = unsafe { (Text::new(method), Text::new(params)) };
    // SAFETY: the same.
    let (call, json) = unsafe { (handle_out(call), json_out(json)) };
    if session.is_null() {
        return accept(client, queue, user_data, call, json, |client: &Client| {
            let method = client_method(method.required("method")?)?;
            let params = params.json_or_empty("params")?.to_owned();
            Params::from_json(&params)?;
            let owner = client.clone();
            let work = async move { method(&owner, Params::from_json(&params)?).await.map(other) };
            Ok((client.clone(), Work::Runs(Box::pin(work))))
        });
    }
    accept(session, queue, user_data, call, json, |session: &Session| {
        if !client.is_null() {
            return Err(Error::invalid_argument("both a client and a session are given: one of them must be NULL"));
        }
        let method = session_method(method.required("method")?)?;
        let work = method(session.clone(), &Params::from_json(params.json_or_empty("params")?)?)?;
        Ok((session.client().clone(), Work::Runs(Box::pin(async move { work.await.map(other) }))))
    })
}

/// Cancels a submitted call. Its completion, with `ARMORIQ_ERR_CANCELLED`, is in the queue when the function returns;
/// where the call has ended, its own completion stands and nothing happens.
///
/// The library stops to wait and to retry. What it had sent by then may have happened: a cancelled `start_plan` may have
/// made a token, a cancelled call of a tool may have been made. `json`: JSON `null`, or the error object; may be NULL. A
/// child after `fork()` cannot cancel its parent's calls: nothing happens. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_call_cancel(call: *mut armoriq_call, json: *mut *mut c_char) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(call, json, |call: &Call| {
        call.cancel();
        Ok(null())
    })
}

/// Frees the handle of a submitted call, before or after its completion. It does not cancel the call. NULL and a handle
/// that was freed before are no-ops.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_call_free(call: *mut armoriq_call) {
    free::<Call>(call);
}

/// What is left to do of a call that is being submitted.
enum Work {
    Done(Answer),
    Runs(Pending),
}

/// Accepts a call on the object of a handle: `prepare` looks at what the caller gave, and its client makes the call.
fn accept<T: Handle>(
    handle: *mut T::Opaque,
    queue: *mut armoriq_queue,
    user_data: u64,
    mut call: Out<'_, *mut armoriq_call>,
    json: JsonOut<'_>,
    prepare: impl FnOnce(&T) -> Result<(Client, Work)>,
) -> armoriq_status {
    let mut accepted: Option<Ticket> = None;
    let mut handle_of_call = std::ptr::null_mut();
    let status = on(handle, json, |object: &T| {
        let found = handles::find::<Queue>(queue)?;
        let queue = found.object::<Queue>()?;
        let (client, work) = prepare(object)?;
        let held = handles::hold::<T>(handle)?;
        client.open()?;
        let ticket = accepted.insert(queue.reserve(user_data)?).clone();
        // The handle is there before the completion can be.
        if call.is_wanted() {
            handle_of_call = handles::insert(Call::new(&ticket))?;
            call.set(handle_of_call);
        }
        match work {
            Work::Done(answer) => ticket.complete(Ok(answer)),
            Work::Runs(pending) => ticket.run(&client, held, pending)?,
        }
        Ok(null())
    });
    // Refused, or a panic came in between: no completion comes, and nothing is left of the call.
    if status != ARMORIQ_OK {
        if let Some(ticket) = accepted {
            ticket.withdraw();
        }
        call.set(std::ptr::null_mut());
        free::<Call>(handle_of_call);
    }
    status
}

fn answer(tool: &str, decision: &Decision<'_>) -> Answer {
    Answer { verdict: decision.verdict, json: decision.to_json(tool) }
}

/// The answer of what is no check.
fn other(result: Value) -> Answer {
    Answer { verdict: Verdict::Block, json: result.to_string() }
}
