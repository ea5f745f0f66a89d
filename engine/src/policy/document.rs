use serde_json::{Map, Number, Value};

use super::condition::Condition;
use super::scope::{MemberScopes, Scope};
use super::verdict::{Layer, Verdict};
use super::{EvaluationError, time};
use crate::json;

/// One policy document, compiled.
///
/// What is wrong with its form is an error here. What is wrong with a single time, operator or pattern is an error
/// only once an evaluation reaches it, as with every other implementation.
#[derive(Debug)]
pub struct Document {
    policy_id: String,
    layer: Layer,
    default: Verdict,
    expiry: Expiry,
    statements: Vec<Statement>,
    /// The first statement's expiry that is no time, and whether any has an expiry other than never.
    expiry_error: Option<EvaluationError>,
    expires: bool,
    own: Scope,
    members: MemberScopes,
}

/// Until when a document or a statement holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Expiry {
    Never,
    /// Milliseconds since 1970.
    At(i64),
    /// It never held.
    Dead,
    Unsupported(EvaluationError),
}

#[derive(Debug)]
pub(super) struct Statement {
    pub id: String,
    pub expiry: Expiry,
    pub conditions: Vec<Condition>,
    pub effect: Verdict,
    pub approval: Value,
    pub rule_key: String,
    pub variant: Number,
    /// `{verdict}:{rule key}#{variant}`, or the default's reason for a statement without an id.
    pub reason: String,
}

/// Which tools a statement is about: neither for one that is about something else.
pub(super) struct Match {
    pub tool: Option<ToolKey>,
    pub capability: Option<String>,
}

pub(super) struct ToolKey {
    pub key: String,
    pub order: f64,
}

impl Document {
    /// Compiles a document. Fails with [`EvaluationError::NotEvaluable`] where it is not of the language's form.
    pub fn compile(document: &Value) -> Result<Self, EvaluationError> {
        let document = document.as_object().ok_or_else(|| malformed("", "the document is not an object"))?;
        let layer = string(document, "", "layer")?;
        let default = document.get("defaults").and_then(|defaults| json::string_member(defaults, "tools"));
        let mut compiled = Self {
            policy_id: string(document, "", "policyId")?.to_owned(),
            layer: Layer::of_document(layer).ok_or_else(|| malformed("layer", "not agent, group or floor"))?,
            default: default
                .and_then(Verdict::from_name)
                .ok_or_else(|| malformed("defaults.tools", "not allow, hold or block"))?,
            expiry: Expiry::compile(document.get("expiresAt")),
            statements: Vec::new(),
            expiry_error: None,
            expires: false,
            own: Scope::default(),
            members: MemberScopes::default(),
        };
        let statements = match document.get("statements") {
            None => &[][..],
            Some(Value::Array(statements)) => statements,
            Some(_) => return Err(malformed("statements", "not a list")),
        };
        for (index, statement) in statements.iter().enumerate() {
            compiled.add(statement, &format!("statements[{index}]"))?;
        }
        compiled.own.seal();
        compiled.members.seal();
        Ok(compiled)
    }

    fn add(&mut self, statement: &Value, at: &str) -> Result<(), EvaluationError> {
        let members = statement.as_object().ok_or_else(|| malformed(at, "not an object"))?;
        let expiry = Expiry::compile(members.get("expiresAt"));
        self.expires |= expiry != Expiry::Never;
        if let (None, Expiry::Unsupported(error)) = (&self.expiry_error, &expiry) {
            self.expiry_error = Some(error.clone());
        }
        let applies_to = Match::compile(members.get("match"), at)?;
        let scope = match members.get("subject") {
            None | Some(Value::Null) => &mut self.own,
            Some(Value::Object(subject)) => self.members.scope_of(subject, at)?,
            Some(_) => return Err(malformed(&format!("{at}.subject"), "not an object")),
        };
        let statement = Statement::compile(members, expiry, at)?;
        scope.add(self.statements.len(), &statement, applies_to);
        self.statements.push(statement);
        Ok(())
    }

    pub fn policy_id(&self) -> &str {
        &self.policy_id
    }

    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The verdict for tools that no statement decides about.
    pub fn default_verdict(&self) -> Verdict {
        self.default
    }

    /// About how much one evaluation can cost, in statements and conditions.
    pub(super) fn weight(&self) -> usize {
        let conditions = |statement: &Statement| statement.conditions.iter().map(Condition::weight).sum::<usize>();
        self.statements.iter().map(|statement| 1 + conditions(statement)).sum()
    }

    pub(super) fn own(&self) -> &Scope {
        &self.own
    }

    pub(super) fn members(&self) -> &MemberScopes {
        &self.members
    }

    pub(super) fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// Whether any statement has an expiry other than never.
    pub(super) fn has_expiring_statements(&self) -> bool {
        self.expires
    }

    pub(super) fn expiry_error(&self) -> Option<&EvaluationError> {
        self.expiry_error.as_ref()
    }

    pub(super) fn statement(&self, index: usize) -> Option<&Statement> {
        self.statements.get(index)
    }

    pub(super) fn is_live(&self, index: usize, now: Option<i64>) -> bool {
        self.statement(index).is_some_and(|statement| statement.expiry.is_live(now))
    }
}

impl Expiry {
    pub fn compile(value: Option<&Value>) -> Self {
        let Some(text) = value.and_then(Value::as_str) else { return Self::Dead };
        if text == "never" {
            return Self::Never;
        }
        match time::epoch_ms(text) {
            Ok(Some(ms)) => Self::At(ms),
            Ok(None) => Self::Dead,
            Err(error) => Self::Unsupported(error),
        }
    }

    /// Whether it holds at a time, which may be unknown.
    pub fn is_live(&self, now: Option<i64>) -> bool {
        match self {
            Self::Never => true,
            Self::At(end) => now.is_some_and(|now| *end > now),
            Self::Dead | Self::Unsupported(_) => false,
        }
    }
}

impl Statement {
    fn compile(statement: &Map<String, Value>, expiry: Expiry, at: &str) -> Result<Self, EvaluationError> {
        let effect = Verdict::from_name(string(statement, at, "effect")?);
        let effect = effect.ok_or_else(|| malformed(&format!("{at}.effect"), "not allow, hold or block"))?;
        let id = string(statement, at, "id")?.to_owned();
        let (rule_key, variant) = provenance(statement.get("provenance"), at)?;
        let reason =
            if id.is_empty() { default_reason(effect).to_owned() } else { format!("{effect}:{rule_key}#{variant}") };
        let conditions = match statement.get("conditions") {
            None => Vec::new(),
            Some(Value::Array(conditions)) => conditions
                .iter()
                .map(Condition::compile)
                .collect::<Result<_, _>>()
                .map_err(|error| within(at, error))?,
            Some(_) => return Err(malformed(&format!("{at}.conditions"), "not a list")),
        };
        let approval = statement.get("approval").cloned().unwrap_or(Value::Null);
        Ok(Self { id, expiry, conditions, effect, approval, rule_key, variant, reason })
    }
}

fn provenance(value: Option<&Value>, at: &str) -> Result<(String, Number), EvaluationError> {
    let at = format!("{at}.provenance");
    let provenance = value.and_then(Value::as_object).ok_or_else(|| malformed(&at, "not an object"))?;
    match provenance.get("variant") {
        Some(Value::Number(variant)) => Ok((string(provenance, &at, "ruleKey")?.to_owned(), variant.clone())),
        _ => Err(malformed(&format!("{at}.variant"), "not a number")),
    }
}

/// The reason of a decision that no statement made.
pub(super) fn default_reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow:tools.default",
        Verdict::Hold => "hold:tools.default",
        Verdict::Block => "block:tools.default",
    }
}

impl Match {
    fn compile(value: Option<&Value>, at: &str) -> Result<Self, EvaluationError> {
        let at = format!("{at}.match");
        let applies_to = value.and_then(Value::as_object).ok_or_else(|| malformed(&at, "not an object"))?;
        let tool = match applies_to.get("tool") {
            None => None,
            Some(Value::String(key)) => match applies_to.get("order") {
                Some(Value::Number(order)) => Some(ToolKey { key: key.clone(), order: json::as_double(order) }),
                _ => return Err(malformed(&format!("{at}.order"), "not a number")),
            },
            Some(_) => return Err(malformed(&format!("{at}.tool"), "not a string")),
        };
        let capability = match applies_to.get("capability") {
            None => None,
            Some(Value::String(capability)) => Some(capability.clone()),
            Some(_) => return Err(malformed(&format!("{at}.capability"), "not a string")),
        };
        Ok(Self { tool, capability })
    }
}

fn string<'a>(object: &'a Map<String, Value>, at: &str, key: &str) -> Result<&'a str, EvaluationError> {
    let dot = if at.is_empty() { "" } else { "." };
    object.get(key).and_then(Value::as_str).ok_or_else(|| malformed(&format!("{at}{dot}{key}"), "not a string"))
}

pub(super) fn malformed(at: &str, what: &str) -> EvaluationError {
    let colon = if at.is_empty() { "" } else { ": " };
    EvaluationError::NotEvaluable(format!("malformed policy: {at}{colon}{what}"))
}

fn within(at: &str, error: EvaluationError) -> EvaluationError {
    malformed(at, error.message())
}
