use std::fmt::Write as _;

use serde::Serialize;

use super::scanner::{is_plain, plain_length};

/// Writes a JSON object member by member, so that a caller's own JSON text can be forwarded byte for byte.
pub struct ObjectWriter {
    /// Text, in the form in which serde_json writes it fastest.
    text: Vec<u8>,
}

impl ObjectWriter {
    pub fn new() -> Self {
        // Most of what is written is a request of a check.
        let mut text = Vec::with_capacity(1024);
        text.push(b'{');
        Self { text }
    }

    /// Adds a member whose value is serialised.
    pub fn value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        self.key(key).push(value)
    }

    /// Adds a member only where there is a value.
    pub fn optional(&mut self, key: &str, value: Option<&(impl Serialize + ?Sized)>) -> &mut Self {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// Adds a member whose value is a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key).quote(value)
    }

    /// Adds a member whose value is JSON text that was already read strictly.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).text.extend_from_slice(json.as_bytes());
        self
    }

    pub fn finish(&mut self) -> String {
        self.text.push(b'}');
        // All that was written is UTF-8.
        String::from_utf8(std::mem::take(&mut self.text)).unwrap_or_default()
    }

    fn key(&mut self, key: &str) -> &mut Self {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.quote(key).text.push(b':');
        self
    }

    fn quote(&mut self, text: &str) -> &mut Self {
        if !is_plain(text.as_bytes()) {
            return self.push(text);
        }
        self.text.push(b'"');
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'"');
        self
    }

    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self {
        let start = self.text.len();
        if serde_json::to_writer(&mut self.text, value).is_err() {
            self.text.truncate(start);
            self.text.extend_from_slice(b"null");
        }
        self
    }
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the text that the parts make together as a JSON string.
#[inline]
pub fn push_text(json: &mut String, parts: &[&str]) {
    json.push('"');
    for part in parts {
        if is_plain(part.as_bytes()) {
            json.push_str(part);
        } else {
            push_escaped(json, part);
        }
    }
    json.push('"');
}

#[cold]
fn push_escaped(json: &mut String, mut text: &str) {
    loop {
        let (plain, rest) = text.split_at(plain_length(text.as_bytes()));
        json.push_str(plain);
        let mut chars = rest.chars();
        let Some(special) = chars.next() else { return };
        let short = match special {
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '"' | '\\' => Some(special),
            _ => None,
        };
        match short {
            Some(short) => json.extend(['\\', short]),
            // Writing to a string does not fail.
            None => write!(json, "\\u{:04x}", u32::from(special)).unwrap_or_default(),
        }
        text = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn texts_are_written_as_serde_writes_them() {
        let all: Vec<char> = (0..0x250).filter_map(char::from_u32).chain(['\u{2028}', '😀']).collect();
        for start in 0..all.len() {
            for length in 0..20 {
                let (before, after) = all.split_at(start);
                let text: String = after.iter().take(length).chain(before.iter().rev().take(length / 2)).collect();
                let mut json = String::new();
                push_text(&mut json, &[&text, "", &text]);
                assert_eq!(json, Value::from(text.repeat(2)).to_string());
            }
        }
    }

    #[test]
    fn every_kind_of_member() {
        let mut object = ObjectWriter::new();
        object.raw("raw", "[1.0]").value("li\"st", &[true]).text("text", "plain").text("other", "\n\"");
        object.optional("absent", None::<&str>).optional("given", Some("x"));
        assert_eq!(object.finish(), r#"{"raw":[1.0],"li\"st":[true],"text":"plain","other":"\n\"","given":"x"}"#);
        assert_eq!(ObjectWriter::new().finish(), "{}");
    }

    #[test]
    fn what_cannot_be_written_is_null() {
        let no_json = std::collections::BTreeMap::from([([1], 1)]);
        let mut object = ObjectWriter::new();
        object.value("before", "é").value("no_json", &[no_json]).value("after", &1);
        assert_eq!(object.finish(), r#"{"before":"é","no_json":null,"after":1}"#);
    }
}
