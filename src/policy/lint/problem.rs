use std::fmt::{self, Write as _};

use serde_json::{Map, Value, json};

/// Something about a policy that its author will want to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub place: Place,
    /// A stable word for programs, such as `never-holds`.
    pub code: &'static str,
    pub severity: Severity,
    /// What is wrong, and what comes of it.
    pub message: String,
    /// What could be written instead.
    pub suggestion: Option<String>,
    /// More about the problem, by member name.
    pub details: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Calls are refused because of it, or the document cannot be used at all.
    Error,
    /// The policy does something else than it seems to say.
    Warning,
    /// It may well be meant.
    Hint,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// A place in what was checked, such as `agent.statements[3].match`. Places sort as they are read: by index, not by
/// the text of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(Box<str>),
}

impl Place {
    pub(super) fn root(name: &str) -> Self {
        Self::default().key(name)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.into()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Problem {
    pub(super) fn error(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(place, code, Severity::Error, message)
    }

    pub(super) fn warning(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(place, code, Severity::Warning, message)
    }

    pub(super) fn hint(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(place, code, Severity::Hint, message)
    }

    pub(super) fn new(place: Place, code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self { place, code, severity, message: message.into(), suggestion: None, details: Map::new() }
    }

    pub(super) fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    pub(super) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The problem as the C ABI gives it.
    pub fn to_json(&self) -> Value {
        let mut problem = json!({
            "path": self.place.to_string(),
            "code": self.code,
            "severity": self.severity.as_str(),
            "message": self.message,
        });
        if let Value::Object(members) = &mut problem {
            members.extend(self.suggestion.as_ref().map(|text| ("suggestion".to_owned(), text.as_str().into())));
            members.extend(self.details.clone());
        }
        problem
    }
}

/// Puts problems in the order of their places.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| (&a.place, a.code, &a.message).cmp(&(&b.place, b.code, &b.message)));
}

/// A text as messages quote it, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::from("`");
    for (position, char) in text.chars().enumerate() {
        if position == LONGEST {
            out.push('…');
            break;
        }
        match char {
            '`' => out.push('\''),
            char if char.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('`');
    out
}
