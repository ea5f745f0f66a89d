//! JSON as this library reads and writes it.
//!
//! Text from outside (a caller's arguments, a service's answer) is read by [`parse`], which is strict where
//! `serde_json` is lenient: a duplicate key, a lone surrogate, more than 128 levels or anything after the value is
//! refused, because two readers that disagree about such text could disagree about a decision. Numbers keep the text
//! they were written with.

mod canonical;
mod object;
mod reader;

pub use canonical::{canonical, sha256_hex};
pub use object::ObjectWriter;
pub use reader::{MAX_BYTES, MAX_DEPTH, ParseError, parse, parse_bytes, parse_object};
pub use serde_json::{Map, Number, Value, json};

/// The number as an IEEE double. What is too large is an infinity, as in JavaScript and Python.
pub fn as_double(number: &Number) -> f64 {
    number.as_str().parse().unwrap_or(f64::NAN)
}

/// Whether the number was written as a float: with a fraction or an exponent.
pub fn is_float(number: &Number) -> bool {
    number.as_str().contains(['.', 'e', 'E'])
}

/// The member's text, or `None` where it is absent or not a string.
pub fn string_member<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// Whether a Python program would take the value for true: the official SDK's tests of answers are written that way.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => as_double(number) != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
