//! The same question asked of Cedar: as many policies, the same conditions (with `like` for the regular expression,
//! which Cedar does not have), the request as JSON text.

use std::ffi::c_char;
use std::str::FromStr;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::Value;

use super::text;

pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

fn policy(tool: &str) -> String {
    format!(
        r#"permit(principal, action == Action::"{tool}", resource) when {{
            context.amount <= 5000
            && context.to like "*@example.com"
            && ["EUR", "USD", "GBP"].contains(context.currency)
            && context.note like "invoice *"
        }};"#
    )
}

/// Sets Cedar up with so many policies, of which one is about `pay_vendor`.
#[unsafe(no_mangle)]
pub extern "C" fn cedar_new(policies: u32) -> *mut Cedar {
    let others = (1..policies).map(|n| policy(&format!("tool_{n}")));
    let source: String = std::iter::once(policy("pay_vendor")).chain(others).collect();
    let policies = PolicySet::from_str(&source).expect("valid policies");
    Box::into_raw(Box::new(Cedar { authorizer: Authorizer::new(), policies, entities: Entities::empty() }))
}

/// Decides a request, `{"principal": {"type", "id"}, "action": …, "resource": …, "context": {…}}`: 1 where it is allowed.
///
/// # Safety
/// `cedar` came from `cedar_new`, and the text is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cedar_check(cedar: *const Cedar, request: *const c_char) -> i32 {
    // SAFETY: by this function's own condition.
    let (cedar, request) = unsafe { (&*cedar, text(request)) };
    i32::from(request.and_then(|request| decide(cedar, request)) == Some(Decision::Allow))
}

fn decide(cedar: &Cedar, request: &str) -> Option<Decision> {
    let mut request: Value = serde_json::from_str(request).ok()?;
    let mut entity = |name: &str| EntityUid::from_json(request.get_mut(name)?.take()).ok();
    let (principal, action, resource) = (entity("principal")?, entity("action")?, entity("resource")?);
    let context = Context::from_json_value(request.get_mut("context")?.take(), None).ok()?;
    let request = Request::new(principal, action, resource, context, None).ok()?;
    Some(cedar.authorizer.is_authorized(&request, &cedar.policies, &cedar.entities).decision())
}

/// Frees it.
///
/// # Safety
/// `cedar` came from `cedar_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cedar_free(cedar: *mut Cedar) {
    // SAFETY: by this function's own condition.
    drop(unsafe { Box::from_raw(cedar) });
}
