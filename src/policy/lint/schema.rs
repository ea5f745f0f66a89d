//! What a tool's input schema says about a field. Where it says nothing for certain, the answer is that it is open.

use serde_json::{Map, Value};

use crate::policy::call::Segment;

/// How deep references and combinations are followed.
const MAX_DEPTH: usize = 16;
/// How many fields of a schema are listed.
const MAX_FIELDS: usize = 500;

/// Kinds of JSON values, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(1 << 1);
    pub(super) const NUMBER: Self = Self(1 << 2);
    pub(super) const STRING: Self = Self(1 << 3);
    pub(super) const ARRAY: Self = Self(1 << 4);
    pub(super) const OBJECT: Self = Self(1 << 5);
    pub(super) const ALL: Self = Self((1 << 6) - 1);
    pub(super) const NONE: Self = Self(0);

    const NAMED: [(Self, &'static str); 6] = [
        (Self::STRING, "string"),
        (Self::NUMBER, "number"),
        (Self::BOOLEAN, "boolean"),
        (Self::ARRAY, "array"),
        (Self::OBJECT, "object"),
        (Self::NULL, "null"),
    ];

    pub(super) fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn names(self) -> String {
        let names: Vec<&str> = Self::NAMED.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, name)| *name).collect();
        names.join(" or ")
    }

    fn named(name: &str) -> Self {
        let name = if name == "integer" { "number" } else { name };
        Self::NAMED.iter().find(|(_, known)| *known == name).map_or(Self::ALL, |(kind, _)| *kind)
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lookup<'a> {
    /// Anything may be there, as far as the schema says.
    Open,
    /// The tool has no such field.
    Missing,
    Field(Field<'a>),
}

/// A field that the tool has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<'a> {
    pub kinds: Kinds,
    /// The only values that it may have.
    pub values: Option<Vec<&'a Value>>,
}

/// The schema of a tool's arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Value,
}

/// What the schemas of an object say about one of its members.
#[derive(Default)]
struct Member<'a> {
    schemas: Vec<&'a Value>,
    is_open: bool,
    /// The members of the object are listed.
    is_listed: bool,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root }
    }

    pub(super) fn lookup(&self, path: &[Segment]) -> Lookup<'a> {
        let mut schemas = vec![self.root];
        for (position, segment) in path.iter().enumerate() {
            let kinds = self.kinds_of(&schemas);
            let mut member = Member::default();
            if kinds.has(Kinds::ARRAY) {
                if segment.is_length() && !kinds.has(Kinds::OBJECT) {
                    let is_last = position.saturating_add(1) == path.len();
                    let length = Field { kinds: Kinds::NUMBER, values: None };
                    return if is_last { Lookup::Field(length) } else { Lookup::Missing };
                }
                schemas.iter().for_each(|schema| self.item(schema, segment, 0, &mut member));
            }
            if kinds.has(Kinds::OBJECT) {
                schemas.iter().for_each(|schema| self.member(schema, segment.key(), 0, &mut member));
            }
            let is_object = kinds.has(Kinds::OBJECT);
            let is_scalar = !is_object && !kinds.has(Kinds::ARRAY);
            match member {
                Member { is_open: true, .. } => return Lookup::Open,
                Member { schemas: found, .. } if !found.is_empty() => schemas = found,
                Member { is_listed: true, .. } => return Lookup::Missing,
                _ if is_scalar => return Lookup::Missing,
                // A list has items, and a length, and nothing else.
                _ if !is_object && !segment.is_length() && segment.index().is_none() => return Lookup::Missing,
                _ => return Lookup::Open,
            }
        }
        Lookup::Field(Field { kinds: self.kinds_of(&schemas), values: self.values_of(&schemas) })
    }

    fn kinds_of(&self, schemas: &[&Value]) -> Kinds {
        schemas.iter().fold(Kinds::NONE, |kinds, schema| kinds.or(self.kinds(schema, 0)))
    }

    fn kinds(&self, schema: &Value, depth: usize) -> Kinds {
        let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return Kinds::ALL };
        let deeper = depth.saturating_add(1);
        let union =
            |schemas: &[Value]| schemas.iter().fold(Kinds::NONE, |kinds, schema| kinds.or(self.kinds(schema, deeper)));
        let mut kinds = match schema.get("type") {
            Some(Value::String(name)) => Kinds::named(name),
            Some(Value::Array(names)) => {
                names.iter().fold(Kinds::NONE, |kinds, name| kinds.or(name.as_str().map_or(Kinds::ALL, Kinds::named)))
            }
            _ => Kinds::ALL,
        };
        if let Some(values) = own_values(schema) {
            kinds = kinds.and(values.iter().fold(Kinds::NONE, |kinds, value| kinds.or(Kinds::of(value))));
        }
        if let Some(target) = self.reference(schema) {
            kinds = kinds.and(target.map_or(Kinds::ALL, |target| self.kinds(target, deeper)));
        }
        for alternatives in ["anyOf", "oneOf"].into_iter().filter_map(|key| list(schema, key)) {
            kinds = kinds.and(union(alternatives));
        }
        for part in list(schema, "allOf").unwrap_or_default() {
            kinds = kinds.and(self.kinds(part, deeper));
        }
        kinds
    }

    fn values_of(&self, schemas: &[&'a Value]) -> Option<Vec<&'a Value>> {
        let mut all = Vec::new();
        for schema in schemas {
            all.extend(self.values(schema, 0)?);
        }
        Some(all)
    }

    /// The only values that a schema allows, where it lists them.
    fn values(&self, schema: &'a Value, depth: usize) -> Option<Vec<&'a Value>> {
        let schema = schema.as_object().filter(|_| depth < MAX_DEPTH)?;
        let deeper = depth.saturating_add(1);
        if let Some(values) = own_values(schema) {
            return Some(values.iter().collect());
        }
        if let Some(Some(target)) = self.reference(schema) {
            return self.values(target, deeper);
        }
        let alternatives = ["anyOf", "oneOf"].into_iter().find_map(|key| list(schema, key))?;
        let mut all = Vec::new();
        for alternative in alternatives {
            all.extend(self.values(alternative, deeper)?);
        }
        Some(all)
    }

    fn member(&self, schema: &'a Value, key: &str, depth: usize, member: &mut Member<'a>) {
        let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
            member.is_open = member.is_open || *schema != Value::Bool(false);
            return;
        };
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            member.is_listed = true;
            member.schemas.extend(properties.get(key));
        }
        let has_others = |name: &str| match schema.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Object(patterns)) if name == "patternProperties" => !patterns.is_empty(),
            Some(_) => true,
        };
        member.is_open |= has_others("additionalProperties") || has_others("patternProperties");
        self.parts(schema, member, |part, member| self.member(part, key, depth.saturating_add(1), member));
    }

    fn item(&self, schema: &'a Value, segment: &Segment, depth: usize, member: &mut Member<'a>) {
        let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
            member.is_open = member.is_open || *schema != Value::Bool(false);
            return;
        };
        if let Some(index) = segment.index() {
            let fixed = list(schema, "prefixItems").and_then(|items| items.get(index));
            member.schemas.extend(fixed.or_else(|| schema.get("items").filter(|items| items.is_object())));
        }
        self.parts(schema, member, |part, member| self.item(part, segment, depth.saturating_add(1), member));
    }

    /// Does the same with each schema that this one is put together from.
    fn parts(
        &self,
        schema: &'a Map<String, Value>,
        member: &mut Member<'a>,
        look: impl Fn(&'a Value, &mut Member<'a>),
    ) {
        match self.reference(schema) {
            Some(Some(target)) => look(target, member),
            Some(None) => member.is_open = true,
            None => {}
        }
        for parts in ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| list(schema, key)) {
            parts.iter().for_each(|part| look(part, member));
        }
    }

    /// What a `$ref` leads to: `Some(None)` where it leads out of the schema or nowhere.
    fn reference(&self, schema: &Map<String, Value>) -> Option<Option<&'a Value>> {
        let reference = schema.get("$ref")?;
        Some(reference.as_str().and_then(|reference| reference.strip_prefix('#')).and_then(|at| self.root.pointer(at)))
    }

    /// The paths of the fields that the schema names, those of outer objects first.
    pub(super) fn fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        let mut level = vec![(String::new(), self.root)];
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for (prefix, schema) in level {
                self.named_members(schema, 0, &mut |name, schema| {
                    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
                    if !fields.contains(&path) && fields.len() < MAX_FIELDS {
                        fields.push(path.clone());
                        next.push((path, schema));
                    }
                });
            }
            level = next;
        }
        fields
    }

    fn named_members(&self, schema: &'a Value, depth: usize, found: &mut dyn FnMut(&'a str, &'a Value)) {
        let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return };
        let deeper = depth.saturating_add(1);
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().for_each(|(name, schema)| found(name, schema));
        if let Some(Some(target)) = self.reference(schema) {
            self.named_members(target, deeper, found);
        }
        for parts in ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| list(schema, key)) {
            parts.iter().for_each(|part| self.named_members(part, deeper, found));
        }
    }
}

fn own_values(schema: &Map<String, Value>) -> Option<&[Value]> {
    list(schema, "enum").or_else(|| schema.get("const").map(std::slice::from_ref))
}

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(path: &str) -> Vec<Segment> {
        path.split('.').map(Segment::new).collect()
    }

    fn kinds(schema: &Value, at: &str) -> String {
        match Schema::new(schema).lookup(&path(at)) {
            Lookup::Open => "open".into(),
            Lookup::Missing => "missing".into(),
            Lookup::Field(field) if field.kinds == Kinds::ALL => "anything".into(),
            Lookup::Field(field) => field.kinds.names(),
        }
    }

    #[test]
    fn finds_fields_and_their_kinds() {
        let schema = json!({
            "type": "object",
            "properties": {
                "amount": {"type": ["integer", "null"]},
                "any": {},
                "to": {"$ref": "#/$defs/party"},
                "either": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"id": {"type": "number"}}}]},
                "both": {"allOf": [{"$ref": "#/$defs/party"}, {"properties": {"more": {"const": 3}}}]},
                "open": {"type": "object", "additionalProperties": true},
                "free": {"type": "object"},
                "pair": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "boolean"}},
                "far": {"$ref": "https://example.com/schema"},
                "loop": {"$ref": "#/properties/loop"},
            },
            "$defs": {"party": {"type": "object", "properties": {"name": {"type": "string"}}}},
        });
        for (at, expected) in [
            ("amount", "number or null"),
            ("amuont", "missing"),
            ("amount.x", "missing"),
            ("any", "anything"),
            ("any.x", "open"),
            ("to.name", "string"),
            ("to.nome", "missing"),
            ("either", "string or object"),
            ("either.id", "number"),
            ("either.x", "missing"),
            ("both.name", "string"),
            ("both.more", "number"),
            ("both.x", "missing"),
            ("open.x", "open"),
            ("free.x", "open"),
            ("pair.0", "string"),
            ("pair.1", "boolean"),
            ("pair.length", "number"),
            ("pair.length.x", "missing"),
            ("pair.x", "missing"),
            ("far.x", "open"),
            ("loop.x", "open"),
        ] {
            assert_eq!(kinds(&schema, at), expected, "{at}");
        }
        assert_eq!(kinds(&json!({}), "x"), "open");
        assert_eq!(kinds(&json!({"type": "object", "properties": {}}), "x"), "missing");
    }

    #[test]
    fn finds_the_values_that_are_listed() {
        let schema = json!({"properties": {
            "a": {"enum": ["x", 1]}, "b": {"const": null}, "c": {"anyOf": [{"const": 1}, {"enum": [2]}]},
            "d": {"anyOf": [{"const": 1}, {"type": "string"}]},
        }});
        let values = |at| match Schema::new(&schema).lookup(&path(at)) {
            Lookup::Field(field) => json!(field.values),
            _ => json!("none"),
        };
        assert_eq!(values("a"), json!(["x", 1]));
        assert_eq!(values("b"), json!([null]));
        assert_eq!(values("c"), json!([1, 2]));
        assert_eq!(values("d"), json!(null));
        assert_eq!(kinds(&schema, "a"), "string or number");
    }

    #[test]
    fn lists_the_fields_outer_ones_first() {
        let schema = json!({"properties": {
            "a": {"properties": {"b": {"properties": {"c": {}}}}}, "d": {"anyOf": [{"properties": {"e": {}}}]},
        }});
        assert_eq!(Schema::new(&schema).fields(), ["a", "d", "a.b", "d.e", "a.b.c"]);
        let endless = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert_eq!(Schema::new(&endless).fields().len(), MAX_FIELDS);
    }
}
