//! Status codes, and the one place where errors become them.

use std::ffi::CStr;

use crate::Error;

/// What a function answers: `ARMORIQ_OK` or one of `ARMORIQ_ERR_*`.
///
/// @section Status codes
/// Every function that can fail returns one. The numbers are fixed and never reused; a later version may add some, so
/// treat a code that you do not know as a failure.
pub type armoriq_status = i32;

/// The call did what it was asked; its result is in `*json`.
pub const ARMORIQ_OK: armoriq_status = 0;
/// A NULL where none may be, text that is not UTF-8, bad JSON, an unknown option, a wrong type.
pub const ARMORIQ_ERR_INVALID_ARGUMENT: armoriq_status = 1;
/// The handle was freed, forged, or is of another type.
pub const ARMORIQ_ERR_INVALID_HANDLE: armoriq_status = 2;
/// The program was built for another ABI major, or for a newer minor than the library's.
pub const ARMORIQ_ERR_ABI_MISMATCH: armoriq_status = 3;
/// The call came out of order, such as a dispatch before any plan.
pub const ARMORIQ_ERR_INVALID_STATE: armoriq_status = 4;
/// No API key, one of the wrong form, a bad configuration file, an endpoint that is not set.
pub const ARMORIQ_ERR_CONFIGURATION: armoriq_status = 10;
/// No intent token was issued, or it was not accepted.
pub const ARMORIQ_ERR_INVALID_TOKEN: armoriq_status = 20;
/// The intent token has expired. Start the plan anew.
pub const ARMORIQ_ERR_TOKEN_EXPIRED: armoriq_status = 21;
/// The intent token was revoked.
pub const ARMORIQ_ERR_TOKEN_REVOKED: armoriq_status = 22;
/// The action is not in the plan.
pub const ARMORIQ_ERR_INTENT_MISMATCH: armoriq_status = 30;
/// A grown plan was not accepted under the intent token at hand.
pub const ARMORIQ_ERR_INTENT_REANCHOR: armoriq_status = 31;
/// A policy refused.
pub const ARMORIQ_ERR_POLICY_BLOCKED: armoriq_status = 40;
/// A policy asks for a human's approval first.
pub const ARMORIQ_ERR_POLICY_HOLD: armoriq_status = 41;
/// A delegation or an approval could not be made, looked up or used.
pub const ARMORIQ_ERR_DELEGATION: armoriq_status = 50;
/// The proxy or the tool behind it failed.
pub const ARMORIQ_ERR_MCP_INVOCATION: armoriq_status = 60;
/// No answer from the service, or one that says nothing useful.
pub const ARMORIQ_ERR_SERVICE: armoriq_status = 70;
/// No answer in time.
pub const ARMORIQ_ERR_TIMEOUT: armoriq_status = 71;
/// The call was cancelled.
pub const ARMORIQ_ERR_CANCELLED: armoriq_status = 72;
/// The queue holds as many calls as it was made for.
pub const ARMORIQ_ERR_QUEUE_FULL: armoriq_status = 73;
/// The client was closed.
pub const ARMORIQ_ERR_CLOSED: armoriq_status = 74;
/// A bug in the library. The handle that it happened on goes on answering this; every other one works.
pub const ARMORIQ_ERR_INTERNAL: armoriq_status = 90;

/// The one place where errors become codes.
pub(super) fn status_of(error: &Error) -> armoriq_status {
    match error {
        Error::InvalidArgument(_) => ARMORIQ_ERR_INVALID_ARGUMENT,
        Error::InvalidHandle(_) => ARMORIQ_ERR_INVALID_HANDLE,
        Error::AbiMismatch { .. } => ARMORIQ_ERR_ABI_MISMATCH,
        Error::InvalidState(_) => ARMORIQ_ERR_INVALID_STATE,
        Error::Configuration(_) => ARMORIQ_ERR_CONFIGURATION,
        Error::InvalidToken { .. } => ARMORIQ_ERR_INVALID_TOKEN,
        Error::TokenExpired { .. } => ARMORIQ_ERR_TOKEN_EXPIRED,
        Error::TokenRevoked { .. } => ARMORIQ_ERR_TOKEN_REVOKED,
        Error::IntentMismatch { .. } => ARMORIQ_ERR_INTENT_MISMATCH,
        Error::IntentReanchor { .. } => ARMORIQ_ERR_INTENT_REANCHOR,
        Error::PolicyBlocked(_) => ARMORIQ_ERR_POLICY_BLOCKED,
        Error::PolicyHold(_) => ARMORIQ_ERR_POLICY_HOLD,
        Error::Delegation { .. } => ARMORIQ_ERR_DELEGATION,
        Error::McpInvocation { .. } => ARMORIQ_ERR_MCP_INVOCATION,
        Error::Service { .. } => ARMORIQ_ERR_SERVICE,
        Error::Timeout(_) => ARMORIQ_ERR_TIMEOUT,
        Error::Cancelled => ARMORIQ_ERR_CANCELLED,
        Error::QueueFull(_) => ARMORIQ_ERR_QUEUE_FULL,
        Error::Closed => ARMORIQ_ERR_CLOSED,
        Error::Internal(_) => ARMORIQ_ERR_INTERNAL,
    }
}

pub(super) fn name_of(status: armoriq_status) -> &'static CStr {
    match status {
        ARMORIQ_OK => c"ARMORIQ_OK",
        ARMORIQ_ERR_INVALID_ARGUMENT => c"ARMORIQ_ERR_INVALID_ARGUMENT",
        ARMORIQ_ERR_INVALID_HANDLE => c"ARMORIQ_ERR_INVALID_HANDLE",
        ARMORIQ_ERR_ABI_MISMATCH => c"ARMORIQ_ERR_ABI_MISMATCH",
        ARMORIQ_ERR_INVALID_STATE => c"ARMORIQ_ERR_INVALID_STATE",
        ARMORIQ_ERR_CONFIGURATION => c"ARMORIQ_ERR_CONFIGURATION",
        ARMORIQ_ERR_INVALID_TOKEN => c"ARMORIQ_ERR_INVALID_TOKEN",
        ARMORIQ_ERR_TOKEN_EXPIRED => c"ARMORIQ_ERR_TOKEN_EXPIRED",
        ARMORIQ_ERR_TOKEN_REVOKED => c"ARMORIQ_ERR_TOKEN_REVOKED",
        ARMORIQ_ERR_INTENT_MISMATCH => c"ARMORIQ_ERR_INTENT_MISMATCH",
        ARMORIQ_ERR_INTENT_REANCHOR => c"ARMORIQ_ERR_INTENT_REANCHOR",
        ARMORIQ_ERR_POLICY_BLOCKED => c"ARMORIQ_ERR_POLICY_BLOCKED",
        ARMORIQ_ERR_POLICY_HOLD => c"ARMORIQ_ERR_POLICY_HOLD",
        ARMORIQ_ERR_DELEGATION => c"ARMORIQ_ERR_DELEGATION",
        ARMORIQ_ERR_MCP_INVOCATION => c"ARMORIQ_ERR_MCP_INVOCATION",
        ARMORIQ_ERR_SERVICE => c"ARMORIQ_ERR_SERVICE",
        ARMORIQ_ERR_TIMEOUT => c"ARMORIQ_ERR_TIMEOUT",
        ARMORIQ_ERR_CANCELLED => c"ARMORIQ_ERR_CANCELLED",
        ARMORIQ_ERR_QUEUE_FULL => c"ARMORIQ_ERR_QUEUE_FULL",
        ARMORIQ_ERR_CLOSED => c"ARMORIQ_ERR_CLOSED",
        ARMORIQ_ERR_INTERNAL => c"ARMORIQ_ERR_INTERNAL",
        _ => c"ARMORIQ_ERR_UNKNOWN",
    }
}
