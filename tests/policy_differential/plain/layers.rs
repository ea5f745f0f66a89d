//! Which documents and which of their statements count, and in which order they are asked.

use serde_json::Value;

use super::{Refusal, rank, rules, text, time};

/// What a document says about a call.
pub struct Decision<'a> {
    pub document: &'a Value,
    /// The statement that decided, none for the document's default.
    pub statement: Option<&'a Value>,
    pub layer: &'a str,
    pub obligations: Vec<Value>,
}

impl<'a> Decision<'a> {
    pub fn of_default(document: &'a Value) -> Self {
        Self { document, statement: None, layer: text(document, "layer").unwrap(), obligations: Vec::new() }
    }

    pub fn verdict(&self) -> &'a str {
        let said = self.statement.map_or_else(|| &self.document["defaults"]["tools"], |statement| &statement["effect"]);
        said.as_str().unwrap()
    }
}

/// What the floor's statements for everybody say.
pub fn floor<'a>(call: &Value, document: &'a Value) -> Result<Option<Decision<'a>>, Refusal> {
    decide(call, document, &for_everybody(&live(call, document)?), "floor")
}

/// The first of the documents that says anything; in each the member's statements come before those for everybody.
pub fn candidate<'a>(call: &Value, documents: [Option<&'a Value>; 2]) -> Result<Option<Decision<'a>>, Refusal> {
    for document in documents.into_iter().flatten() {
        let live = live(call, document)?;
        if let Some(decision) = decide(call, document, &for_member(call, &live), "member")? {
            return Ok(Some(decision));
        }
        if let Some(decision) = decide(call, document, &for_everybody(&live), text(document, "layer").unwrap())? {
            return Ok(Some(decision));
        }
    }
    Ok(None)
}

/// The statements that count at the time of the call: none once the document itself has expired.
fn live<'a>(call: &Value, document: &'a Value) -> Result<Vec<&'a Value>, Refusal> {
    let is_live = |expiry: Option<&Value>| match expiry.and_then(Value::as_str) {
        Some("never") => Ok(true),
        _ => {
            let (end, now) = (time::epoch_ms(expiry)?, time::epoch_ms(call.get("timestamp"))?);
            Ok(matches!((end, now), (Some(end), Some(now)) if end > now))
        }
    };
    let mut live = Vec::new();
    if !is_live(document.get("expiresAt"))? {
        return Ok(live);
    }
    for statement in document.get("statements").and_then(Value::as_array).into_iter().flatten() {
        if is_live(statement.get("expiresAt"))? {
            live.push(statement);
        }
    }
    Ok(live)
}

fn for_everybody<'a>(statements: &[&'a Value]) -> Vec<&'a Value> {
    statements.iter().copied().filter(|statement| subject(statement).is_none()).collect()
}

fn subject(statement: &Value) -> Option<&Value> {
    statement.get("subject").filter(|subject| !subject.is_null())
}

/// The statements with the subject that the caller is: the first by membership, else by email, by group, by product.
fn for_member<'a>(call: &Value, statements: &[&'a Value]) -> Vec<&'a Value> {
    let Some(member) = call.get("member").filter(|member| !member.is_null()) else { return Vec::new() };
    let same = |subject: &Value, key: &str| {
        let (wanted, given) = (subject.get(key), member.get(key));
        wanted.is_some() && wanted == given
    };
    let same_email = |subject: &Value| match (text(subject, "email"), text(member, "email")) {
        (Some(wanted), Some(given)) => wanted.to_lowercase() == given.to_lowercase(),
        _ => false,
    };
    let in_group = |subject: &Value| match (subject.get("group"), member.get("groups").and_then(Value::as_array)) {
        (Some(wanted), Some(groups)) => groups.contains(wanted),
        _ => false,
    };
    let subjects: Vec<&Value> = statements.iter().filter_map(|statement| subject(statement)).collect();
    let first = |matches: &dyn Fn(&Value) -> bool| subjects.iter().find(|subject| matches(subject));
    let winner = first(&|subject| same(subject, "membershipId"))
        .or_else(|| first(&same_email))
        .or_else(|| first(&in_group))
        .or_else(|| first(&|subject| same(subject, "product")));
    if winner.is_none() {
        return Vec::new();
    }
    // Two subjects are the same where they are written the same.
    let winner = winner.map(|subject| subject.to_string());
    let is_winner = |statement: &&Value| subject(statement).map(Value::to_string) == winner;
    statements.iter().copied().filter(is_winner).collect()
}

/// The stricter of what the tool's rule and the capabilities' rules say; the tool's where they are equal.
fn decide<'a>(
    call: &Value,
    document: &'a Value,
    statements: &[&'a Value],
    layer: &'a str,
) -> Result<Option<Decision<'a>>, Refusal> {
    let by_tool = rules::by_tool(call, statements)?;
    let by_capability = rules::by_capability(call, statements)?;
    let effect = |statement: &Value| rank(text(statement, "effect").unwrap());
    let decision = |statement, obligations| Decision { document, statement: Some(statement), layer, obligations };
    Ok(match (by_tool, by_capability) {
        (Some(tool), Some(capability)) if effect(capability) > effect(tool) => Some(decision(capability, Vec::new())),
        (Some(tool), _) => Some(decision(tool, rules::obligations(call, tool))),
        (None, Some(capability)) => Some(decision(capability, Vec::new())),
        (None, None) => None,
    })
}
