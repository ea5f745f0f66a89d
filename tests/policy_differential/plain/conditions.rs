//! Conditions: where a field leads, and what the operators mean.

use std::borrow::Cow;

use serde_json::Value;

use super::read::{Call, Condition, Statement};
use super::{Refusal, double, glob, regex, units};

pub fn all_hold(call: &Call<'_>, statement: &Statement<'_>) -> Result<bool, Refusal> {
    for condition in &statement.conditions {
        if !holds(call, condition)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(call: &Call<'_>, condition: &Condition<'_>) -> Result<bool, Refusal> {
    let actual = resolve(call, condition.field);
    let value = condition.value;
    if condition.operator == "exists" {
        let present = Value::Bool(actual.is_some());
        let wanted = value.filter(|value| !value.is_null()).unwrap_or(&Value::Bool(true));
        return Ok(present == *wanted);
    }
    let Some(actual) = actual else { return Ok(false) };
    let actual: &Value = &actual;
    let both_numbers = |compare: fn(f64, f64) -> bool| match (actual, value) {
        (Value::Number(a), Some(Value::Number(e))) => compare(double(a), double(e)),
        _ => false,
    };
    let both_texts = match (actual.as_str(), value.and_then(Value::as_str)) {
        (Some(a), Some(e)) => Some((units(a), units(e))),
        _ => None,
    };
    let contains = |list: &[Value]| list.iter().any(|item| equal(actual, Some(item)));
    Ok(match condition.operator {
        "eq" => equal(actual, value),
        "ne" => !equal(actual, value),
        "gt" => both_numbers(|a, e| a > e),
        "gte" => both_numbers(|a, e| a >= e),
        "lt" => both_numbers(|a, e| a < e),
        "lte" => both_numbers(|a, e| a <= e),
        "in" => value.and_then(Value::as_array).is_some_and(|list| contains(list)),
        "notIn" => value.and_then(Value::as_array).is_some_and(|list| !contains(list)),
        "glob" => both_texts.is_some_and(|(a, e)| glob::matches_units(&e, &a)),
        "startsWith" => both_texts.is_some_and(|(a, e)| a.starts_with(&e)),
        "regex" => match both_texts {
            Some((a, e)) => regex::search(&e, &a)?,
            None => false,
        },
        "notRegex" => match both_texts {
            Some((a, e)) => !regex::search(&e, &a)?,
            None => false,
        },
        _ => return Err(Refusal::NotEvaluable),
    })
}

/// Strict equality. Two values from different JSON texts are never the same list or object.
fn equal(a: &Value, e: Option<&Value>) -> bool {
    match (a, e) {
        (Value::Null, Some(Value::Null)) => true,
        (Value::Bool(a), Some(Value::Bool(e))) => a == e,
        (Value::Number(a), Some(Value::Number(e))) => double(a) == double(e),
        (Value::String(a), Some(Value::String(e))) => a == e,
        _ => false,
    }
}

/// What a field leads to. The length of a list is the one thing that is not there as it is.
fn resolve<'a>(call: &Call<'a>, field: &str) -> Option<Cow<'a, Value>> {
    let mut segments = field.split('.');
    let mut at = match segments.next().unwrap() {
        "args" => call.arguments?,
        derived => call.derived?.get(derived)?,
    };
    while let Some(segment) = segments.next() {
        at = match at {
            Value::Object(members) => members.get(segment)?,
            Value::Array(items) if segment == "length" => {
                // A number has no members.
                return segments.next().is_none().then(|| Cow::Owned(Value::from(items.len())));
            }
            Value::Array(items) => items.get(index(segment)?)?,
            _ => return None,
        };
    }
    Some(Cow::Borrowed(at))
}

/// `0|[1-9][0-9]{0,9}`
fn index(segment: &str) -> Option<usize> {
    let is_decimal = !segment.is_empty() && segment.chars().all(|char| char.is_ascii_digit());
    let is_short = segment == "0" || (!segment.starts_with('0') && segment.len() <= 10);
    if is_decimal && is_short { segment.parse().ok() } else { None }
}
