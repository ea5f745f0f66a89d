use std::borrow::Cow;

use serde_json::{Map, Value};

use super::call::{Arguments, Call, Node, Segment, value_at};
use super::glob::Glob;
use super::regex::Regex;
use super::{Budget, EvaluationError, HashSet};
use crate::json;

/// A condition of a statement, ready to be tested.
#[derive(Debug)]
pub struct Condition {
    field: Field,
    test: Test,
    /// The schema of the tool that the condition was written for.
    pub bound_schema: Option<String>,
}

#[derive(Debug)]
enum Field {
    Arguments(Vec<Segment>),
    Derived(Box<str>, Vec<Segment>),
}

#[derive(Debug)]
pub enum Test {
    Exists(bool),
    Equal(Constant),
    NotEqual(Constant),
    Greater(f64),
    GreaterOrEqual(f64),
    Less(f64),
    LessOrEqual(f64),
    In(ConstantSet),
    NotIn(ConstantSet),
    Glob(Glob),
    Matches {
        regex: Result<Box<Regex>, EvaluationError>,
        wanted: bool,
    },
    StartsWith(Box<str>),
    /// The constant is of a kind for which the operator never holds.
    Never,
    UnknownOperator(EvaluationError),
}

/// What an argument can be compared with.
#[derive(Debug)]
pub enum Constant {
    Null,
    Bool(bool),
    Number(f64),
    String(Box<str>),
    /// A list, an object or nothing: equal to no argument.
    Incomparable,
}

#[derive(Debug, Default)]
pub struct ConstantSet {
    pub has_null: bool,
    pub has_true: bool,
    pub has_false: bool,
    pub numbers: Vec<f64>,
    pub strings: HashSet<Box<str>>,
}

impl Condition {
    pub fn compile(condition: &Value) -> Result<Self, EvaluationError> {
        let malformed = |what: &str| EvaluationError::NotEvaluable(format!("malformed condition: {what}"));
        let condition = condition.as_object().ok_or_else(|| malformed("not an object"))?;
        let text = |key: &str| condition.get(key).and_then(Value::as_str);
        let field = text("field").ok_or_else(|| malformed("no field"))?;
        let operator = text("op").ok_or_else(|| malformed("no op"))?;
        let bound_schema = match condition.get("schemaBinding") {
            None | Some(Value::Null) => None,
            Some(Value::Object(binding)) => schema_hash(binding).ok_or_else(|| malformed("schemaHash is no string"))?,
            Some(_) => return Err(malformed("schemaBinding is not an object")),
        };
        Ok(Self { field: Field::new(field), test: Test::new(operator, condition.get("value")), bound_schema })
    }

    /// The path within the arguments, `None` for a condition on something else.
    pub(super) fn argument(&self) -> Option<&[Segment]> {
        match &self.field {
            Field::Arguments(path) => Some(path),
            Field::Derived(..) => None,
        }
    }

    /// About how much testing it costs at most beside regular expressions and globs, in tests of a single value.
    pub(super) fn weight(&self) -> usize {
        const NUMBERS_PER_TEST: usize = 64;
        match &self.test {
            Test::In(set) | Test::NotIn(set) => 1 + set.numbers.len() / NUMBERS_PER_TEST,
            _ => 1,
        }
    }

    /// What is tested about the field.
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// The value of the field, `None` where the call has no such field.
    pub(super) fn saw<'a>(&self, call: &Call<'a>) -> Option<Cow<'a, Value>> {
        match &self.field {
            Field::Arguments(path) => value_at(call.arguments?, path),
            Field::Derived(root, path) => value_at(call.derived?.get(&**root)?, path),
        }
    }

    pub(super) fn holds<A>(&self, call: &Call<'_, A>, budget: &Budget) -> Result<bool, EvaluationError>
    where
        A: Arguments + ?Sized,
    {
        self.test.holds(self.field.resolve(call), budget)
    }
}

/// `Some(None)` where the binding names no schema, `None` where it is malformed.
fn schema_hash(binding: &Map<String, Value>) -> Option<Option<String>> {
    match binding.get("schemaHash") {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(hash)) => Some(Some(hash.clone())),
        Some(_) => None,
    }
}

impl Field {
    fn new(field: &str) -> Self {
        let mut keys = field.split('.');
        let root = keys.next().unwrap_or_default();
        let path = keys.map(Segment::new).collect();
        if root == "args" { Self::Arguments(path) } else { Self::Derived(root.into(), path) }
    }

    fn resolve<'a, A>(&self, call: &Call<'a, A>) -> Option<Node<'a>>
    where
        A: Arguments + ?Sized,
    {
        match self {
            Self::Arguments(path) => call.arguments?.node(path),
            Self::Derived(root, path) => call.derived?.get(&**root)?.node(path),
        }
    }
}

impl Test {
    fn new(operator: &str, value: Option<&Value>) -> Self {
        let number = |test: fn(f64) -> Self| match value {
            Some(Value::Number(number)) => test(json::as_double(number)),
            _ => Self::Never,
        };
        let text = value.and_then(Value::as_str);
        match operator {
            "exists" => match value {
                None | Some(Value::Null) => Self::Exists(true),
                Some(Value::Bool(wanted)) => Self::Exists(*wanted),
                Some(_) => Self::Never,
            },
            "eq" => Self::Equal(Constant::new(value)),
            "ne" => Self::NotEqual(Constant::new(value)),
            "gt" => number(Self::Greater),
            "gte" => number(Self::GreaterOrEqual),
            "lt" => number(Self::Less),
            "lte" => number(Self::LessOrEqual),
            "in" => ConstantSet::new(value).map_or(Self::Never, Self::In),
            "notIn" => ConstantSet::new(value).map_or(Self::Never, Self::NotIn),
            "glob" => text.map_or(Self::Never, |pattern| Self::Glob(Glob::new(pattern))),
            "regex" => text.map_or(Self::Never, |pattern| Self::matches(pattern, true)),
            "notRegex" => text.map_or(Self::Never, |pattern| Self::matches(pattern, false)),
            "startsWith" => text.map_or(Self::Never, |prefix| Self::StartsWith(prefix.into())),
            unknown => Self::UnknownOperator(EvaluationError::NotEvaluable(format!(
                "unknown operator {}",
                Value::from(unknown)
            ))),
        }
    }

    fn matches(pattern: &str, wanted: bool) -> Self {
        Self::Matches { regex: Regex::new(pattern).map(Box::new), wanted }
    }

    /// Only `exists` can hold for what is absent, and only what is present can make an error.
    pub fn holds(&self, actual: Option<Node<'_>>, budget: &Budget) -> Result<bool, EvaluationError> {
        let Some(actual) = actual else { return Ok(matches!(self, Self::Exists(false))) };
        let compare = |holds: fn(&f64, &f64) -> bool, bound: &f64| match &actual {
            Node::Number(number) => holds(number, bound),
            _ => false,
        };
        Ok(match (self, &actual) {
            (Self::Exists(wanted), _) => *wanted,
            (Self::Equal(constant), actual) => constant.equals(actual),
            (Self::NotEqual(constant), actual) => !constant.equals(actual),
            (Self::Greater(bound), _) => compare(f64::gt, bound),
            (Self::GreaterOrEqual(bound), _) => compare(f64::ge, bound),
            (Self::Less(bound), _) => compare(f64::lt, bound),
            (Self::LessOrEqual(bound), _) => compare(f64::le, bound),
            (Self::In(set), actual) => set.contains(actual),
            (Self::NotIn(set), actual) => !set.contains(actual),
            (Self::Glob(glob), Node::String(text)) => glob.matches(text, budget)?,
            (Self::Matches { regex, wanted }, Node::String(text)) => {
                regex.as_ref().map_err(Clone::clone)?.matches(text, budget)? == *wanted
            }
            (Self::StartsWith(prefix), Node::String(text)) => text.starts_with(&**prefix),
            (Self::Glob(_) | Self::Matches { .. } | Self::StartsWith(_) | Self::Never, _) => false,
            (Self::UnknownOperator(error), _) => return Err(error.clone()),
        })
    }
}

impl Constant {
    fn new(value: Option<&Value>) -> Self {
        match value {
            Some(Value::Null) => Self::Null,
            Some(Value::Bool(value)) => Self::Bool(*value),
            Some(Value::Number(number)) => Self::Number(json::as_double(number)),
            Some(Value::String(text)) => Self::String(text.as_str().into()),
            Some(Value::Array(_) | Value::Object(_)) | None => Self::Incomparable,
        }
    }

    fn equals(&self, actual: &Node<'_>) -> bool {
        match (self, actual) {
            (Self::Null, Node::Null) => true,
            (Self::Bool(expected), Node::Bool(actual)) => expected == actual,
            (Self::Number(expected), Node::Number(actual)) => expected == actual,
            (Self::String(expected), Node::String(actual)) => **expected == **actual,
            _ => false,
        }
    }
}

impl ConstantSet {
    /// `None` where the value is not a list.
    fn new(value: Option<&Value>) -> Option<Self> {
        let mut set = Self::default();
        for item in value?.as_array()? {
            match Constant::new(Some(item)) {
                Constant::Null => set.has_null = true,
                Constant::Bool(true) => set.has_true = true,
                Constant::Bool(false) => set.has_false = true,
                Constant::Number(number) => set.numbers.push(number),
                Constant::String(text) => {
                    set.strings.insert(text);
                }
                Constant::Incomparable => {}
            }
        }
        Some(set)
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        let Self { has_null, has_true, has_false, numbers, strings } = self;
        !has_null && !has_true && !has_false && numbers.is_empty() && strings.is_empty()
    }

    fn contains(&self, actual: &Node<'_>) -> bool {
        match actual {
            Node::Null => self.has_null,
            Node::Bool(true) => self.has_true,
            Node::Bool(false) => self.has_false,
            Node::Number(number) => self.numbers.contains(number),
            Node::String(text) => self.strings.contains(&**text),
            Node::Array | Node::Object => false,
        }
    }
}
