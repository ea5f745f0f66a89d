//! JSON as this library reads and writes it.
//!
//! Text from outside (a caller's arguments, a service's answer) is read by [`parse`], which is strict where
//! `serde_json` is lenient: a duplicate key, a lone surrogate, more than 128 levels or anything after the value is
//! refused, because two readers that disagree about such text could disagree about a decision. Numbers keep the text
//! they were written with.

mod canonical;
mod object;
mod python;
mod quoted;
mod reader;
mod scanner;
mod tape;

pub use canonical::{canonical, sha256_hex};
pub use object::{ObjectWriter, push_text};
pub use python::python_float;
pub use quoted::{quoted, shown};
pub use reader::{parse, parse_bytes, parse_object, text};
pub use serde_json::{Map, Number, Value, json};
pub use tape::{Kind, Node, Tape};

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not JSON that this library accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at line {} column {}", .0.message, .0.line, .0.column)]
pub struct ParseError(Box<Fault>);

/// Boxed, so that the results of reading fit in registers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    message: String,
    line: usize,
    column: usize,
}

impl ParseError {
    /// The line and the column, both from 1.
    pub fn place(&self) -> (usize, usize) {
        (self.0.line, self.0.column)
    }

    fn at(text: &str, at: usize, message: String) -> Self {
        let head = text.get(..at).unwrap_or(text);
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let column = head.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self(Box::new(Fault { message, line: head.matches('\n').count() + 1, column }))
    }
}

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
