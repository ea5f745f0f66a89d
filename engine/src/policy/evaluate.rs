use serde_json::{Number, Value, json};

use super::call::{Arguments, Call};
use super::document::{Document, Expiry, Statement};
use super::observer::{Observer, Unobserved};
use super::scope::{Scope, SubjectKind};
use super::verdict::{Layer, Verdict};
use super::{Budget, EvaluationError};

/// The documents that govern a target, each optional.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound<'a> {
    pub floor: Option<&'a Document>,
    pub agent: Option<&'a Document>,
    pub group: Option<&'a Document>,
}

/// What the documents say about a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation<'a> {
    pub verdict: Verdict,
    /// What the floor alone says, `None` where it says nothing.
    pub floor_verdict: Option<Verdict>,
    /// The deciding statement's `approval`.
    pub approval: Option<&'a Value>,
    pub obligations: Vec<Obligation<'a>>,
    pub provenance: Provenance<'a>,
}

/// Where an evaluation's verdict comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance<'a> {
    pub policy_id: &'a str,
    pub layer: Layer,
    /// The deciding statement, `None` for a document's default.
    pub rule: Option<Rule<'a>>,
}

/// The statement that decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule<'a> {
    pub statement_id: &'a str,
    pub rule_key: &'a str,
    pub variant: &'a Number,
    /// The reason to give to the caller, such as `hold:charge#0`.
    pub reason: &'a str,
}

/// What the caller has to see to when it follows the verdict. So far there is one kind: the rule was written for
/// another version of the tool's schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation<'a> {
    pub statement_id: &'a str,
    /// The schema hash that the rule was written for.
    pub bound: &'a str,
    /// The schema hash that the call brought, null where it is unknown.
    pub observed: &'a Value,
}

/// Decides a call by the documents that are bound to its target.
///
/// An error means that the policy gives no answer, and whoever asked must refuse the call.
pub fn evaluate<'a, A>(call: &Call<'a, A>, bound: &Bound<'a>) -> Result<Evaluation<'a>, EvaluationError>
where
    A: Arguments + ?Sized,
{
    evaluate_within(&Budget::new(), call, bound)
}

/// Decides one of several calls that share a budget.
pub(super) fn evaluate_within<'a, A>(
    budget: &Budget,
    call: &Call<'a, A>,
    bound: &Bound<'a>,
) -> Result<Evaluation<'a>, EvaluationError>
where
    A: Arguments + ?Sized,
{
    evaluate_observed(budget, call, bound, &Unobserved)
}

/// Decides a call and tells an observer how.
pub(super) fn evaluate_observed<'a, A, O>(
    budget: &Budget,
    call: &Call<'a, A>,
    bound: &Bound<'a>,
    observer: &O,
) -> Result<Evaluation<'a>, EvaluationError>
where
    A: Arguments + ?Sized,
    O: Observer<'a>,
{
    let run = Run { call, budget, observer };
    let floor = match bound.floor {
        Some(document) => run.floor(document)?,
        None => None,
    };
    let Some(floor) = floor.map(|floor| run.evaluation(floor)) else { return run.candidate(bound) };
    if floor.verdict == Verdict::Block {
        observer.floor(floor.verdict, None);
        return Ok(floor);
    }
    let candidate = run.candidate(bound)?;
    let floor_verdict = Some(floor.verdict);
    observer.floor(floor.verdict, Some(candidate.verdict));
    let decided = if floor.verdict > candidate.verdict { floor } else { candidate };
    Ok(Evaluation { floor_verdict, ..decided })
}

/// One evaluation under way.
struct Run<'r, 'a, A: ?Sized, O> {
    call: &'r Call<'a, A>,
    budget: &'r Budget,
    observer: &'r O,
}

/// A document whose statements count at the time of the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a> {
    pub document: &'a Document,
    /// The time of the call in milliseconds since 1970, where it is known and anything depends on it.
    pub now: Option<i64>,
}

/// A statement that decides.
#[derive(Clone, Copy)]
struct Decided<'a> {
    document: &'a Document,
    layer: Layer,
    statement: &'a Statement,
    /// Whether it is about the tool, and not only about one of its capabilities.
    by_tool: bool,
}

impl<'a, A, O> Run<'_, 'a, A, O>
where
    A: Arguments + ?Sized,
    O: Observer<'a>,
{
    /// What the floor's rules for everybody say.
    fn floor(&self, document: &'a Document) -> Result<Option<Decided<'a>>, EvaluationError> {
        match self.live(Layer::Floor, document)? {
            Some(live) => self.decide(live, document.own(), None, Layer::Floor),
            None => Ok(None),
        }
    }

    /// What the agent's document says, else the group's, else the nearest default.
    fn candidate(&self, bound: &Bound<'a>) -> Result<Evaluation<'a>, EvaluationError> {
        for (layer, document) in [(Layer::Agent, bound.agent), (Layer::Group, bound.group)] {
            let Some(document) = document else { continue };
            let Some(live) = self.live(layer, document)? else { continue };
            if let Some(decided) = self.by_member(live)? {
                return Ok(self.evaluation(decided));
            }
            if let Some(decided) = self.decide(live, document.own(), None, document.layer())? {
                return Ok(self.evaluation(decided));
            }
        }
        let documents = [(Layer::Agent, bound.agent), (Layer::Group, bound.group), (Layer::Floor, bound.floor)];
        let nearest = documents.into_iter().find_map(|(layer, document)| Some((layer, document?)));
        let (layer, document) = nearest.ok_or(EvaluationError::NoDocument)?;
        self.observer.default(layer, document.default_verdict());
        Ok(default_of(document))
    }

    /// What the rules for the member who calls say.
    fn by_member(&self, live: Live<'a>) -> Result<Option<Decided<'a>>, EvaluationError> {
        let Some(member) = &self.call.member else { return Ok(None) };
        match live.document.members().of(member, live.document, live.now) {
            Some((scope, kind)) => self.decide(live, scope, Some(kind), Layer::Member),
            None => {
                self.observer.no_member_scope();
                Ok(None)
            }
        }
    }

    /// The document where it has not expired as a whole. Fails on the first time in it that is not one.
    fn live(&self, bound_as: Layer, document: &'a Document) -> Result<Option<Live<'a>>, EvaluationError> {
        let live = self.live_at_call(document)?;
        self.observer.document(bound_as, document, live);
        Ok(live)
    }

    fn live_at_call(&self, document: &'a Document) -> Result<Option<Live<'a>>, EvaluationError> {
        if let Expiry::Unsupported(error) = document.expiry() {
            return Err(error.clone());
        }
        let mut now = None;
        if *document.expiry() != Expiry::Never {
            now = self.call.timestamp.epoch_ms()?;
            if !document.expiry().is_live(now) {
                return Ok(None);
            }
        }
        if let Some(error) = document.expiry_error() {
            return Err(error.clone());
        }
        if document.has_expiring_statements() {
            now = self.call.timestamp.epoch_ms()?;
        }
        Ok(Some(Live { document, now }))
    }

    /// The stricter of what the tool's rule and its capabilities' rules say, `None` where neither says anything.
    fn decide(
        &self,
        live: Live<'a>,
        scope: &'a Scope,
        selected_by: Option<SubjectKind>,
        layer: Layer,
    ) -> Result<Option<Decided<'a>>, EvaluationError> {
        let by_tool = self.by_tool(live, scope, selected_by)?;
        let by_capability = self.by_capability(live, scope)?;
        let is_stricter = |capability: &Statement| by_tool.is_none_or(|(_, tool)| capability.effect > tool.effect);
        let takes_capability = by_capability.is_some_and(|(_, statement)| is_stricter(statement));
        let index_of = |(index, _)| index;
        self.observer.decision(by_tool.map(index_of), by_capability.map(index_of), takes_capability);
        let decided = |statement, by_tool| Decided { document: live.document, layer, statement, by_tool };
        Ok(match (by_tool, by_capability) {
            (_, Some((_, statement))) if takes_capability => Some(decided(statement, false)),
            (Some((_, statement)), _) => Some(decided(statement, true)),
            _ => None,
        })
    }

    fn evaluation(&self, Decided { document, layer, statement, by_tool }: Decided<'a>) -> Evaluation<'a> {
        Evaluation {
            verdict: statement.effect,
            floor_verdict: None,
            approval: Some(&statement.approval),
            obligations: if by_tool { self.obligations(statement) } else { Vec::new() },
            provenance: Provenance { policy_id: document.policy_id(), layer, rule: Some(statement.rule()) },
        }
    }

    /// The first statement that holds under the best key. Where none does, no other key is tried.
    fn by_tool(
        &self,
        live: Live<'a>,
        scope: &'a Scope,
        selected_by: Option<SubjectKind>,
    ) -> Result<Option<(usize, &'a Statement)>, EvaluationError> {
        let key = scope.best_key(live.document, self.call.tool, live.now, self.budget)?;
        self.observer.scope(live, scope, selected_by, key);
        let variants = key.into_iter().flat_map(|key| key.variants());
        for (index, statement) in variants.filter_map(|index| live.statement(index)) {
            self.observer.statement(index, true);
            if self.holds(statement)? {
                return Ok(Some((index, statement)));
            }
        }
        Ok(None)
    }

    /// The strictest statement that holds about one of the call's capabilities, the last of several.
    fn by_capability(
        &self,
        live: Live<'a>,
        scope: &'a Scope,
    ) -> Result<Option<(usize, &'a Statement)>, EvaluationError> {
        let mut strictest: Option<(usize, &Statement)> = None;
        let statements = scope.capability_statements(&self.call.capabilities);
        for (index, statement) in statements.iter().filter_map(|&index| live.statement(index)) {
            self.observer.statement(index, false);
            if self.holds(statement)? && strictest.is_none_or(|(_, best)| statement.effect >= best.effect) {
                strictest = Some((index, statement));
            }
        }
        Ok(strictest)
    }

    fn holds(&self, statement: &Statement) -> Result<bool, EvaluationError> {
        for condition in &statement.conditions {
            let holds = condition.holds(self.call, self.budget);
            self.observer.condition(&holds);
            if !holds? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn obligations(&self, statement: &'a Statement) -> Vec<Obligation<'a>> {
        let Some(observed) = self.call.schema_hash else { return Vec::new() };
        let bound = statement.conditions.iter().filter_map(|condition| condition.bound_schema.as_deref());
        let drifted = bound.filter(|bound| observed.as_str() != Some(bound));
        drifted.map(|bound| Obligation { statement_id: &statement.id, bound, observed }).collect()
    }
}

impl<'a> Live<'a> {
    /// The statement at a place in the document, `None` where it has expired.
    fn statement(&self, index: usize) -> Option<(usize, &'a Statement)> {
        let statement = self.document.statement(index)?;
        statement.expiry.is_live(self.now).then_some((index, statement))
    }
}

fn default_of(document: &Document) -> Evaluation<'_> {
    Evaluation {
        verdict: document.default_verdict(),
        floor_verdict: None,
        approval: None,
        obligations: Vec::new(),
        provenance: Provenance { policy_id: document.policy_id(), layer: document.layer(), rule: None },
    }
}

impl Statement {
    fn rule(&self) -> Rule<'_> {
        Rule { statement_id: &self.id, rule_key: &self.rule_key, variant: &self.variant, reason: &self.reason }
    }
}

impl Evaluation<'_> {
    /// The evaluation in the evaluator's JSON form.
    pub fn to_json(&self) -> Value {
        let rule = self.provenance.rule.as_ref();
        json!({
            "verdict": self.verdict.as_str(),
            "floorVerdict": self.floor_verdict.map(Verdict::as_str),
            "approval": self.approval,
            "obligations": self.obligations.iter().map(Obligation::to_json).collect::<Vec<_>>(),
            "provenance": {
                "policyId": self.provenance.policy_id,
                "statementId": rule.map(|rule| rule.statement_id),
                "ruleKey": rule.map_or("tools.default", |rule| rule.rule_key),
                "variant": rule.map_or(Value::from(-1), |rule| Value::Number(rule.variant.clone())),
                "layer": self.provenance.layer.as_str(),
            },
        })
    }
}

impl Obligation<'_> {
    /// The obligation in the evaluator's JSON form.
    pub fn to_json(&self) -> Value {
        json!({
            "type": "schema_drift",
            "statementId": self.statement_id,
            "bound": self.bound,
            "observed": self.observed,
        })
    }
}

/// The documents that are bound to a target, compiled from the evaluator's JSON form: `{"floor": …, "agent": …,
/// "group": …}`.
#[derive(Debug)]
pub(super) struct Documents {
    floor: Option<Document>,
    agent: Option<Document>,
    group: Option<Document>,
}

impl Documents {
    pub(super) fn compile(documents: &Value) -> Result<Self, EvaluationError> {
        let documents =
            documents.as_object().ok_or_else(|| EvaluationError::malformed("the documents are not an object"))?;
        if let Some(unknown) = documents.keys().find(|key| !["floor", "agent", "group"].contains(&key.as_str())) {
            let unknown = Value::from(unknown.as_str());
            return Err(EvaluationError::NotEvaluable(format!("unknown kind of document: {unknown}")));
        }
        let compile = |layer: &str| {
            let document = documents.get(layer).filter(|document| !document.is_null());
            document.map(Document::compile).transpose()
        };
        Ok(Self { floor: compile("floor")?, agent: compile("agent")?, group: compile("group")? })
    }

    pub(super) fn bound(&self) -> Bound<'_> {
        Bound { floor: self.floor.as_ref(), agent: self.agent.as_ref(), group: self.group.as_ref() }
    }
}

/// Decides a call by documents, both in the evaluator's JSON form.
pub fn evaluate_json(call: &Value, documents: &Value) -> Result<Value, EvaluationError> {
    let documents = Documents::compile(documents)?;
    evaluate(&Call::from_json(call)?, &documents.bound()).map(|evaluation| evaluation.to_json())
}
