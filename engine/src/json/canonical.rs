use ring::digest::{SHA256, digest};
use serde_json::{Number, Value};
use std::fmt::Write;

/// The canonical text that plans are hashed over and tokens are signed over: object keys in code point order, no white
/// space, ASCII only, and numbers as Python prints them. An integer keeps all its digits; a number that was written
/// with a fraction or an exponent is a double in its shortest form that reads back as the same double.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// SHA-256, as lower-case hex.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    digest(&SHA256, bytes.as_ref()).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        append(&mut hex, format_args!("{byte:02x}"));
        hex
    })
}

/// Writing to a `String` has no failure to report.
fn append(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                separate(out, position);
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // UTF-8 bytes sort as code points do.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (position, (key, value)) in members.into_iter().enumerate() {
                separate(out, position);
                write_string(out, key);
                out.push(':');
                write_value(out, value);
            }
            out.push('}');
        }
    }
}

fn separate(out: &mut String, position: usize) {
    if position > 0 {
        out.push(',');
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(char),
            _ => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| append(out, format_args!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    if super::is_float(number) {
        write_float(out, super::as_double(number));
    } else if number.as_str() == "-0" {
        out.push('0');
    } else {
        out.push_str(number.as_str());
    }
}

/// Python's `repr` of a double: fixed from 1e-4 up to 1e16, otherwise with an exponent of at least two digits.
fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let value = value.abs();
    if value.is_infinite() {
        return out.push_str("Infinity");
    }
    if value == 0.0 || (1e-4..1e16).contains(&value) {
        // Debug keeps a fraction (`1.0`), and in this range never uses an exponent.
        return append(out, format_args!("{value:?}"));
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => append(out, format_args!("{digits}e-{exponent:0>2}")),
        None => append(out, format_args!("{digits}e+{exponent:0>2}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn of(text: &str) -> String {
        canonical(&parse(text).unwrap())
    }

    #[test]
    fn writes_numbers_as_python_does() {
        for (text, expect) in [
            ("-0", "0"),
            ("0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("-9007199254740993", "-9007199254740993"),
            ("1.0", "1.0"),
            ("1E2", "100.0"),
            ("-0.0", "-0.0"),
            ("-0e5", "-0.0"),
            ("0.0001", "0.0001"),
            ("0.00009999", "9.999e-05"),
            ("1e-7", "1e-07"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.5e300", "1.5e+300"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("1e-400", "0.0"),
            ("1e400", "Infinity"),
            ("-1e400", "-Infinity"),
            ("0.10000000000000000555", "0.1"),
        ] {
            assert_eq!(of(text), expect, "{text}");
        }
    }

    #[test]
    fn sorts_keys_by_code_point_and_writes_ascii() {
        assert_eq!(
            of("{\"\u{1f600}\": 1, \"\u{ffff}\": 2, \"a\": [true, null, {}], \"B\": \"/\u{7f}\u{e9}\\u0001\"}"),
            r#"{"B":"/\u007f\u00e9\u0001","a":[true,null,{}],"\uffff":2,"\ud83d\ude00":1}"#
        );
        assert_eq!(of(r#""\"\\\n\r\t\b\f""#), r#""\"\\\n\r\t\b\f""#);
    }

    #[test]
    fn hashes_a_plan() {
        let plan = of(r#"[{"name":"Stripe__charge","args":{"amount":100}}]"#);
        assert_eq!(sha256_hex(plan), "6e73175f93d534cda8b74c9dc901202b1fe01bee285c5a0f7c4373a4b94ec7c9");
    }
}
