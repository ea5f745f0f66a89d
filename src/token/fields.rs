use crate::json::{self, Map, Value};

/// Reads the members of an object whose types are known. An error names the member and what it should be.
pub(super) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The member, or `None` where it is absent or null.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|value| text(name, value)).transpose()
    }

    pub fn required_text(&self, name: &str) -> Result<String, String> {
        self.optional_text(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// Text that may be absent, but not null.
    pub fn text_or_empty(&self, name: &str) -> Result<String, String> {
        self.0.get(name).map_or(Ok(String::new()), |value| text(name, value))
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(json::as_double(number)).filter(|number| number.is_finite()),
            _ => None,
        };
        self.get(name).map(|value| number(value).ok_or_else(|| format!("{name} must be a finite number"))).transpose()
    }

    pub fn count(&self, name: &str) -> Result<u64, String> {
        self.get(name).map_or(Ok(0), |value| value.as_u64().ok_or_else(|| format!("{name} must be a count")))
    }

    pub fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        let object = |value: &Value| value.as_object().cloned().ok_or_else(|| format!("{name} must be an object"));
        self.get(name).map(object).transpose()
    }

    /// A list that may be absent, but not null.
    pub fn list_or_empty(&self, name: &str) -> Result<Vec<Value>, String> {
        self.0.get(name).map_or(Ok(Vec::new()), |value| list(name, value))
    }

    pub fn objects(&self, name: &str) -> Result<Option<Vec<Value>>, String> {
        let objects = self.get(name).map(|value| list(name, value)).transpose()?;
        match objects.as_deref().unwrap_or_default().iter().all(Value::is_object) {
            true => Ok(objects),
            false => Err(format!("{name} must be a list of objects")),
        }
    }
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} must be a string"))
}

fn list(name: &str, value: &Value) -> Result<Vec<Value>, String> {
    value.as_array().cloned().ok_or_else(|| format!("{name} must be a list"))
}
