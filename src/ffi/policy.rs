//! The policy evaluator on its own.

use std::ffi::c_char;

use serde_json::Value;

use super::guard::{guard, json_out};
use super::status::armoriq_status;
use super::text::Text;
use crate::clock::{in_millis, since_1970};
use crate::policy::{self, EvaluationError, lint};
use crate::{Error, json};

/// Evaluates a call against policy documents.
///
/// `call`: a JSON object with `tool`, `arguments`, `timestamp` (ISO 8601), and optionally `schemaHash`,
/// `capabilities`, `member`, `derived`. `documents`: a JSON object with `agent`, `group` and `floor`, each an
/// `armor.policy.v2` document and each optional, one of them there. `json`: `verdict` ("allow", "hold", "block"),
/// `floorVerdict`, `approval`, `obligations`, `provenance`; or the error object. Never blocks. Thread-safe.
///
/// Always give a timestamp: without one, or with one that is no text, every expiry has passed, also that of a rule that
/// blocks. Unknown members of `call` are passed over.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`: bad JSON, or what cannot be evaluated, the message then starting with
/// `NotPortable: ` (a regular expression outside the portable subset), `UnsupportedTime: `, `NoDocument: ` or
/// `NotEvaluable: ` (an unknown operator, a malformed document). Treat every error as a block.
///
/// # Safety
/// As the header's conventions say.
///
/// @section Policy
/// The evaluator that local mode decides with, as a pure function: no client, no network, no clock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_policy_evaluate(
    call: *const c_char,
    documents: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (call, documents, json) = unsafe { (Text::new(call), Text::new(documents), json_out(json)) };
    guard(json, || evaluated(policy::evaluate_json, call, documents))
}

/// Evaluates a call like `armoriq_policy_evaluate`, and says how the verdict came about.
///
/// `call`, `documents`: as there. `json`: `evaluation`, which is what `armoriq_policy_evaluate` gives; `layers`, the
/// documents that were looked at, in order, each with `document` ("floor", "agent", "group"), `policyId`, `state`
/// ("live", "expired"), `expiresAt`, `member` (null without a member; else `selectedBy`, `subject`, `why`) and `scopes`;
/// `floor` (null; or `verdict`, `rest`, `decides`, `why`) and `default` (null; or `document`, `verdict`, `why`). A scope
/// has `subject`, `keys` that fit the tool (`key`, `won`, `why`), `variants` and `capabilities`, `decision` (null; or
/// `by`, `path`, `statementId`, `effect`) and `why`. A variant has `path`, `statementId`, `effect`, `outcome` ("holds",
/// "fails", "expired", "not-tried") and `conditions`: `path`, `field`, `op`, `value`, `holds`, `present`, and in `saw`
/// the value of the field, left out where the call has no such field; of a value above 200 characters `saw` is the
/// beginning of its text, and `cut` is true. Never blocks. Thread-safe.
///
/// # Errors
/// As `armoriq_policy_evaluate`; the message then also names the condition that could not be evaluated.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_policy_explain(
    call: *const c_char,
    documents: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (call, documents, json) = unsafe { (Text::new(call), Text::new(documents), json_out(json)) };
    guard(json, || evaluated(policy::explain_json, call, documents))
}

/// Checks policy documents for what cannot be evaluated, can never happen, or does not mean what it seems to.
///
/// `documents`: as in `armoriq_policy_evaluate`. `tools`: a JSON list of the tools that the policy is for, as names or
/// as MCP, OpenAI or Anthropic definitions with their input schemas; NULL checks the documents alone. `json`: a list of
/// problems in the order of their places, empty where there are none: `path` (such as
/// `agent.statements[3].conditions[0].value`), `code` (a stable word such as `never-holds`), `severity` ("error": calls
/// are refused because of it; "warning"; "hint": it may well be meant), `message`, and for some `suggestion` and more.
/// Expiries are compared with the machine's clock. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT`: bad JSON, documents that are not an object, tools that are not a list. A policy that
/// is wrong is no error: it is a list of problems.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_policy_check(
    documents: *const c_char,
    tools: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (documents, tools, json) = unsafe { (Text::new(documents), Text::new(tools), json_out(json)) };
    guard(json, || checked(documents, tools))
}

fn evaluated(
    evaluate: fn(&Value, &Value) -> Result<Value, EvaluationError>,
    call: Text<'_>,
    documents: Text<'_>,
) -> crate::Result<String> {
    let call = parse("call", call.required("call")?)?;
    let documents = parse("documents", documents.required("documents")?)?;
    let evaluated = evaluate(&call, &documents).map_err(|error| Error::InvalidArgument(error.to_string()))?;
    Ok(evaluated.to_string())
}

fn checked(documents: Text<'_>, tools: Text<'_>) -> crate::Result<String> {
    let documents = parse("documents", documents.required("documents")?)?;
    let documents = documents.as_object().ok_or_else(|| Error::invalid_argument("documents is not an object"))?;
    let tools = tools.optional("tools")?.map(|tools| parse("tools", tools)).transpose()?;
    let tools = match &tools {
        None => None,
        Some(Value::Array(tools)) => Some(tools.as_slice()),
        Some(_) => return Err(Error::invalid_argument("tools is not a list")),
    };
    let problems = lint::check(documents, tools, in_millis(since_1970()));
    Ok(problems.iter().map(lint::Problem::to_json).collect::<Value>().to_string())
}

fn parse(name: &str, text: &str) -> crate::Result<Value> {
    json::parse(text).map_err(|error| Error::InvalidArgument(format!("{name}: {error}")))
}
