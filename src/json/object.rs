use serde::Serialize;

/// Writes a JSON object member by member, so that a caller's own JSON text can be forwarded byte for byte.
pub struct ObjectWriter {
    text: Vec<u8>,
}

impl ObjectWriter {
    pub fn new() -> Self {
        Self::with_capacity(64)
    }

    pub fn with_capacity(bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes);
        text.push(b'{');
        Self { text }
    }

    /// Adds a member whose value is serialised.
    pub fn value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        self.key(key).write(value);
        self
    }

    /// Adds a member only where there is a value.
    pub fn optional(&mut self, key: &str, value: Option<&(impl Serialize + ?Sized)>) -> &mut Self {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// Adds a member whose value is JSON text that was already read strictly.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).text.extend_from_slice(json.as_bytes());
        self
    }

    pub fn finish(&mut self) -> String {
        self.text.push(b'}');
        String::from_utf8(std::mem::take(&mut self.text)).unwrap_or_default()
    }

    fn key(&mut self, key: &str) -> &mut Self {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.write(key);
        self.text.push(b':');
        self
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        let start = self.text.len();
        if serde_json::to_writer(&mut self.text, value).is_err() {
            self.text.truncate(start);
            self.text.extend_from_slice(b"null");
        }
    }
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}
