use std::fmt::Write;

use serde::Serialize;

use super::scanner::plain_length;

/// Writes a JSON object member by member, so that a caller's own JSON text can be forwarded byte for byte.
pub struct ObjectWriter {
    text: String,
}

impl ObjectWriter {
    pub fn new() -> Self {
        Self::with_capacity(64)
    }

    pub fn with_capacity(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        Self { text }
    }

    /// Adds a member whose value is serialised.
    pub fn value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        self.raw(key, serde_json::to_string(value).as_deref().unwrap_or("null"))
    }

    /// Adds a member only where there is a value.
    pub fn optional(&mut self, key: &str, value: Option<&(impl Serialize + ?Sized)>) -> &mut Self {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// Adds a member whose value is a text, or null.
    pub fn text(&mut self, key: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.texts(key, &[text]),
            None => self.raw(key, "null"),
        }
    }

    /// Adds a member whose value is the text that the parts make together.
    pub fn texts(&mut self, key: &str, parts: &[&str]) -> &mut Self {
        self.key(key).text.push('"');
        for part in parts {
            self.escape(part);
        }
        self.text.push('"');
        self
    }

    /// Adds a member whose value is JSON text that was already read strictly.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).text.push_str(json);
        self
    }

    pub fn finish(&mut self) -> String {
        self.text.push('}');
        std::mem::take(&mut self.text)
    }

    fn key(&mut self, key: &str) -> &mut Self {
        self.text.push_str(if self.text.len() > 1 { ",\"" } else { "\"" });
        self.escape(key);
        self.text.push_str("\":");
        self
    }

    fn escape(&mut self, mut text: &str) {
        loop {
            let (plain, rest) = text.split_at(plain_length(text.as_bytes()));
            self.text.push_str(plain);
            let mut chars = rest.chars();
            match chars.next() {
                None => return,
                Some(special) => self.escape_char(special),
            }
            text = chars.as_str();
        }
    }

    fn escape_char(&mut self, special: char) {
        let short = match special {
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '"' | '\\' => special,
            // Writing to a string does not fail.
            _ => return write!(self.text, "\\u{:04x}", u32::from(special)).unwrap_or_default(),
        };
        self.text.extend(['\\', short]);
    }
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_serde_writes_them() {
        let all: String = (0..0x250).filter_map(char::from_u32).chain(['\u{2028}', '😀']).collect();
        for start in (0..all.len()).filter(|&start| all.is_char_boundary(start)) {
            for text in [&all[start..], &all[..start], &all[start..].chars().take(9).collect::<String>()] {
                let written = ObjectWriter::new().text(text, Some(text)).finish();
                assert_eq!(written, serde_json::json!({ text: text }).to_string());
            }
        }
    }

    #[test]
    fn every_kind_of_member() {
        let mut object = ObjectWriter::new();
        object.text("none", None).texts("parts", &["a\"", "", "b"]).raw("raw", "[1.0]").value("list", &[true]);
        object.optional("absent", None::<&str>).optional("given", Some("x"));
        assert_eq!(object.finish(), r#"{"none":null,"parts":"a\"b","raw":[1.0],"list":[true],"given":"x"}"#);
        assert_eq!(ObjectWriter::new().finish(), "{}");
    }
}
