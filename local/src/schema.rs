//! The hash of a tool's input schema: equal for schemas that differ only in titles, descriptions and the order of their
//! keys. Policies may be bound to it, so it is computed as the official SDK does.

use armoriq::json::{canonical, sha256_hex};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Members whose keys are names of the schema's author, not keywords.
const SCHEMA_MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Members whose values are data, not schemas.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];
/// Members that say nothing to a validator.
const NOTES: [&str; 2] = ["title", "description"];

/// `sha256:` and 64 hex digits.
pub fn schema_hash(schema: &Value) -> String {
    let canonical_schema = Canon { root: schema }.schema(schema, &[]);
    format!("sha256:{}", sha256_hex(canonical(&canonical_schema)))
}

struct Canon<'a> {
    root: &'a Value,
}

impl Canon<'_> {
    /// `seen` are the references that are being expanded around this schema.
    fn schema(&self, schema: &Value, seen: &[&str]) -> Value {
        match schema {
            Value::Array(items) => items.iter().map(|item| self.schema(item, seen)).collect(),
            Value::Object(members) => self.object(members, seen),
            scalar => scalar.clone(),
        }
    }

    fn object(&self, members: &Map<String, Value>, seen: &[&str]) -> Value {
        let reference = members.get("$ref").and_then(Value::as_str).filter(|reference| reference.starts_with('#'));
        let Some(reference) = reference else {
            return Value::Object(self.members(members, &[], seen));
        };
        let target = self.resolve(reference).filter(|_| !seen.contains(&reference));
        let Some(target) = target else {
            return json!({ "$ref": reference });
        };
        let seen = [seen, &[reference]].concat();
        let target = self.schema(target, &seen);
        if members.len() == 1 {
            return target;
        }
        let mut merged = match target {
            Value::Object(target) => target,
            _ => Map::from_iter([("$ref".to_owned(), json!(reference))]),
        };
        merged.extend(self.members(members, &["$ref"], &seen));
        Value::Object(merged)
    }

    fn members(&self, members: &Map<String, Value>, without: &[&str], seen: &[&str]) -> Map<String, Value> {
        members
            .iter()
            .filter(|(key, _)| !NOTES.contains(&key.as_str()) && !without.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), self.member(key, value, seen)))
            .collect()
    }

    fn member(&self, key: &str, value: &Value, seen: &[&str]) -> Value {
        match value {
            value if DATA.contains(&key) => value.clone(),
            Value::Object(schemas) if SCHEMA_MAPS.contains(&key) => {
                schemas.iter().map(|(name, schema)| (name.clone(), self.schema(schema, seen))).collect()
            }
            value => self.schema(value, seen),
        }
    }

    /// What a JSON pointer in a fragment points at.
    fn resolve(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        if pointer.is_empty() {
            return Some(self.root);
        }
        let decoded = pointer
            .strip_prefix('/')?
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().replace("~1", "/").replace("~0", "~"));
        decoded.into_iter().try_fold(self.root, |value, segment| match value {
            Value::Object(members) => members.get(&segment),
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_official_sdk() {
        let cases = armoriq::json::parse(include_str!("../tests/vectors/tool_schema_hash.json")).unwrap();
        let cases = cases.as_array().unwrap();
        assert!(cases.len() > 100);
        for case in cases.iter().filter(|case| !case["schema"].is_null()) {
            assert_eq!(json!(schema_hash(&case["schema"])), case["schema_hash"], "{}", case["schema"]);
        }
    }
}
