//! YAML as a tree that remembers where everything stands, typed as YAML 1.1 types it: `yes` is a boolean, `'yes'` a
//! string. Keys are unique strings. No error quotes the text: it could be a secret.

mod compose;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;

use compose::Composer;

/// A line and a column, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
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

impl Malformed {
    fn new(problem: &str, place: Place) -> Self {
        Self { problem: problem.to_owned(), place }
    }
}

/// Reads the one document of the text. A document that is absent or null is an empty map.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    let mut composer = Composer::new(text);
    let mut root = match composer.root()? {
        Some(root) => tree::node(&root)?,
        None => Node { place: composer.place(), value: Yaml::Null },
    };
    composer.end_of_file()?;
    if matches!(root.value, Yaml::Null) {
        root.value = Yaml::Map(Vec::new());
    }
    Ok(root)
}
