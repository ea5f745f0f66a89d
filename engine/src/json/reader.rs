//! Reads JSON into a tree.

use serde_json::{Map, Number, Value};

use super::scanner::Scanner;
use super::{MAX_BYTES, MAX_DEPTH, ParseError};

/// Reads one JSON value, strictly.
pub fn parse(text: &str) -> Result<Value, ParseError> {
    let mut reader = Reader { scanner: Scanner::new(text), depth: 0 };
    if text.len() > MAX_BYTES {
        return Err(reader.scanner.error("more than 16 MiB of JSON"));
    }
    reader.scanner.skip_space();
    let value = reader.value()?;
    reader.scanner.end()?;
    Ok(value)
}

/// Reads one JSON value from bytes that must be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Value, ParseError> {
    parse(text(bytes)?)
}

/// The bytes as text, which JSON must be.
pub fn text(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let head = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ParseError::at(&String::from_utf8_lossy(head), error.valid_up_to(), "not UTF-8".into())
    })
}

/// Reads a JSON object; anything else is refused.
pub fn parse_object(text: &str) -> Result<Map<String, Value>, ParseError> {
    match parse(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(ParseError::at(text, 0, "expected a JSON object".into())),
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, ParseError> {
        match self.scanner.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::String(self.scanner.string("")?.decode().into_owned())),
            Some(b'-' | b'0'..=b'9') => {
                Ok(Value::Number(Number::from_string_unchecked(self.scanner.number()?.to_owned())))
            }
            Some(b't') => self.scanner.literal("true").map(|()| Value::Bool(true)),
            Some(b'f') => self.scanner.literal("false").map(|()| Value::Bool(false)),
            Some(b'n') => self.scanner.literal("null").map(|()| Value::Null),
            Some(_) => Err(self.scanner.error("expected a JSON value")),
            None => Err(self.scanner.error("unexpected end of the JSON text")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, ParseError>) -> Result<Value, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(self.scanner.error("more than 128 levels of JSON"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, ParseError> {
        let mut members = Map::new();
        self.scanner.take(b'{');
        self.scanner.skip_space();
        if self.scanner.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.scanner.skip_space();
            let key_at = self.scanner.position();
            let key = self.scanner.string("expected a key")?.decode().into_owned();
            if members.contains_key(&key) {
                return Err(self.scanner.error_at(key_at, format!("duplicate key {}", Value::from(key))));
            }
            self.scanner.skip_space();
            self.scanner.expect(b':', "expected ':' after a key")?;
            self.scanner.skip_space();
            let value = self.value()?;
            members.insert(key, value);
            self.scanner.skip_space();
            if !self.scanner.take(b',') {
                self.scanner.expect(b'}', "expected ',' or '}' in an object")?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        self.scanner.take(b'[');
        self.scanner.skip_space();
        if self.scanner.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.scanner.skip_space();
            items.push(self.value()?);
            self.scanner.skip_space();
            if !self.scanner.take(b',') {
                self.scanner.expect(b']', "expected ',' or ']' in an array")?;
                return Ok(Value::Array(items));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_numbers_and_key_order_as_written() {
        let text = r#"{"z":1.0,"a":12345678901234567890123,"e":1E+05,"n":-0}"#;
        assert_eq!(parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn decodes_escapes() {
        assert_eq!(parse(r#""\u0041\ud83d\ude00\n\/""#).unwrap(), Value::from("A😀\n/"));
    }

    #[test]
    fn an_object_that_looks_like_serde_jsons_own_number_stays_an_object() {
        let value = parse(r#"{"$serde_json::private::Number":"5"}"#).unwrap();
        assert!(value.is_object());
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for (text, message) in [
            (r#"{"a":1,"a":2}"#, r#"duplicate key "a" at line 1 column 8"#),
            (r#"{"a":1,"\u0061":2}"#, r#"duplicate key "a" at line 1 column 8"#),
            (r#""\ud800""#, "lone surrogate in a string at line 1 column 2"),
            (r#""\udc00x""#, "lone surrogate in a string at line 1 column 2"),
            ("[1] 2", "unexpected text after the value at line 1 column 5"),
            ("[\n1,]", "expected a JSON value at line 2 column 3"),
            ("NaN", "expected a JSON value at line 1 column 1"),
            ("", "unexpected end of the JSON text at line 1 column 1"),
            ("01", "unexpected text after the value at line 1 column 2"),
            ("1.", "expected a digit at line 1 column 3"),
            ("+1", "expected a JSON value at line 1 column 1"),
            ("\"\t\"", "control character in a string at line 1 column 2"),
            ("\"abc", "unterminated string at line 1 column 5"),
            (r#""\x""#, "invalid escape in a string at line 1 column 2"),
            (r#""\u12g4""#, "invalid \\u escape in a string at line 1 column 2"),
            ("{1:2}", "expected a key at line 1 column 2"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn nests_to_128_levels_and_no_further() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(&nested(128)).is_ok());
        assert!(parse(&nested(129)).is_err());
    }
}
