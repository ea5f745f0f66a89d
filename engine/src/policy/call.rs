use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{EvaluationError, time};
use crate::json::{self, Kind, Tape};

/// A tool call that is to be decided.
#[derive(Debug, Clone)]
pub struct Call<'a, A: ?Sized = Value> {
    pub tool: &'a str,
    /// `None` where the call has none at all, which is not the same as `null`.
    pub arguments: Option<&'a A>,
    /// The schema of the tool as the agent sees it. `None` where the call does not say, which turns drift obligations
    /// off; a null says that it is unknown, which does not.
    pub schema_hash: Option<&'a Value>,
    pub capabilities: Cow<'a, [String]>,
    pub timestamp: Timestamp,
    /// `None` where nobody in particular calls; then no member's rules apply.
    pub member: Option<Member<'a>>,
    /// What conditions may name beside the arguments.
    pub derived: Option<&'a Map<String, Value>>,
}

/// When a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timestamp {
    /// Milliseconds since 1970.
    At(i64),
    /// Unknown: everything that expires has expired.
    Unknown,
    /// A text that is no time. It fails an evaluation that has to look at it.
    Unsupported(EvaluationError),
}

/// Who calls. A field that is `Some(None)` was given as null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member<'a> {
    pub membership_id: Option<Option<&'a str>>,
    pub email: Option<&'a str>,
    pub groups: Vec<Option<&'a str>>,
    pub product: Option<Option<&'a str>>,
}

/// What a path leads to in a call's arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    Null,
    Bool(bool),
    /// As a double: integers too large are infinities.
    Number(f64),
    String(Cow<'a, str>),
    Array,
    Object,
}

/// Arguments that conditions can look into, however they are kept.
pub trait Arguments {
    /// What the path leads to, `None` where it leads nowhere. An empty path is the whole.
    fn node(&self, path: &[Segment]) -> Option<Node<'_>>;
}

/// One step of a path: a key of an object, or the index or `length` of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    key: Box<str>,
    index: Option<usize>,
}

impl Segment {
    pub fn new(key: &str) -> Self {
        let is_index = key.len() <= 10 && key.bytes().all(|byte| byte.is_ascii_digit());
        let is_canonical = key == "0" || !key.starts_with('0');
        let index = if is_index && is_canonical { key.parse().ok() } else { None };
        Self { key: key.into(), index }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// The place in a list that the step means, if any.
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// Whether the step means the length of a list.
    pub fn is_length(&self) -> bool {
        &*self.key == "length"
    }
}

/// A value of a tree of JSON, however the tree is kept.
trait Tree<'t>: Copy {
    fn member(self, key: &str) -> Option<Self>;
    fn item(self, index: usize) -> Option<Self>;
    /// How many items a list has; none for what is no list.
    fn length(self) -> Option<usize>;
    fn node(self) -> Node<'t>;
}

/// Where the path leads from this value.
fn follow<'t>(mut value: impl Tree<'t>, path: &[Segment]) -> Option<Node<'t>> {
    let mut steps = path.iter();
    while let Some(step) = steps.next() {
        value = match value.length() {
            None => value.member(step.key())?,
            Some(length) if step.is_length() => {
                let is_last = steps.as_slice().is_empty();
                return is_last.then_some(Node::Number(length as f64));
            }
            Some(_) => value.item(step.index()?)?,
        };
    }
    Some(value.node())
}

impl Arguments for Value {
    fn node(&self, path: &[Segment]) -> Option<Node<'_>> {
        follow(self, path)
    }
}

impl<'t> Tree<'t> for &'t Value {
    fn member(self, key: &str) -> Option<Self> {
        self.as_object()?.get(key)
    }

    fn item(self, index: usize) -> Option<Self> {
        self.get(index)
    }

    fn length(self) -> Option<usize> {
        self.as_array().map(Vec::len)
    }

    fn node(self) -> Node<'t> {
        match self {
            Value::Null => Node::Null,
            Value::Bool(value) => Node::Bool(*value),
            Value::Number(number) => Node::Number(json::as_double(number)),
            Value::String(text) => Node::String(Cow::Borrowed(text)),
            Value::Array(_) => Node::Array,
            Value::Object(_) => Node::Object,
        }
    }
}

impl Arguments for Tape<'_> {
    fn node(&self, path: &[Segment]) -> Option<Node<'_>> {
        follow(self.root()?, path)
    }
}

impl Arguments for json::Node<'_> {
    fn node(&self, path: &[Segment]) -> Option<Node<'_>> {
        follow(*self, path)
    }
}

impl<'t> Tree<'t> for json::Node<'t> {
    fn member(self, key: &str) -> Option<Self> {
        json::Node::member(self, key)
    }

    fn item(self, index: usize) -> Option<Self> {
        self.items().nth(index)
    }

    fn length(self) -> Option<usize> {
        (self.kind() == Kind::Array).then(|| self.items().count())
    }

    fn node(self) -> Node<'t> {
        match self.kind() {
            Kind::Null => Node::Null,
            Kind::True => Node::Bool(true),
            Kind::False => Node::Bool(false),
            Kind::Number => Node::Number(self.double()),
            Kind::String => Node::String(self.string()),
            Kind::Array => Node::Array,
            Kind::Object => Node::Object,
        }
    }
}

impl<'a> Call<'a> {
    /// Reads a call in the evaluator's JSON form.
    pub fn from_json(call: &'a Value) -> Result<Self, EvaluationError> {
        let call = call.as_object().ok_or_else(|| malformed("the call is not an object"))?;
        let tool = call.get("tool").and_then(Value::as_str).ok_or_else(|| malformed("the call names no tool"))?;
        let capabilities = match call.get("capabilities") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => strings(value)
                .ok_or_else(|| malformed("the call's capabilities are not a list of strings"))?
                .map(str::to_owned)
                .collect(),
        };
        Ok(Self {
            tool,
            arguments: call.get("arguments"),
            schema_hash: call.get("schemaHash"),
            capabilities: Cow::Owned(capabilities),
            timestamp: Timestamp::from_json(call.get("timestamp")),
            member: call.get("member").filter(|member| !member.is_null()).map(Member::from_json).transpose()?,
            derived: call.get("derived").and_then(Value::as_object),
        })
    }
}

impl Timestamp {
    fn from_json(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str).map(time::epoch_ms) {
            Some(Ok(Some(ms))) => Self::At(ms),
            Some(Err(error)) => Self::Unsupported(error),
            Some(Ok(None)) | None => Self::Unknown,
        }
    }

    /// Milliseconds since 1970, `None` where the time is unknown.
    pub(super) fn epoch_ms(&self) -> Result<Option<i64>, EvaluationError> {
        match self {
            Self::At(ms) => Ok(Some(*ms)),
            Self::Unknown => Ok(None),
            Self::Unsupported(error) => Err(error.clone()),
        }
    }
}

impl<'a> Member<'a> {
    fn from_json(member: &'a Value) -> Result<Self, EvaluationError> {
        let member = member.as_object().ok_or_else(|| malformed("the call's member is not an object"))?;
        let field = |key: &str| match member.get(key) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => Ok(Some(Some(text.as_str()))),
            Some(_) => Err(malformed(format!("{key} of the call's member is not a string"))),
        };
        let groups = match member.get("groups") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => {
                group_names(value).ok_or_else(|| malformed("groups of the call's member are not a list of strings"))?
            }
        };
        Ok(Self {
            membership_id: field("membershipId")?,
            email: field("email")?.flatten(),
            groups,
            product: field("product")?,
        })
    }
}

fn group_names(value: &Value) -> Option<Vec<Option<&str>>> {
    let name = |item: &'_ Value| item.is_null() || item.is_string();
    let items = value.as_array().filter(|items| items.iter().all(name))?;
    Some(items.iter().map(Value::as_str).collect())
}

/// The JSON that a path leads to, `None` where it leads nowhere.
pub(super) fn value_at<'a>(value: &'a Value, path: &[Segment]) -> Option<Cow<'a, Value>> {
    let node = Arguments::node(value, path)?;
    let found = path.iter().try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step.key()),
        Value::Array(items) => items.get(step.index()?),
        _ => None,
    });
    match (found, node) {
        (Some(value), _) => Some(Cow::Borrowed(value)),
        // What is there without being a value is the length of a list.
        (None, Node::Number(length)) => Some(Cow::Owned(Value::from(length as u64))),
        (None, _) => None,
    }
}

/// The items of a list that holds nothing but strings.
pub(super) fn strings(value: &Value) -> Option<impl Iterator<Item = &str>> {
    let items = value.as_array().filter(|items| items.iter().all(Value::is_string))?;
    Some(items.iter().filter_map(Value::as_str))
}

fn malformed(message: impl Into<String>) -> EvaluationError {
    EvaluationError::malformed(message)
}
