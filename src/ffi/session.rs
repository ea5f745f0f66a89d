//! Sessions.

use std::ffi::c_char;

use super::client::{armoriq_client, null, object};
use super::guard::{Out, create_on, free, handle_out, json_out, on, on_with};
use super::handles::handle;
use super::status::armoriq_status;
use super::text::{Owned, Text};
use super::user::armoriq_user_scope;
use crate::client::{Client, UserScope};
use crate::config::{CheckOptions, ReportOptions, SessionOptions};
use crate::decision::Verdict;
use crate::session::{ApprovalOptions, Session};

/// A session. Thread-safe; free it with `armoriq_session_free`.
///
/// @section Session
/// One turn of an agent: it declares the tool calls that it plans, gets a signed intent token for them, and asks
/// before each call. Start one per turn; a check of it takes no lock and may be made from any thread.
pub struct armoriq_session {
    _opaque: [u8; 0],
}

handle!(Session, armoriq_session);

/// Starts a session of the user's.
///
/// `options`: a JSON object, or NULL. All members are optional; unknown ones are refused.
///
/// | member | type, default |
/// | --- | --- |
/// | mode | "local" (decide in this process, by the policy of the client's agent_id), "sdk" (ask the backend), "proxy" (ask the proxy); "local" |
/// | default_mcp_name | text: the server of tool names that name none |
/// | validity_seconds | 3600: how long the intent token is to be valid |
/// | session_id | a UUID; a random one |
/// | context_id | text: the client's |
/// | llm | "agent": the language model's name |
/// | observability_enabled | true |
///
/// `session` receives the handle and must not be NULL; free it with `armoriq_session_free`. `json`: JSON `null`, or
/// the error object; may be NULL. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, an unknown option or mode, a session_id that is no UUID),
/// `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_user_start_session(
    user: *mut armoriq_user_scope,
    options: *const c_char,
    session: *mut *mut armoriq_session,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (options, session, json) = unsafe { (Text::new(options), handle_out(session), json_out(json)) };
    create_on(user, session, json, |user: &UserScope| {
        user.start_session(SessionOptions::from_json(&object("options", options)?)?)
    })
}

/// Starts a session that belongs to no user. Most programs want `armoriq_user_start_session` instead.
///
/// `options`: as there. `session` receives the handle and must not be NULL. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_start_session(
    client: *mut armoriq_client,
    options: *const c_char,
    session: *mut *mut armoriq_session,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (options, session, json) = unsafe { (Text::new(options), handle_out(session), json_out(json)) };
    create_on(client, session, json, |client: &Client| {
        client.start_session(SessionOptions::from_json(&object("options", options)?)?)
    })
}

/// What a check decided: `ARMORIQ_BLOCK`, `ARMORIQ_ALLOW` or `ARMORIQ_HOLD`. Make the call only on `ARMORIQ_ALLOW`;
/// treat a value that you do not know as a block. Zeroed memory blocks.
pub type armoriq_verdict = i32;

/// The call must not be made.
pub const ARMORIQ_BLOCK: armoriq_verdict = 0;
/// The call may be made.
pub const ARMORIQ_ALLOW: armoriq_verdict = 1;
/// The call must not be made before a person approved it; see `armoriq_session_await_approval`.
pub const ARMORIQ_HOLD: armoriq_verdict = 2;

/// Declares the tool calls of this turn and gets an intent token for them.
///
/// `tool_calls`: a JSON list, not empty. Each entry is `{"name": "server__tool", "args": {...}}` or
/// `{"action": "tool", "mcp": "server", "params": {...}}`; an `id` is accepted. `goal`: text, may be NULL.
/// `json`: the intent token as a JSON object, or the error object. Only tools of the plan pass a check.
///
/// A plan that grew is put under the token at hand; one that did not change costs nothing; an expired token is
/// replaced. On failure the plan that was in force stays in force. Blocks as `armoriq_client_get_intent_token` or
/// `armoriq_client_reanchor` does, and in local mode for the policy, too. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, no tool calls, a malformed name), `ARMORIQ_ERR_POLICY_BLOCKED`,
/// `ARMORIQ_ERR_INVALID_TOKEN`, `ARMORIQ_ERR_TOKEN_REVOKED` (the one of a plan that grew),
/// `ARMORIQ_ERR_INTENT_REANCHOR`, `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_start_plan(
    session: *mut armoriq_session,
    tool_calls: *const c_char,
    goal: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tool_calls, goal, json) = unsafe { (Text::new(tool_calls), Text::new(goal), json_out(json)) };
    on(session, json, |session: &Session| {
        let token = session.start_plan(tool_calls.required("tool_calls")?, goal.optional("goal")?)?;
        Ok(token.to_string())
    })
}

/// Asks whether a call may be made.
///
/// `tool`: the tool's name as the language model wrote it. `args`: its arguments, a JSON object, or NULL for none;
/// they are forwarded byte for byte. `options`: a JSON object, or NULL: `user_email` (whose call it is, if not the
/// session's user's), `timeout_ms` (for all that the check does), `traceparent`.
///
/// `verdict`: `ARMORIQ_ALLOW` only when the call was clearly allowed; may be NULL. `json`: the decision, or the error
/// object; may be NULL. **Every decision is `ARMORIQ_OK`, the blocking ones included**: an outage, a timeout or an
/// answer that makes no sense is a block. On any other status the verdict is `ARMORIQ_BLOCK`.
///
/// The decision: `allowed`, `action` ("allow", "block", "hold"), `reason`, `delegation_id`, `matched_policy`,
/// `policy_id`, `policy_version`, `rule_id`, `obligations`, and
///
/// - `cause`: whose fault a refusal is; null when allowed. "policy" (a rule), "plan" (not planned), "token" (expired
///   or forged), "approval" (a person must approve), "unavailable" (the service), "stale" (the policy is too old),
///   "config" (the set-up), "invalid" (an answer or a policy that makes no sense).
/// - `for_model`: a text that a program may give its language model as the tool's result; null when allowed.
///
/// In local mode it decides in this process and does not block; in the other modes it asks the service, for 10 s at
/// the most. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, arguments that are no object, an unknown option),
/// `ARMORIQ_ERR_INVALID_HANDLE`, `ARMORIQ_ERR_CLOSED`, `ARMORIQ_ERR_INTERNAL`.
///
/// ```c
/// armoriq_verdict verdict;
/// char *decision;
/// if (armoriq_session_check(session, "bank__pay", "{\"amount\": 20}", NULL, &verdict, &decision) == ARMORIQ_OK
///     && verdict == ARMORIQ_ALLOW)
///     pay(20);
/// armoriq_string_free(decision);
/// ```
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_check(
    session: *mut armoriq_session,
    tool: *const c_char,
    args: *const c_char,
    options: *const c_char,
    verdict: *mut armoriq_verdict,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tool, args, options) = unsafe { (Text::new(tool), Text::new(args), Text::new(options)) };
    // SAFETY: the same.
    let (verdict, json) = unsafe { (Out::new(verdict, ARMORIQ_BLOCK), json_out(json)) };
    on_with(session, verdict, json, |session: &Session| {
        let tool = tool.required("tool")?;
        let options = check_options(options)?;
        session.check(tool, args.json_or_empty("args")?, &options, |decision| {
            let (text, ()) = Owned::written(|text| decision.write_json(tool, text));
            (text, number_of(decision.verdict))
        })
    })
}

/// Asks about several calls at once, such as a model emits in one turn.
///
/// `calls`: a JSON list of 1 to 1,000 `{"tool": name, "args": {...}}`; `args` may be left out. `options`: as of
/// `armoriq_session_check`, for all of the calls together; `timeout_ms` is for all that the batch does.
///
/// `strictest`: the strictest of the verdicts, `ARMORIQ_BLOCK` before `ARMORIQ_HOLD` before `ARMORIQ_ALLOW`; may be NULL.
/// `json`: the decisions as a JSON list, in the order of the calls, each as `armoriq_session_check` would give it; or
/// the error object; may be NULL. **Every decision is `ARMORIQ_OK`.**
///
/// In local mode it decides in this process and does not block, and costs less than so many checks; in the other modes
/// it asks about up to eight calls at a time, for 10 s at the most in all. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, no or too many calls, a call without a tool, arguments that are no object,
/// an unknown member or option; then nothing was decided), `ARMORIQ_ERR_INVALID_HANDLE`, `ARMORIQ_ERR_CLOSED`,
/// `ARMORIQ_ERR_INTERNAL`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_check_batch(
    session: *mut armoriq_session,
    calls: *const c_char,
    options: *const c_char,
    strictest: *mut armoriq_verdict,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (calls, options) = unsafe { (Text::new(calls), Text::new(options)) };
    // SAFETY: the same.
    let (strictest, json) = unsafe { (Out::new(strictest, ARMORIQ_BLOCK), json_out(json)) };
    on_with(session, strictest, json, |session: &Session| {
        let (calls, options) = (calls.required("calls")?, check_options(options)?);
        let (decisions, verdict) = Owned::written(|text| session.check_batch(calls, &options, text));
        Ok((decisions, number_of(verdict?)))
    })
}

/// Tells which tools the session's user may ever use, before the agent's model sees them.
///
/// `tools`: a JSON list of tool names, or of tool definitions as MCP, OpenAI or Anthropic write them. `json`: the tools'
/// names by what the policy says about their calls, whatever the arguments, or the error object; may be NULL:
///
/// | member | what is proven about its tools |
/// | --- | --- |
/// | always | every call is allowed |
/// | depends | nothing: {"tool", "paths"}; the arguments at these paths ("amount", "items.0.id") decide |
/// | hold | no call is allowed, but some are held for an approval (local mode blocks them) |
/// | never | no call is allowed or held |
/// | unknown | nothing, because the policy is not at hand or does not know the agent |
///
/// Names are sorted, and the same question gets the same bytes. The answer is about this moment: a rule that expires
/// later still counts. It is about the policy alone: a check also needs a plan that has the tool, and in the modes
/// "sdk" and "proxy" the service decides. Asks the service for the policy where it is not at hand, for 10 s at the
/// most, and does not block otherwise. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, something in the list that is no tool), `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_tools(
    session: *mut armoriq_session,
    tools: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tools, json) = unsafe { (Text::new(tools), json_out(json)) };
    on(session, json, |session: &Session| session.tools(tools.required("tools")?))
}

/// Reports what became of a call, for the audit trail.
///
/// `tool`, `args`: as in the check. `result`: the tool's result as JSON, may be NULL. Neither arguments nor results
/// are sent. `options`: a JSON object, or NULL, with the official SDK's ReportOptions by their names: `status`
/// ("success", "failed", "error"), `error_message`, `duration_ms`, `is_delegated`, `delegated_by`, `delegated_to` and
/// the others. `json`: `{"delivered": true}`, or `{"delivered": false, "reason": ...}` when the service did not take
/// it, or the error object. Blocks for 5 s at the most. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_report(
    session: *mut armoriq_session,
    tool: *const c_char,
    args: *const c_char,
    result: *const c_char,
    options: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tool, args, result) = unsafe { (Text::new(tool), Text::new(args), Text::new(result)) };
    // SAFETY: the same.
    let (options, json) = unsafe { (Text::new(options), json_out(json)) };
    on(session, json, |session: &Session| {
        let options = ReportOptions::from_json(&object("options", options)?)?;
        let (args, result) = (args.json_or_empty("args")?, result.optional("result")?);
        session.report(tool.required("tool")?, args, result, &options).map(|report| report.to_string())
    })
}

/// Has the proxy make a call of the plan.
///
/// `tool`, `args`: as in the check; the arguments are forwarded byte for byte. `options`: a JSON object, or NULL:
/// `user_email` (whose call it is, if not the session's user's), `timeout_ms` (the client's holds where it is smaller).
/// `json`: the tool's result as it is, also where it says that the tool failed; or the error object. A tool that the plan
/// does not have is refused before anything is sent. A call that failed without an answer, or with
/// `ARMORIQ_ERR_TIMEOUT`, may have been made. Blocks for up to the client's `timeout_ms`. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_STATE` (no plan yet), `ARMORIQ_ERR_INTENT_MISMATCH` (the plan does not have the tool, or it is on
/// two servers), `ARMORIQ_ERR_INVALID_ARGUMENT`, and those of `armoriq_client_invoke`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_dispatch(
    session: *mut armoriq_session,
    tool: *const c_char,
    args: *const c_char,
    options: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (tool, args) = unsafe { (Text::new(tool), Text::new(args)) };
    // SAFETY: the same.
    let (options, json) = unsafe { (Text::new(options), json_out(json)) };
    on(session, json, |session: &Session| {
        let options = CheckOptions::dispatch_from_json(&object("options", options)?)?;
        let result = session.dispatch(tool.required("tool")?, args.json_or_empty("args")?, &options)?;
        Ok(result.to_string())
    })
}

/// Waits for a person's approval of a held call. An approval that was given is marked as used: it counts once. Of those
/// who wait for the same one, one gets "approved" and the others `ARMORIQ_ERR_DELEGATION`.
///
/// `delegation_id`: from the decision. `options`: a JSON object, or NULL: `timeout_ms` (300000), `interval_ms` (5000,
/// how often to look), `user_email` (needed where the session has no user: without one an approval that came is not
/// marked as used, and the wait ends with `ARMORIQ_ERR_INVALID_ARGUMENT`). `json`:
/// `{"status": "approved" | "rejected" | "expired" | "timeout"}`, or the error object. Make the call only on
/// "approved"; "timeout" may also be a service that does not answer. Looks at once, then blocks for up to
/// `timeout_ms`, and for 2 s more where an approval came at the last moment. Those who wait for the same one share
/// their requests. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_DELEGATION` (the service refused, or the approval was used before),
/// `ARMORIQ_ERR_SERVICE`, `ARMORIQ_ERR_TIMEOUT`, `ARMORIQ_ERR_CLOSED`.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_await_approval(
    session: *mut armoriq_session,
    delegation_id: *const c_char,
    options: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (delegation_id, options, json) = unsafe { (Text::new(delegation_id), Text::new(options), json_out(json)) };
    on(session, json, |session: &Session| {
        let options = ApprovalOptions::from_json(&object("options", options)?)?;
        let status = session.await_approval(delegation_id.required("delegation_id")?, &options)?;
        Ok(status.to_string())
    })
}

/// Forgets the plan and its token; the session can start a new plan. `json`: JSON `null`. Never blocks. Thread-safe.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_reset(
    session: *mut armoriq_session,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(session, json, |session: &Session| {
        session.reset();
        Ok(null())
    })
}

/// Tells where the session stands: `session_id`, `mode`, `user_email`, `last_plan_start` ("minted", "reanchored",
/// "unchanged"), `current_token`; each null when there is none. The token is a secret: do not log it. Never blocks.
/// Thread-safe. Works after `armoriq_client_close` too.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_session_info(session: *mut armoriq_session, json: *mut *mut c_char) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(session, json, |session: &Session| Ok(session.info().to_string()))
}

/// Frees a session. NULL and a handle that was freed before are no-ops. Calls that run on other threads end normally.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_session_free(session: *mut armoriq_session) {
    free::<Session>(session);
}

fn check_options(options: Text<'_>) -> crate::Result<CheckOptions> {
    match options.is_null() {
        true => Ok(CheckOptions::default()),
        false => CheckOptions::from_json(&object("options", options)?),
    }
}

pub(super) fn number_of(verdict: Verdict) -> armoriq_verdict {
    match verdict {
        Verdict::Block => ARMORIQ_BLOCK,
        Verdict::Allow => ARMORIQ_ALLOW,
        Verdict::Hold => ARMORIQ_HOLD,
    }
}
