//! The policy evaluator on its own.

use std::ffi::c_char;

use super::guard::{guard, json_out};
use super::status::armoriq_status;
use super::text::Text;
use crate::{Error, json, policy};

/// Evaluates a call against policy documents.
///
/// `call`: a JSON object with `tool`, `arguments`, `timestamp` (ISO 8601), and optionally `schemaHash`,
/// `capabilities`, `member`, `derived`. `documents`: a JSON object with `agent`, `group` and `floor`, each an
/// `armor.policy.v2` document and each optional, one of them there. `json`: `verdict` ("allow", "hold", "block"),
/// `floorVerdict`, `approval`, `obligations`, `provenance`; or the error object. Never blocks. Thread-safe.
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
    guard(json, || {
        let parse = |name: &str, text: Text<'_>| {
            let value = json::parse(text.required(name)?);
            value.map_err(|error| Error::InvalidArgument(format!("{name}: {error}")))
        };
        let evaluation = policy::evaluate_json(&parse("call", call)?, &parse("documents", documents)?);
        evaluation.map(|evaluation| evaluation.to_string()).map_err(|error| Error::InvalidArgument(error.to_string()))
    })
}
