//! A document as the lint looks at it: what can be read of it, and a problem for everything that cannot.

use serde_json::{Map, Value};

use super::names::nearest;
use super::problem::{Place, Problem, quoted};
use crate::json;
use crate::policy::condition::Condition;
use crate::policy::document::Expiry;
use crate::policy::verdict::{Layer, Verdict};

/// One document.
#[derive(Debug)]
pub(super) struct DocumentView<'a> {
    pub place: Place,
    pub bound_as: Layer,
    /// `None` where it is missing or no verdict.
    pub default: Option<Verdict>,
    pub expires_at: Option<&'a Value>,
    pub expiry: Expiry,
    /// Those that are objects.
    pub statements: Vec<StatementView<'a>>,
    /// How many there are.
    pub statement_count: usize,
}

#[derive(Debug)]
pub(super) struct StatementView<'a> {
    pub place: Place,
    pub id: Option<&'a str>,
    pub subject: Option<&'a Map<String, Value>>,
    pub matched: Matched<'a>,
    pub effect: Option<Verdict>,
    pub expires_at: Option<&'a Value>,
    pub expiry: Expiry,
    /// Those that are well-formed.
    pub conditions: Vec<ConditionView<'a>>,
    /// All of the statement could be read.
    pub is_whole: bool,
}

/// What a statement is about.
#[derive(Debug, Default)]
pub(super) struct Matched<'a> {
    pub tool: Option<&'a str>,
    pub order: f64,
    pub key_tier: Option<&'a str>,
    pub capability: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct ConditionView<'a> {
    pub place: Place,
    pub field: &'a str,
    pub operator: &'a str,
    pub value: Option<&'a Value>,
    pub compiled: Condition,
}

impl ConditionView<'_> {
    /// The condition in one line.
    pub(super) fn text(&self) -> String {
        let value = self.value.map(|value| format!(" {value}")).unwrap_or_default();
        quoted(&format!("{} {}{value}", self.field, self.operator))
    }
}

const DOCUMENT_MEMBERS: [&str; 8] =
    ["schemaVersion", "policyId", "target", "layer", "defaults", "capture", "expiresAt", "statements"];
const STATEMENT_MEMBERS: [&str; 8] =
    ["id", "subject", "conditions", "expiresAt", "provenance", "match", "effect", "approval"];
const MATCH_MEMBERS: [&str; 4] = ["tool", "keyTier", "order", "capability"];
const CONDITION_MEMBERS: [&str; 4] = ["field", "op", "value", "schemaBinding"];
const SUBJECT_KINDS: [&str; 4] = ["membershipId", "email", "group", "product"];

/// Reads a document, `None` where it is not even an object.
pub(super) fn read<'a>(value: &'a Value, bound_as: Layer, problems: &mut Vec<Problem>) -> Option<DocumentView<'a>> {
    let place = Place::root(bound_as.as_str());
    let mut reader = Reader::new("malformed-document", value, place, problems)?;
    reader.find_misspelt(&DOCUMENT_MEMBERS);
    reader.schema_version();
    reader.text("policyId");
    reader.layer(bound_as);
    let default = reader.default();
    let statements = reader.list("statements");
    let Reader { object, place, .. } = reader;
    let at = place.key("statements");
    let views = statements.iter().enumerate();
    Some(DocumentView {
        bound_as,
        default,
        expires_at: object.get("expiresAt"),
        expiry: Expiry::compile(object.get("expiresAt")),
        statements: views.filter_map(|(index, value)| statement(value, at.index(index), problems)).collect(),
        statement_count: statements.len(),
        place,
    })
}

fn statement<'a>(value: &'a Value, place: Place, problems: &mut Vec<Problem>) -> Option<StatementView<'a>> {
    let mut reader = Reader::new("malformed-statement", value, place, problems)?;
    reader.find_misspelt(&STATEMENT_MEMBERS);
    let id = reader.text("id");
    let effect = reader.verdict("effect");
    let subject = reader.subject();
    reader.provenance();
    let matched = reader.matched();
    let listed = reader.list("conditions");
    let Reader { object, place, is_whole, .. } = reader;
    let at = place.key("conditions");
    let conditions: Vec<ConditionView<'_>> =
        listed.iter().enumerate().filter_map(|(index, value)| condition(value, at.index(index), problems)).collect();
    Some(StatementView {
        id,
        subject,
        matched,
        effect,
        expires_at: object.get("expiresAt"),
        expiry: Expiry::compile(object.get("expiresAt")),
        is_whole: is_whole && conditions.len() == listed.len(),
        conditions,
        place,
    })
}

fn condition<'a>(value: &'a Value, place: Place, problems: &mut Vec<Problem>) -> Option<ConditionView<'a>> {
    let mut reader = Reader::new("malformed-condition", value, place, problems)?;
    reader.find_misspelt(&CONDITION_MEMBERS);
    let (field, operator) = (reader.text("field"), reader.text("op"));
    reader.schema_binding();
    let Reader { object, place, .. } = reader;
    let compiled = Condition::compile(value).ok()?;
    Some(ConditionView { place, field: field?, operator: operator?, value: object.get("value"), compiled })
}

/// Reads the members of one object.
struct Reader<'a, 'p> {
    /// The code of what cannot be read.
    code: &'static str,
    object: &'a Map<String, Value>,
    place: Place,
    is_whole: bool,
    problems: &'p mut Vec<Problem>,
}

impl<'a, 'p> Reader<'a, 'p> {
    fn new(code: &'static str, value: &'a Value, place: Place, problems: &'p mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self { code, object, place, is_whole: true, problems }),
            _ => {
                problems.push(Problem::error(place, code, format!("expected an object, found {}", kind(Some(value)))));
                None
            }
        }
    }

    fn fault(&mut self, place: Place, expected: &str, found: Option<&Value>) {
        let found = match found {
            Some(Value::String(text)) => quoted(text),
            found => kind(found).to_owned(),
        };
        self.is_whole = false;
        self.problems.push(Problem::error(place, self.code, format!("expected {expected}, found {found}")));
    }

    fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.object.get(key);
        let text = value.and_then(Value::as_str);
        if text.is_none() {
            self.fault(self.place.key(key), "a string", value);
        }
        text
    }

    fn verdict(&mut self, key: &str) -> Option<Verdict> {
        let value = self.object.get(key);
        let verdict = value.and_then(Value::as_str).and_then(Verdict::from_name);
        if verdict.is_none() {
            self.fault(self.place.key(key), "allow, hold or block", value);
        }
        verdict
    }

    /// A list that may be missing.
    fn list(&mut self, key: &str) -> &'a [Value] {
        match self.object.get(key) {
            None => &[],
            Some(Value::Array(items)) => items,
            value => {
                self.fault(self.place.key(key), "a list", value);
                &[]
            }
        }
    }

    fn schema_version(&mut self) {
        const VERSION: &str = "armor.policy.v2";
        if let Some(version) = self.object.get("schemaVersion").filter(|version| *version != VERSION) {
            let message = format!("this is read as {VERSION}, whatever version it says; found {version}");
            let place = self.place.key("schemaVersion");
            self.problems.push(Problem::warning(place, "schema-version", message).suggest(Some(VERSION)));
        }
    }

    fn layer(&mut self, bound_as: Layer) {
        let place = self.place.key("layer");
        let Some(name) = self.text("layer") else { return };
        match Layer::of_document(name) {
            None => self.fault(place, "agent, group or floor", self.object.get("layer")),
            Some(layer) if layer != bound_as => {
                let message =
                    format!("the document says that it is the {layer}'s, but it is bound as the {bound_as}'s");
                self.problems.push(Problem::warning(place, "layer-mismatch", message));
            }
            Some(_) => {}
        }
    }

    fn default(&mut self) -> Option<Verdict> {
        let value = self.object.get("defaults").and_then(|defaults| defaults.get("tools"));
        let verdict = value.and_then(Value::as_str).and_then(Verdict::from_name);
        let place = self.place.key("defaults").key("tools");
        match (value, verdict) {
            (None, _) => {
                let message = "there is no default for tools, without which the document cannot be used";
                self.is_whole = false;
                self.problems.push(Problem::error(place, "missing-default", message).suggest(Some("block")));
            }
            (_, None) => self.fault(place, "allow, hold or block", value),
            _ => {}
        }
        verdict
    }

    fn subject(&mut self) -> Option<&'a Map<String, Value>> {
        let place = self.place.key("subject");
        let subject = match self.object.get("subject") {
            None | Some(Value::Null) => return None,
            Some(Value::Object(subject)) => subject,
            value => {
                self.fault(place, "an object or null", value);
                return None;
            }
        };
        for kind in SUBJECT_KINDS {
            match subject.get(kind) {
                None | Some(Value::Null | Value::String(_)) => {}
                value => self.fault(place.key(kind), "a string", value),
            }
        }
        if !SUBJECT_KINDS.iter().any(|kind| subject.contains_key(*kind)) {
            let message = "the subject names nobody by membershipId, email, group or product, so the statement never \
                           applies";
            let suggestion = subject.keys().find_map(|key| nearest(key, SUBJECT_KINDS));
            self.problems.push(Problem::warning(place, "unknown-subject", message).suggest(suggestion));
        }
        Some(subject)
    }

    fn provenance(&mut self) {
        let place = self.place.key("provenance");
        let Some(Value::Object(provenance)) = self.object.get("provenance") else {
            return self.fault(place, "an object", self.object.get("provenance"));
        };
        if !provenance.get("ruleKey").is_some_and(Value::is_string) {
            self.fault(place.key("ruleKey"), "a string", provenance.get("ruleKey"));
        }
        if !provenance.get("variant").is_some_and(Value::is_number) {
            self.fault(place.key("variant"), "a number", provenance.get("variant"));
        }
    }

    fn matched(&mut self) -> Matched<'a> {
        let place = self.place.key("match");
        let Some(Value::Object(object)) = self.object.get("match") else {
            self.fault(place, "an object", self.object.get("match"));
            return Matched::default();
        };
        let before = self.problems.len();
        self.find_misspelt_in(object, &place, &MATCH_MEMBERS);
        let is_misspelt = self.problems.len() > before;
        let mut matched = Matched { key_tier: json_text(object, "keyTier"), ..Matched::default() };
        match object.get("tool") {
            None => {}
            Some(Value::String(key)) => {
                matched.tool = Some(key);
                match object.get("order") {
                    Some(Value::Number(order)) => matched.order = json::as_double(order),
                    value => self.fault(place.key("order"), "a number", value),
                }
            }
            value => self.fault(place.key("tool"), "a string", value),
        }
        match object.get("capability") {
            None => {}
            Some(Value::String(capability)) => matched.capability = Some(capability),
            value => self.fault(place.key("capability"), "a string", value),
        }
        let is_about_nothing = object.get("tool").is_none() && object.get("capability").is_none();
        if is_about_nothing && !is_misspelt {
            let message = "the statement names neither a tool nor a capability, so it never applies";
            self.problems.push(Problem::warning(place, "matches-nothing", message));
        }
        matched
    }

    fn schema_binding(&mut self) {
        let place = self.place.key("schemaBinding");
        match self.object.get("schemaBinding") {
            None | Some(Value::Null) => {}
            Some(Value::Object(binding)) => match binding.get("schemaHash") {
                None | Some(Value::Null | Value::String(_)) => {}
                value => self.fault(place.key("schemaHash"), "a string", value),
            },
            value => self.fault(place, "an object", value),
        }
    }

    fn find_misspelt(&mut self, known: &[&'static str]) {
        self.find_misspelt_in(self.object, &self.place.clone(), known);
    }

    /// Members that mean nothing, and look like one that is missing.
    fn find_misspelt_in(&mut self, object: &Map<String, Value>, place: &Place, known: &[&'static str]) {
        let missing = known.iter().copied().filter(|name| !object.contains_key(*name));
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            if let Some(meant) = nearest(key, missing.clone()) {
                let message = format!("{} means nothing here; {} may be meant", quoted(key), quoted(meant));
                let problem = Problem::warning(place.key(key), "unknown-member", message);
                self.problems.push(problem.suggest(Some(meant)));
            }
        }
    }
}

fn json_text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// What a value is, in words.
pub(super) fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}
