//! What the library refuses before it evaluates anything: a call or a document that is not of the language's form.
//! A member that the language calls optional, and those that the official evaluator can do without, may be absent.

use serde_json::Value;

use super::{Refusal, text};

pub fn check(call: &Value, bound: &Value) -> Result<(), Refusal> {
    let bound = bound.as_object().ok_or(Refusal::NotEvaluable)?;
    let documents = bound.iter().all(|(kind, document)| {
        ["floor", "agent", "group"].contains(&kind.as_str()) && (document.is_null() || is_document(document))
    });
    if documents && is_call(call) { Ok(()) } else { Err(Refusal::NotEvaluable) }
}

fn is_call(call: &Value) -> bool {
    let is_member = |member: &Value| {
        member.is_object()
            && ["membershipId", "email", "product"].iter().all(|key| absent_null_or(member, key, Value::is_string))
            && absent_null_or(member, "groups", |groups| {
                is_list_of(groups, |group| group.is_null() || group.is_string())
            })
    };
    call.is_object()
        && text(call, "tool").is_some()
        && absent_null_or(call, "capabilities", |list| is_list_of(list, Value::is_string))
        && absent_null_or(call, "member", is_member)
}

fn is_document(document: &Value) -> bool {
    let is_layer = text(document, "layer").is_some_and(|layer| ["agent", "group", "floor"].contains(&layer));
    text(document, "policyId").is_some()
        && is_layer
        && document.get("defaults").is_some_and(|defaults| is_verdict(defaults.get("tools")))
        && absent_or(document, "statements", |list| is_list_of(list, is_statement))
}

fn is_statement(statement: &Value) -> bool {
    let is_provenance = |provenance: &Value| {
        text(provenance, "ruleKey").is_some() && provenance.get("variant").is_some_and(Value::is_number)
    };
    let is_match = |it: &Value| {
        let is_tool = |tool: &Value| tool.is_string() && it.get("order").is_some_and(Value::is_number);
        it.is_object() && absent_or(it, "tool", is_tool) && absent_or(it, "capability", Value::is_string)
    };
    let is_subject = |subject: &Value| {
        let kinds = ["membershipId", "email", "group", "product"];
        subject.is_object() && kinds.iter().all(|kind| absent_null_or(subject, kind, Value::is_string))
    };
    text(statement, "id").is_some()
        && is_verdict(statement.get("effect"))
        && statement.get("provenance").is_some_and(is_provenance)
        && statement.get("match").is_some_and(is_match)
        && absent_null_or(statement, "subject", is_subject)
        && absent_or(statement, "conditions", |list| is_list_of(list, is_condition))
}

fn is_condition(condition: &Value) -> bool {
    let is_binding = |binding: &Value| binding.is_object() && absent_null_or(binding, "schemaHash", Value::is_string);
    text(condition, "field").is_some()
        && text(condition, "op").is_some()
        && absent_null_or(condition, "schemaBinding", is_binding)
}

fn is_verdict(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|verdict| ["allow", "hold", "block"].contains(&verdict))
}

fn is_list_of(value: &Value, is_item: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(is_item))
}

fn absent_or(object: &Value, key: &str, is_right: impl Fn(&Value) -> bool) -> bool {
    object.get(key).is_none_or(is_right)
}

fn absent_null_or(object: &Value, key: &str, is_right: impl Fn(&Value) -> bool) -> bool {
    absent_or(object, key, |value| value.is_null() || is_right(value))
}
