//! YAML as a tree that remembers where everything stands, typed as YAML 1.1 types it: `yes` is a boolean, `'yes'` a
//! string. Keys are unique strings. No error quotes the text: it could be a secret.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::words;

/// A file of settings is small. What is larger, deeper, or grows when its aliases are followed, is refused.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 32;

/// A line and a column, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub line: u64,
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

pub(super) struct Node {
    pub place: Place,
    pub value: Yaml,
}

pub(super) enum Yaml {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

pub(super) struct Member {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

/// Why a text is not YAML that is accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at {place}")]
pub(super) struct Malformed {
    pub problem: String,
    pub place: Place,
}

/// Reads the one document of the text. A document that is absent or null is an empty map.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: MAX_NODES, max_depth: MAX_DEPTH },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
    };
    let document: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Malformed { problem: problem(&error), place: place(&error) })?;
    let mut root = node(document, text);
    if matches!(root.value, Yaml::Null) {
        root.value = Yaml::Map(Vec::new());
    }
    Ok(root)
}

fn place(error: &serde_saphyr::Error) -> Place {
    error.location().map(Place::from).unwrap_or(Place { line: 1, column: 1 })
}

fn problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    let problem = match error.without_snippet() {
        Error::AliasError { error, .. } => return problem(error),
        Error::DuplicateMappingKey { key, .. } => match key.as_deref().and_then(words::showable) {
            Some(key) => return format!("duplicate key \"{key}\""),
            None => "duplicate key",
        },
        // The parser's sentences are fixed, but for this one, which shows a character of the text.
        Error::ExternalMessage { msg, .. } if msg.starts_with("unexpected character") => "unexpected character",
        Error::ExternalMessage { msg, .. } => msg,
        Error::Eof { .. } => "unexpected end of the file",
        Error::MultipleDocuments { .. } => "more than one document",
        Error::Unexpected { .. } | Error::NullIntoString { .. } => "a key that is not a string",
        Error::UnknownAnchor { .. } => "an alias of an unknown anchor",
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias inside its own anchor",
        Error::UnsupportedTag { .. } => "an unknown tag",
        Error::NonFiniteFloat { .. } => "a number that is not finite",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => "too many or too deeply nested values",
        _ => "not valid YAML",
    };
    problem.to_owned()
}

/// A value as the parser types it, which is by YAML 1.2.
enum Raw {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, source: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Yaml::Null,
        Raw::Boolean(value) => Yaml::Boolean(value),
        Raw::Integer(value) => Yaml::Integer(value),
        Raw::Float(value) => Yaml::Float(value),
        Raw::Text(text) => match boolean_word(&text).filter(|_| is_plain(&text, raw.defined, source)) {
            Some(value) => Yaml::Boolean(value),
            None => Yaml::Text(text),
        },
        Raw::List(items) => Yaml::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(members) => Yaml::Map(members.into_iter().map(|member| map_member(member, source)).collect()),
    };
    Node { place: raw.referenced.into(), value }
}

fn map_member((key, value): (Spanned<String>, Spanned<Raw>), source: &str) -> Member {
    Member { key: key.value, place: key.referenced.into(), value: node(value, source) }
}

/// The words that are booleans in YAML 1.1 only.
fn boolean_word(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether the source has the text as it is, without quotes.
fn is_plain(text: &str, location: Location, source: &str) -> bool {
    let range = |start: u64, length: u64| Some(start.try_into().ok()?..start.checked_add(length)?.try_into().ok()?);
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| range(start, length));
    range.and_then(|range| source.get::<std::ops::Range<usize>>(range)) == Some(text)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or(Raw::Float(value as f64), Raw::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(yaml: &str) -> Yaml {
        match parse(yaml).unwrap().value {
            Yaml::Map(members) => members.into_iter().next().unwrap().value.value,
            _ => panic!("{yaml}"),
        }
    }

    #[test]
    fn types_plain_words_as_yaml_1_1_does() {
        for yaml in ["a: yes", "a: On # so", "a: true", "b: &x YES"] {
            assert!(matches!(member(yaml), Yaml::Boolean(true)), "{yaml}");
        }
        for yaml in ["a: no", "a: OFF", "a: False"] {
            assert!(matches!(member(yaml), Yaml::Boolean(false)), "{yaml}");
        }
        for yaml in ["a: 'yes'", "a: \"on\"", "a: |\n  no\n", "a: n", "a: y", "a: yes no", "a: !!str 5"] {
            assert!(matches!(member(yaml), Yaml::Text(_)), "{yaml}");
        }
        for (yaml, expected) in [("a: 1_000", 1000), ("a: 012", 10), ("a: 0x1F", 31), ("a: -3", -3)] {
            assert!(matches!(member(yaml), Yaml::Integer(value) if value == expected), "{yaml}");
        }
    }

    #[test]
    fn an_absent_document_is_an_empty_map() {
        for yaml in ["", "# nothing\n", "---\n", "null"] {
            assert!(matches!(parse(yaml).unwrap().value, Yaml::Map(members) if members.is_empty()), "{yaml:?}");
        }
    }

    #[test]
    fn says_where_and_what_without_quoting_the_text() {
        for (yaml, message) in [
            ("a: 1\nb: 2\na: 3\n", "duplicate key \"a\" at line 3 column 1"),
            ("ak_live_1: 1\nak_live_1: 2\n", "duplicate key at line 2 column 1"),
            ("a: @ak_live_1", "unexpected character at line 1 column 4"),
            ("a: 'ak_live_1", "unclosed quote at line 1 column 4"),
            ("a: 1\n---\nb: 2\n", "more than one document at line 3 column 1"),
            ("a: *ak_live_1", "an alias of an unknown anchor at line 1 column 4"),
            ("a: &ak_live_1 [*ak_live_1]", "an alias inside its own anchor at line 1 column 16"),
            ("a: !ak_live_1 x", "an unknown tag at line 1 column 15"),
            ("a: .inf", "a number that is not finite at line 1 column 4"),
            ("[ak_live_1]: 1", "a key that is not a string at line 1 column 1"),
            ("~: 1", "a key that is not a string at line 1 column 1"),
        ] {
            assert_eq!(parse(yaml).err().unwrap().to_string(), message, "{yaml}");
        }
    }

    #[test]
    fn refuses_bombs_quickly() {
        let mut aliases = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let inner = vec![format!("*a{}", level - 1); 9].join(",");
            aliases.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        for (name, yaml) in [
            ("aliases", aliases),
            ("flow", "[".repeat(100_000)),
            ("block", "- ".repeat(100_000)),
            ("wide", "- x\n".repeat(100_000)),
        ] {
            let started = std::time::Instant::now();
            assert!(parse(&yaml).is_err(), "{name}");
            assert!(started.elapsed().as_secs() < 5, "{name}");
        }
    }
}
