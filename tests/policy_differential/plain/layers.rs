//! Which documents and which of their statements count, and in which order they are asked.

use serde_json::Value;

use super::read::{Bound, Call, Document, Statement, Subject};
use super::{Refusal, rank, rules, time};

/// What a document says about a call.
pub struct Decision<'a> {
    pub document: &'a Document<'a>,
    /// The statement that decided, none for the document's default.
    pub statement: Option<&'a Statement<'a>>,
    pub layer: &'a str,
    pub obligations: Vec<Value>,
}

impl<'a> Decision<'a> {
    pub fn verdict(&self) -> &'a str {
        self.statement.map_or(self.document.default, |statement| statement.effect)
    }
}

/// What the floor's statements for everybody say.
pub fn floor<'a>(call: &Call<'_>, document: &'a Document<'_>) -> Result<Option<Decision<'a>>, Refusal> {
    decide(call, document, &for_everybody(&live(call, document)?), "floor")
}

/// The first of the documents that says anything, where the member's statements come before those for everybody; else
/// the default of the nearest.
pub fn candidate<'a>(call: &Call<'_>, bound: &'a Bound<'_>) -> Result<Decision<'a>, Refusal> {
    for document in [&bound.agent, &bound.group].into_iter().flatten() {
        let live = live(call, document)?;
        if let Some(decision) = decide(call, document, &for_member(call, &live), "member")? {
            return Ok(decision);
        }
        if let Some(decision) = decide(call, document, &for_everybody(&live), document.layer)? {
            return Ok(decision);
        }
    }
    let nearest = [&bound.agent, &bound.group, &bound.floor].into_iter().flatten().next();
    let document = nearest.ok_or(Refusal::NoDocument)?;
    Ok(Decision { document, statement: None, layer: document.layer, obligations: Vec::new() })
}

/// The statements that count at the time of the call: none once the document itself has expired.
fn live<'a>(call: &Call<'_>, document: &'a Document<'_>) -> Result<Vec<&'a Statement<'a>>, Refusal> {
    let is_live = |expiry: Option<&Value>| match expiry.and_then(Value::as_str) {
        Some("never") => Ok(true),
        _ => {
            let (end, now) = (time::epoch_ms(expiry)?, time::epoch_ms(call.timestamp)?);
            Ok(matches!((end, now), (Some(end), Some(now)) if end > now))
        }
    };
    let mut live = Vec::new();
    if !is_live(document.expires_at)? {
        return Ok(live);
    }
    for statement in &document.statements {
        if is_live(statement.expires_at)? {
            live.push(statement);
        }
    }
    Ok(live)
}

fn for_everybody<'a>(statements: &[&'a Statement<'a>]) -> Vec<&'a Statement<'a>> {
    statements.iter().copied().filter(|statement| statement.subject.is_none()).collect()
}

/// The statements with the subject that the caller is: the first by membership, else by email, by group, by product.
fn for_member<'a>(call: &Call<'_>, statements: &[&'a Statement<'a>]) -> Vec<&'a Statement<'a>> {
    let Some(member) = &call.member else { return Vec::new() };
    let same = |wanted: Option<&Value>, given: Option<&Value>| wanted.is_some() && wanted == given;
    let same_email = |subject: &Subject<'_>| match (subject.email, member.email) {
        (Some(Value::String(wanted)), Some(Value::String(given))) => wanted.to_lowercase() == given.to_lowercase(),
        _ => false,
    };
    let in_group = |subject: &Subject<'_>| subject.group.is_some_and(|group| member.groups.contains(group));
    let subjects: Vec<_> = statements.iter().filter_map(|statement| statement.subject.as_ref()).collect();
    let first = |matches: &dyn Fn(&Subject<'_>) -> bool| subjects.iter().find(|subject| matches(subject));
    let winner = first(&|subject| same(subject.membership_id, member.membership_id))
        .or_else(|| first(&same_email))
        .or_else(|| first(&in_group))
        .or_else(|| first(&|subject| same(subject.product, member.product)));
    let Some(winner) = winner else { return Vec::new() };
    // Two subjects are the same where they are written the same.
    let is_winner = |subject: &Subject<'_>| subject.written == winner.written;
    statements.iter().copied().filter(|statement| statement.subject.as_ref().is_some_and(is_winner)).collect()
}

/// The stricter of what the tool's rule and the capabilities' rules say; the tool's where they are equal.
fn decide<'a>(
    call: &Call<'_>,
    document: &'a Document<'_>,
    statements: &[&'a Statement<'a>],
    layer: &'a str,
) -> Result<Option<Decision<'a>>, Refusal> {
    let by_tool = rules::by_tool(call, statements)?;
    let by_capability = rules::by_capability(call, statements)?;
    let decision = |statement, obligations| Decision { document, statement: Some(statement), layer, obligations };
    Ok(match (by_tool, by_capability) {
        (Some(tool), Some(capability)) if rank(capability.effect) > rank(tool.effect) => {
            Some(decision(capability, Vec::new()))
        }
        (Some(tool), _) => Some(decision(tool, rules::obligations(call, tool))),
        (None, Some(capability)) => Some(decision(capability, Vec::new())),
        (None, None) => None,
    })
}
