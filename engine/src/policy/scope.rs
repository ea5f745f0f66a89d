//! The statements that compete for one call, indexed so that finding the right ones does not depend on how many there
//! are. Statements are named by their place in the document.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};

use serde_json::{Map, Value};

use super::call::Member;
use super::document::{Document, Expiry, Match, Statement, malformed};
use super::glob::{Glob, is_glob};
use super::{Budget, EvaluationError, HashMap};

/// The statements for one subject, or for everybody.
#[derive(Debug, Default)]
pub(super) struct Scope {
    statements: Vec<usize>,
    exact: HashMap<Box<str>, Key>,
    /// The longest first, then in document order.
    globs: Vec<(Glob, Key)>,
    capabilities: HashMap<Box<str>, Vec<usize>>,
}

/// A tool key and the statements under it.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// By `order`, then in document order.
    variants: Vec<Variant>,
    /// The place of its first statement.
    first: usize,
    expires: bool,
}

#[derive(Debug)]
struct Variant {
    order: f64,
    statement: usize,
}

impl Key {
    fn add(&mut self, index: usize, order: f64, expires: bool) {
        if self.variants.is_empty() {
            self.first = index;
        }
        self.variants.push(Variant { order, statement: index });
        self.expires |= expires;
    }

    fn seal(&mut self) {
        self.variants.sort_by(|a, b| a.order.partial_cmp(&b.order).unwrap_or(Ordering::Equal));
    }

    /// The statements under the key, in the order in which they are tried.
    pub(super) fn variants(&self) -> impl Iterator<Item = usize> {
        self.variants.iter().map(|variant| variant.statement)
    }

    /// The place of the first statement that is live, `None` where none is and the key does not count.
    pub(super) fn first_live(&self, document: &Document, now: Option<i64>) -> Option<usize> {
        if !self.expires {
            return Some(self.first);
        }
        self.variants().filter(|&index| document.is_live(index, now)).min()
    }
}

impl Scope {
    pub(super) fn add(&mut self, index: usize, statement: &Statement, applies_to: Match) {
        self.statements.push(index);
        if let Some(tool) = applies_to.tool {
            // Patterns move to their own list when the scope is sealed.
            let key = self.exact.entry(tool.key.into()).or_default();
            key.add(index, tool.order, statement.expiry != Expiry::Never);
        }
        if let Some(capability) = applies_to.capability {
            self.capabilities.entry(capability.into()).or_default().push(index);
        }
    }

    /// Puts everything in the order of its evaluation, after the last statement was added.
    pub(super) fn seal(&mut self) {
        self.globs = self.exact.extract_if(|key, _| is_glob(key)).map(|(key, it)| (Glob::new(&key), it)).collect();
        self.globs.sort_by_key(|(glob, key)| (Reverse(glob.utf16_len()), key.first));
        self.exact.values_mut().chain(self.globs.iter_mut().map(|(_, key)| key)).for_each(Key::seal);
    }

    /// The key that decides about the tool: its own name, else the longest pattern, else the earliest.
    pub(super) fn best_key(
        &self,
        document: &Document,
        tool: &str,
        now: Option<i64>,
        budget: &Budget,
    ) -> Result<Option<&Key>, EvaluationError> {
        if let Some(key) = self.exact.get(tool)
            && key.first_live(document, now).is_some()
        {
            return Ok(Some(key));
        }
        // Where statements have expired, a key may begin later in the document than its place in the list says.
        let mut best: Option<(usize, usize, &Key)> = None;
        for (glob, key) in &self.globs {
            if best.is_some_and(|(length, first, _)| glob.utf16_len() < length || key.first > first) {
                break;
            }
            let Some(first) = key.first_live(document, now) else { continue };
            let is_earlier = best.is_none_or(|(_, best_first, _)| first < best_first);
            if is_earlier && glob.matches(tool, budget)? {
                best = Some((glob.utf16_len(), first, key));
            }
        }
        Ok(best.map(|(_, _, key)| key))
    }

    /// Every key that fits the tool, whether it wins or not.
    pub(super) fn fitting_keys(&self, tool: &str, budget: &Budget) -> Vec<&Key> {
        let globs = self.globs.iter().filter(|(glob, _)| glob.matches(tool, budget).unwrap_or(false));
        self.exact.get(tool).into_iter().chain(globs.map(|(_, key)| key)).collect()
    }

    /// The scope's statements, in document order.
    pub(super) fn statements(&self) -> &[usize] {
        &self.statements
    }

    /// The statements about any of the capabilities, in document order.
    pub(super) fn capability_statements(&self, capabilities: &[String]) -> Cow<'_, [usize]> {
        let mut found = capabilities.iter().filter_map(|capability| self.capabilities.get(capability.as_str()));
        let Some(first) = found.next() else { return Cow::Borrowed(&[]) };
        let mut statements = Cow::Borrowed(first.as_slice());
        for more in found {
            statements.to_mut().extend(more);
        }
        if let Cow::Owned(statements) = &mut statements {
            statements.sort_unstable();
            statements.dedup();
        }
        statements
    }

    fn first_live(&self, document: &Document, now: Option<i64>) -> Option<usize> {
        self.statements.iter().copied().find(|&index| document.is_live(index, now))
    }
}

/// The scopes of a document's subjects.
#[derive(Debug, Default)]
pub(super) struct MemberScopes {
    scopes: Vec<Scope>,
    /// By the subject's JSON text: two subjects are the same where they are written the same.
    by_subject: HashMap<String, usize>,
    by_membership: Subjects,
    by_email: Subjects,
    by_group: Subjects,
    by_product: Subjects,
}

/// What a subject means people by, the most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubjectKind {
    Membership,
    Email,
    Group,
    Product,
}

impl SubjectKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Membership => "membershipId",
            Self::Email => "email",
            Self::Group => "group",
            Self::Product => "product",
        }
    }
}

/// Which scopes a name selects.
#[derive(Debug, Default)]
struct Subjects {
    by_name: HashMap<Box<str>, Vec<usize>>,
    null: Vec<usize>,
}

impl Subjects {
    fn add(&mut self, name: Option<&str>, scope: usize) {
        match name {
            Some(name) => self.by_name.entry(name.into()).or_default().push(scope),
            None => self.null.push(scope),
        }
    }

    fn named(&self, name: Option<&str>) -> &[usize] {
        match name {
            Some(name) => self.by_name.get(name).map(Vec::as_slice).unwrap_or_default(),
            None => &self.null,
        }
    }
}

impl MemberScopes {
    /// The scope of the statements with this subject.
    pub(super) fn scope_of(&mut self, subject: &Map<String, Value>, at: &str) -> Result<&mut Scope, EvaluationError> {
        let text = serde_json::to_string(subject).map_err(|error| malformed(at, &error.to_string()))?;
        let new = self.scopes.len();
        let index = *self.by_subject.entry(text).or_insert(new);
        if index == new {
            self.scopes.push(Scope::default());
            self.index(subject, index, at)?;
        }
        self.scopes.get_mut(index).ok_or_else(|| malformed(at, "no such subject"))
    }

    fn index(&mut self, subject: &Map<String, Value>, scope: usize, at: &str) -> Result<(), EvaluationError> {
        let subjects = [
            ("membershipId", &mut self.by_membership),
            ("email", &mut self.by_email),
            ("group", &mut self.by_group),
            ("product", &mut self.by_product),
        ];
        for (kind, subjects) in subjects {
            match subject.get(kind) {
                None => {}
                Some(Value::Null) if kind == "email" => {}
                Some(Value::Null) => subjects.add(None, scope),
                Some(Value::String(email)) if kind == "email" => subjects.add(Some(&lower_case(email)), scope),
                Some(Value::String(name)) => subjects.add(Some(name), scope),
                Some(_) => return Err(malformed(&format!("{at}.subject.{kind}"), "not a string")),
            }
        }
        Ok(())
    }

    pub(super) fn seal(&mut self) {
        self.scopes.iter_mut().for_each(Scope::seal);
        self.by_subject = HashMap::default();
    }

    /// The scope that overlays the document for a member: by membership, else by email, by group, by product.
    pub(super) fn of(
        &self,
        member: &Member<'_>,
        document: &Document,
        now: Option<i64>,
    ) -> Option<(&Scope, SubjectKind)> {
        if self.scopes.is_empty() {
            return None;
        }
        let first = |scopes: &mut dyn Iterator<Item = &usize>| {
            let scopes = scopes.filter_map(|&index| self.scopes.get(index));
            let live = scopes.filter_map(|scope| Some((scope.first_live(document, now)?, scope)));
            live.min_by_key(|(first, _)| *first).map(|(_, scope)| scope)
        };
        let named = |subjects: &'_ Subjects, name: Option<Option<&str>>| {
            name.and_then(|name| first(&mut subjects.named(name).iter()))
        };
        let email = member.email.map(lower_case);
        let by = |kind: SubjectKind| move |scope| (scope, kind);
        named(&self.by_membership, member.membership_id)
            .map(by(SubjectKind::Membership))
            .or_else(|| named(&self.by_email, email.as_deref().map(Some)).map(by(SubjectKind::Email)))
            .or_else(|| {
                let mut groups = member.groups.iter().flat_map(|&group| self.by_group.named(group));
                first(&mut groups).map(by(SubjectKind::Group))
            })
            .or_else(|| named(&self.by_product, member.product).map(by(SubjectKind::Product)))
    }
}

/// The text in lower case, as Unicode has it.
pub(super) fn lower_case(text: &str) -> Cow<'_, str> {
    // Without a way out in the middle, so that many bytes are looked at in one step.
    let changes = text.bytes().fold(false, |found, byte| found | !byte.is_ascii() | byte.is_ascii_uppercase());
    if !changes { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::evaluate_json;
    use super::*;

    fn statement(index: usize, tool: &str, expires_at: &str, subject: Value) -> Value {
        json!({
            "id": format!("s{index}"), "subject": subject, "expiresAt": expires_at, "effect": "hold",
            "match": {"tool": tool, "order": 0}, "provenance": {"ruleKey": tool, "variant": index},
        })
    }

    fn deciding(statements: &[Value], call: &Value) -> Value {
        let agent = json!({
            "policyId": "p", "layer": "agent", "defaults": {"tools": "block"}, "expiresAt": "never",
            "statements": statements,
        });
        evaluate_json(call, &json!({ "agent": agent })).unwrap()["provenance"]["statementId"].clone()
    }

    const EXPIRED: &str = "2026-01-01";
    const NEVER: &str = "never";

    fn call() -> Value {
        json!({"tool": "pay_all", "timestamp": "2026-09-18T12:00:00Z"})
    }

    #[test]
    fn an_expired_key_does_not_hide_another() {
        let everybody = |index, tool, expires_at| statement(index, tool, expires_at, Value::Null);
        assert_eq!(deciding(&[everybody(0, "pay_all", EXPIRED), everybody(1, "pay_*", NEVER)], &call()), "s1");
        assert_eq!(deciding(&[everybody(0, "pay_*", EXPIRED), everybody(1, "*", NEVER)], &call()), "s1");
    }

    #[test]
    fn of_keys_of_one_length_the_first_with_a_live_statement_wins() {
        let statements = [
            statement(0, "pay_*", EXPIRED, Value::Null),
            statement(1, "*_all", NEVER, Value::Null),
            statement(2, "pay_*", NEVER, Value::Null),
        ];
        assert_eq!(deciding(&statements, &call()), "s1");
        let [first, second, third] = statements;
        assert_eq!(deciding(&[third, second, first], &call()), "s2");
    }

    #[test]
    fn an_expired_subject_does_not_overlay() {
        let mut call = call();
        call["member"] = json!({"membershipId": "m", "email": "A@b"});
        let statements = [
            statement(0, "*", NEVER, json!({"email": "a@B"})),
            statement(1, "*", EXPIRED, json!({"membershipId": "m"})),
        ];
        assert_eq!(deciding(&statements, &call), "s0");
        let statements =
            [statement(0, "*", NEVER, json!({"email": "a@B"})), statement(1, "*", NEVER, json!({"membershipId": "m"}))];
        assert_eq!(deciding(&statements, &call), "s1");
    }
}
