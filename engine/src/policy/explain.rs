//! How an evaluation came to its verdict. It is the evaluation itself that is watched, so the two cannot disagree.

use std::cell::RefCell;
use std::cmp::Reverse;

use serde::Serialize;
use serde_json::Value;

use super::call::Call;
use super::document::Document;
use super::evaluate::{Documents, Live, evaluate_observed};
use super::glob::{is_glob, utf16_len};
use super::observer::Observer;
use super::scope::{Key, Scope, SubjectKind};
use super::verdict::{Layer, Verdict};
use super::{Budget, EvaluationError};

/// How much of a value is shown, in characters.
const SHOWN: usize = 200;

/// Decides a call like [`evaluate_json`](super::evaluate_json), and says how: the evaluation is `evaluation`, the way to
/// it the other members.
///
/// # Errors
///
/// Those of `evaluate_json`, with the condition that they come from, if one does.
pub fn explain_json(call: &Value, documents: &Value) -> Result<Value, EvaluationError> {
    let compiled = Documents::compile(documents)?;
    let call = Call::from_json(call)?;
    let trace = Trace { call: &call, documents, steps: RefCell::default() };
    let evaluation = evaluate_observed(&Budget::new(), &call, &compiled.bound(), &trace);
    let steps = trace.steps.into_inner();
    let evaluation = match (evaluation, steps.error_at) {
        (Ok(evaluation), _) => evaluation.to_json(),
        (Err(error), Some(place)) => return Err(error.at(&place)),
        (Err(error), None) => return Err(error),
    };
    let explanation = Explanation { evaluation, layers: steps.layers, floor: steps.floor, default: steps.default };
    serde_json::to_value(explanation).map_err(|error| EvaluationError::malformed(error.to_string()))
}

#[derive(Debug, Serialize)]
struct Explanation {
    evaluation: Value,
    layers: Vec<LayerStep>,
    floor: Option<FloorStep>,
    default: Option<DefaultStep>,
}

/// A document that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerStep {
    document: &'static str,
    policy_id: String,
    state: &'static str,
    expires_at: Value,
    /// Whose rules the caller is under, `None` where nobody in particular calls.
    member: Option<MemberStep>,
    scopes: Vec<ScopeStep>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberStep {
    selected_by: Option<&'static str>,
    subject: Value,
    why: &'static str,
}

/// The statements for one subject, or for everybody.
#[derive(Debug, Serialize)]
struct ScopeStep {
    subject: Value,
    keys: Vec<KeyStep>,
    variants: Vec<StatementStep>,
    capabilities: Vec<StatementStep>,
    decision: Option<DecisionStep>,
    why: &'static str,
}

/// A key that fits the tool.
#[derive(Debug, Serialize)]
struct KeyStep {
    key: String,
    won: bool,
    why: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatementStep {
    #[serde(skip)]
    index: usize,
    path: String,
    statement_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<Value>,
    effect: &'static str,
    outcome: Outcome,
    /// Those that were tested: all, or up to the first that does not hold.
    conditions: Vec<ConditionStep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Holds,
    Fails,
    Expired,
    /// An earlier variant held.
    NotTried,
}

#[derive(Debug, Serialize)]
struct ConditionStep {
    path: String,
    field: Value,
    op: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    holds: bool,
    present: bool,
    /// Left out where the call has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    saw: Option<Value>,
    /// The value was too long to be shown whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionStep {
    by: &'static str,
    path: String,
    statement_id: String,
    effect: &'static str,
}

/// The floor held against the rest.
#[derive(Debug, Serialize)]
struct FloorStep {
    verdict: &'static str,
    /// What the other documents say, `None` where they were not asked.
    rest: Option<&'static str>,
    decides: bool,
    why: &'static str,
}

#[derive(Debug, Serialize)]
struct DefaultStep {
    document: &'static str,
    verdict: &'static str,
    why: &'static str,
}

/// Writes down what an evaluation does.
struct Trace<'t, 'a> {
    call: &'t Call<'a>,
    /// As they were written.
    documents: &'t Value,
    steps: RefCell<Steps<'a>>,
}

#[derive(Default)]
struct Steps<'a> {
    layers: Vec<LayerStep>,
    floor: Option<FloorStep>,
    default: Option<DefaultStep>,
    document: Option<&'a Document>,
    /// The statement that is being tried, and whether that is for the tool.
    trying: Option<(usize, bool)>,
    error_at: Option<String>,
}

impl Steps<'_> {
    fn scope(&mut self) -> Option<&mut ScopeStep> {
        self.layers.last_mut()?.scopes.last_mut()
    }

    fn statement(&mut self) -> Option<&mut StatementStep> {
        let (index, is_by_tool) = self.trying?;
        let scope = self.scope()?;
        let statements = if is_by_tool { &mut scope.variants } else { &mut scope.capabilities };
        statements.iter_mut().find(|statement| statement.index == index)
    }
}

impl<'a> Observer<'a> for Trace<'_, 'a> {
    fn document(&self, bound_as: Layer, document: &'a Document, live: Option<Live<'a>>) {
        let mut steps = self.steps.borrow_mut();
        steps.document = Some(document);
        let expires_at = self.documents.get(bound_as.as_str()).and_then(|document| document.get("expiresAt"));
        steps.layers.push(LayerStep {
            document: bound_as.as_str(),
            policy_id: document.policy_id().to_owned(),
            state: if live.is_some() { "live" } else { "expired" },
            expires_at: expires_at.cloned().unwrap_or_default(),
            member: None,
            scopes: Vec::new(),
        });
    }

    fn no_member_scope(&self) {
        if let Some(layer) = self.steps.borrow_mut().layers.last_mut() {
            let why = "no statement that is live has a subject that means the member";
            layer.member = Some(MemberStep { selected_by: None, subject: Value::Null, why });
        }
    }

    fn scope(&self, live: Live<'a>, scope: &'a Scope, selected_by: Option<SubjectKind>, key: Option<&'a Key>) {
        let layer = self.layer();
        let first = scope.statements().first().and_then(|&index| self.written(layer, index)?.get("subject"));
        let subject = first.cloned().unwrap_or_default();
        let variants = key.into_iter().flat_map(Key::variants);
        let variants = variants.filter_map(|index| {
            let is_live = live.document.is_live(index, live.now);
            let outcome = if is_live { Outcome::NotTried } else { Outcome::Expired };
            self.statement_step(layer, live.document, index, outcome)
        });
        let step = ScopeStep {
            subject: subject.clone(),
            keys: self.keys(layer, live, scope, key),
            variants: variants.collect(),
            capabilities: Vec::new(),
            decision: None,
            why: "",
        };
        let mut steps = self.steps.borrow_mut();
        let Some(layer) = steps.layers.last_mut() else { return };
        if let Some(kind) = selected_by {
            layer.member = Some(MemberStep { selected_by: Some(kind.as_str()), subject, why: why_selected(kind) });
        }
        layer.scopes.push(step);
    }

    fn statement(&self, index: usize, is_by_tool: bool) {
        let layer = self.layer();
        let document = self.steps.borrow().document;
        let step = match (document, is_by_tool) {
            (Some(document), false) => self.statement_step(layer, document, index, Outcome::NotTried),
            _ => None,
        };
        let mut steps = self.steps.borrow_mut();
        steps.trying = Some((index, is_by_tool));
        if let (Some(step), Some(scope)) = (step, steps.scope()) {
            let capability = self.written(layer, index).and_then(|statement| statement.get("match")?.get("capability"));
            scope.capabilities.push(StatementStep { capability: capability.cloned(), ..step });
        }
        if let Some(statement) = steps.statement() {
            statement.outcome = Outcome::Holds;
        }
    }

    fn condition(&self, holds: &Result<bool, EvaluationError>) {
        let layer = self.layer();
        let mut steps = self.steps.borrow_mut();
        let document = steps.document;
        let Some(statement) = steps.statement() else { return };
        let position = statement.conditions.len();
        let path = format!("{}.conditions[{position}]", statement.path);
        let Ok(holds) = *holds else {
            steps.error_at = Some(path);
            return;
        };
        if !holds {
            statement.outcome = Outcome::Fails;
        }
        let compiled = document.and_then(|document| document.statement(statement.index)?.conditions.get(position));
        let written = self.written(layer, statement.index).and_then(|written| written.get("conditions")?.get(position));
        let member = |name: &str| written.and_then(|written| written.get(name)).cloned();
        let saw = compiled.and_then(|condition| condition.saw(self.call));
        let (shown, cut) = saw.as_deref().map(cut).unzip();
        statement.conditions.push(ConditionStep {
            path,
            field: member("field").unwrap_or_default(),
            op: member("op").unwrap_or_default(),
            value: member("value"),
            holds,
            present: saw.is_some(),
            saw: shown,
            cut: cut.unwrap_or(false),
        });
    }

    fn decision(&self, by_tool: Option<usize>, by_capability: Option<usize>, takes_capability: bool) {
        let layer = self.layer();
        let mut steps = self.steps.borrow_mut();
        let document = steps.document;
        let Some(scope) = steps.scope() else { return };
        let decided = if takes_capability { by_capability } else { by_tool };
        let step = decided
            .zip(document)
            .and_then(|(index, document)| self.statement_step(layer, document, index, Outcome::Holds));
        scope.decision = step.map(|step| DecisionStep {
            by: if takes_capability { "capability" } else { "tool" },
            path: step.path,
            statement_id: step.statement_id,
            effect: step.effect,
        });
        scope.why = match (by_tool, by_capability, takes_capability) {
            (Some(_), _, true) => "a rule for a capability is stricter than the tool's",
            (None, _, true) => "no rule for the tool holds, but one for a capability does",
            (Some(_), Some(_), false) => "the tool's rule counts: none for a capability is stricter",
            (Some(_), None, false) => "it is the first variant that holds",
            (None, _, false) if scope.keys.is_empty() => "no key fits the tool",
            (None, _, false) if scope.variants.is_empty() => "every key that fits has expired",
            (None, _, false) => "no variant of the key that won holds, and other keys are not tried",
        };
    }

    fn default(&self, bound_as: Layer, verdict: Verdict) {
        let why = "no statement decided; the default is that of the first of agent, group and floor";
        let step = DefaultStep { document: bound_as.as_str(), verdict: verdict.as_str(), why };
        self.steps.borrow_mut().default = Some(step);
    }

    fn floor(&self, floor: Verdict, rest: Option<Verdict>) {
        let decides = rest.is_none_or(|rest| floor > rest);
        let why = match (decides, rest) {
            (_, None) => "the floor blocks, whatever the others say",
            (true, _) => "the floor is stricter",
            (false, _) => "the floor is not stricter",
        };
        let step = FloorStep { verdict: floor.as_str(), rest: rest.map(Verdict::as_str), decides, why };
        self.steps.borrow_mut().floor = Some(step);
    }
}

impl<'a> Trace<'_, 'a> {
    /// What the document that is being looked at is bound as.
    fn layer(&self) -> &'static str {
        self.steps.borrow().layers.last().map_or("", |layer| layer.document)
    }

    /// The statement as it was written.
    fn written(&self, layer: &str, index: usize) -> Option<&Value> {
        self.documents.get(layer)?.get("statements")?.get(index)
    }

    fn statement_step(
        &self,
        layer: &str,
        document: &Document,
        index: usize,
        outcome: Outcome,
    ) -> Option<StatementStep> {
        let statement = document.statement(index)?;
        Some(StatementStep {
            index,
            path: format!("{layer}.statements[{index}]"),
            statement_id: statement.id.clone(),
            capability: None,
            effect: statement.effect.as_str(),
            outcome,
            conditions: Vec::new(),
        })
    }

    /// The keys that fit the tool, the one that won first.
    fn keys(&self, layer: &str, live: Live<'a>, scope: &'a Scope, won: Option<&'a Key>) -> Vec<KeyStep> {
        let text = |key: &Key| {
            let first = key.variants().next().and_then(|index| self.written(layer, index));
            first.and_then(|it| it.get("match")?.get("tool")?.as_str()).unwrap_or_default().to_owned()
        };
        let best = won.map(text);
        // Whatever the search costs is not taken from the evaluation's own budget.
        let mut keys = scope.fitting_keys(self.call.tool, &Budget::new());
        let is_won = |key: &Key| won.is_some_and(|won| std::ptr::eq(won, key));
        let first = |key: &Key| key.first_live(live.document, live.now);
        keys.sort_by_cached_key(|key| {
            let text = text(key);
            let first = first(key).unwrap_or(usize::MAX);
            (!is_won(key), first == usize::MAX, is_glob(&text), Reverse(utf16_len(&text)), first)
        });
        let is_only = keys.len() == 1;
        let step = |key: &Key| {
            let (key_text, won) = (text(key), is_won(key));
            let why = match &best {
                _ if won && is_only => "it is the only key that fits",
                _ if won && !is_glob(&key_text) => "it is the tool's own name",
                _ if won => "of the patterns that fit it is the longest, or the first of that length",
                _ if first(key).is_none() => "all of its statements have expired",
                Some(best) if !is_glob(best) => "a tool's own name comes before a pattern",
                Some(best) if utf16_len(best) > utf16_len(&key_text) => "a longer pattern comes before a shorter one",
                _ => "of two patterns of one length the one that begins earlier in the document comes first",
            };
            KeyStep { key: key_text, won, why }
        };
        keys.into_iter().map(step).collect()
    }
}

fn why_selected(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Membership => "it is the first live subject with the member's membershipId",
        SubjectKind::Email => "it is the first live subject with the member's email, and none has the membershipId",
        SubjectKind::Group => "it is the first live subject with a group of the member's, and none is more specific",
        SubjectKind::Product => "it is the first live subject with the member's product, and none is more specific",
    }
}

/// A value as it is shown, and whether that is not all of it. A long value is shown as the beginning of its text.
fn cut(value: &Value) -> (Value, bool) {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (text.get(..end).unwrap_or_default().into(), true),
        None => (value.clone(), false),
    }
}
