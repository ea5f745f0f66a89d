use serde_json::{Map, Number, Value};

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not JSON that this library accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct ParseError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// Reads one JSON value, strictly.
pub fn parse(text: &str) -> Result<Value, ParseError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.document()
}

/// Reads one JSON value from bytes that must be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Value, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let head = bytes.get(..error.valid_up_to()).unwrap_or_default();
        located(&String::from_utf8_lossy(head), error.valid_up_to(), "not UTF-8".into())
    })?;
    parse(text)
}

/// Reads a JSON object; anything else is refused.
pub fn parse_object(text: &str) -> Result<Map<String, Value>, ParseError> {
    match parse(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(located(text, 0, "expected a JSON object".into())),
    }
}

fn located(text: &str, at: usize, message: String) -> ParseError {
    let head = text.get(..at).unwrap_or(text);
    let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
    let column = head.get(line_start..).unwrap_or_default().chars().count() + 1;
    ParseError { message, line: head.matches('\n').count() + 1, column }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value, ParseError> {
        if self.text.len() > MAX_BYTES {
            return Err(self.error("more than 16 MiB of JSON"));
        }
        self.skip_space();
        let value = self.value()?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.error("unexpected text after the value")),
        }
    }

    fn value(&mut self) -> Result<Value, ParseError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => Err(self.error("expected a JSON value")),
            None => Err(self.error("unexpected end of the JSON text")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, ParseError>) -> Result<Value, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("more than 128 levels of JSON"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, ParseError> {
        let mut members = Map::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key"));
            }
            let key_at = self.at;
            let key = self.string()?;
            if members.contains_key(&key) {
                self.at = key_at;
                return Err(self.error(&format!("duplicate key {}", Value::from(key))));
            }
            self.skip_space();
            self.expect(b':', "expected ':' after a key")?;
            self.skip_space();
            let value = self.value()?;
            members.insert(key, value);
            self.skip_space();
            if self.take(b',') {
                continue;
            }
            self.expect(b'}', "expected ',' or '}' in an object")?;
            return Ok(Value::Object(members));
        }
    }

    fn array(&mut self) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            if self.take(b',') {
                continue;
            }
            self.expect(b']', "expected ',' or ']' in an array")?;
            return Ok(Value::Array(items));
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("unterminated string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let at = self.at;
        self.at += 2;
        let plain = match self.text.as_bytes().get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(at),
            _ => {
                self.at = at;
                return Err(self.error("invalid escape in a string"));
            }
        };
        Ok(plain)
    }

    fn unicode_escape(&mut self, at: usize) -> Result<char, ParseError> {
        let first = self.hex4()?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first) && self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            units.push(self.hex4()?);
        }
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok(char)) => Ok(char),
            _ => {
                self.at = at;
                Err(self.error("lone surrogate in a string"))
            }
        }
    }

    fn hex4(&mut self) -> Result<u16, ParseError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error("invalid \\u escape in a string"))?;
        self.at += 4;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(Number::from_string_unchecked(text.to_owned()))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, ParseError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.error("expected a JSON value"))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, message: &str) -> Result<(), ParseError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(message)) }
    }

    fn error(&self, message: &str) -> ParseError {
        located(self.text, self.at, message.to_owned())
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
            (r#""\u12g4""#, "invalid \\u escape in a string at line 1 column 4"),
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
