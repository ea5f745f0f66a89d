use serde::Serialize;

/// Writes a JSON object member by member, so that a caller's own JSON text can be forwarded byte for byte.
pub struct ObjectWriter {
    text: String,
}

impl ObjectWriter {
    pub fn new() -> Self {
        Self { text: String::from("{") }
    }

    /// Adds a member whose value is serialised.
    pub fn value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        let value = serde_json::to_string(value).unwrap_or_else(|_| String::from("null"));
        self.raw(key, &value)
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
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(&serde_json::Value::from(key).to_string());
        self.text.push(':');
        self.text.push_str(json);
        self
    }

    pub fn finish(&mut self) -> String {
        self.text.push('}');
        std::mem::take(&mut self.text)
    }
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}
