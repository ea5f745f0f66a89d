//! The hash of a tool's input schema: equal for schemas that differ only in titles, descriptions and the order of their
//! keys. Policies may be bound to it, so it is computed as the official SDK does.

use std::cell::Cell;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::json::{canonical, sha256_hex};

/// Members whose keys are names of the schema's author, not keywords.
const SCHEMA_MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Members whose values are data, not schemas.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];
/// Members that say nothing to a validator.
const NOTES: [&str; 2] = ["title", "description"];

/// How large a schema may become when its references are expanded, as [`size`] counts. References to references grow it
/// without measure, and schemas come from strangers.
const MAX_EXPANDED: usize = 200_000;
/// How deep it may become.
const MAX_EXPANDED_DEPTH: usize = 256;

/// `sha256:` and 64 hex digits; `None` for a schema that grows too large when its references are expanded.
pub fn schema_hash(schema: &Value) -> Option<String> {
    let canon = Canon { root: schema, left: Cell::new(MAX_EXPANDED) };
    let canonical_schema = canon.schema(schema, &[], MAX_EXPANDED_DEPTH)?;
    Some(format!("sha256:{}", sha256_hex(canonical(&canonical_schema))))
}

struct Canon<'a> {
    root: &'a Value,
    /// How much may still be written.
    left: Cell<usize>,
}

impl Canon<'_> {
    fn spend(&self, size: usize) -> Option<()> {
        self.left.set(self.left.get().checked_sub(size)?);
        Some(())
    }

    /// `seen` are the references that are being expanded around this schema, `depth` how much deeper it may go.
    fn schema(&self, schema: &Value, seen: &[&str], depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        match schema {
            Value::Array(items) => {
                self.spend(1)?;
                items.iter().map(|item| self.schema(item, seen, depth)).collect()
            }
            Value::Object(members) => {
                self.spend(1 + names(members))?;
                self.object(members, seen, depth)
            }
            scalar => {
                self.spend(size(scalar))?;
                Some(scalar.clone())
            }
        }
    }

    fn object(&self, members: &Map<String, Value>, seen: &[&str], depth: usize) -> Option<Value> {
        let reference = members.get("$ref").and_then(Value::as_str).filter(|reference| reference.starts_with('#'));
        let Some(reference) = reference else {
            return self.members(members, &[], seen, depth).map(Value::Object);
        };
        let target = self.resolve(reference).filter(|_| !seen.contains(&reference));
        let Some(target) = target else {
            return Some(json!({ "$ref": reference }));
        };
        let seen = [seen, &[reference]].concat();
        let target = self.schema(target, &seen, depth)?;
        if members.len() == 1 {
            return Some(target);
        }
        let mut merged = match target {
            Value::Object(target) => target,
            _ => Map::from_iter([("$ref".to_owned(), json!(reference))]),
        };
        merged.extend(self.members(members, &["$ref"], &seen, depth)?);
        Some(Value::Object(merged))
    }

    fn members(
        &self,
        members: &Map<String, Value>,
        without: &[&str],
        seen: &[&str],
        depth: usize,
    ) -> Option<Map<String, Value>> {
        members
            .iter()
            .filter(|(key, _)| !NOTES.contains(&key.as_str()) && !without.contains(&key.as_str()))
            .map(|(key, value)| Some((key.clone(), self.member(key, value, seen, depth)?)))
            .collect()
    }

    fn member(&self, key: &str, value: &Value, seen: &[&str], depth: usize) -> Option<Value> {
        match value {
            value if DATA.contains(&key) => {
                self.spend(size(value))?;
                Some(value.clone())
            }
            Value::Object(schemas) if SCHEMA_MAPS.contains(&key) => schemas
                .iter()
                .map(|(name, schema)| Some((name.clone(), self.schema(schema, seen, depth)?)))
                .collect::<Option<_>>()
                .map(Value::Object),
            value => self.schema(value, seen, depth),
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

/// How many values a value is made of; long text counts as several.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => names(members) + members.values().map(size).sum::<usize>(),
        Value::String(text) => text.len() / 32,
        _ => 0,
    }
}

fn names(members: &Map<String, Value>) -> usize {
    members.keys().map(|name| name.len() / 32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn agrees_with_the_official_sdk() {
        let cases = json::parse(include_str!("../tests/vectors/tool_schema_hash.json")).unwrap();
        let cases = cases.as_array().unwrap();
        assert!(cases.len() > 100);
        for case in cases.iter().filter(|case| !case["schema"].is_null()) {
            assert_eq!(json!(schema_hash(&case["schema"])), case["schema_hash"], "{}", case["schema"]);
        }
    }

    /// A schema whose definition `n` refers to `n + 1` as often as told.
    fn chain(links: usize, references: usize) -> Value {
        let link = |number: usize| {
            let reference = json!({ "$ref": format!("#/$defs/{}", number + 1) });
            (number.to_string(), json!({ "allOf": vec![reference; references] }))
        };
        json!({ "$defs": Value::Object((0..links).map(link).collect()), "$ref": "#/$defs/0" })
    }

    #[test]
    fn a_schema_that_grows_without_measure_has_no_hash() {
        assert!(schema_hash(&chain(8, 2)).is_some());
        assert_eq!(schema_hash(&chain(40, 2)), None);
        assert_eq!(schema_hash(&chain(5000, 1)), None);
        assert_eq!(schema_hash(&json!({ "enum": vec![json!({"a": 1}); MAX_EXPANDED / 2] })), None);
        assert_eq!(schema_hash(&json!({ "pattern": "x".repeat(32 * MAX_EXPANDED) })), None);
    }
}
