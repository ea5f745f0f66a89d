//! An agent's policy: the short form compiled into an `armor.policy.v2` document, or such a document itself.

use std::collections::HashMap;

use armoriq::policy::{Document, evaluate_json};
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};

use super::file::{Effect, PolicyEntry, RuleEntry};
use super::{Fault, normalised_email};

/// The operators of conditions, as `armor.policy.v2` has them.
const OPERATORS: [&str; 13] =
    ["eq", "ne", "gt", "gte", "lt", "lte", "in", "notIn", "glob", "regex", "notRegex", "startsWith", "exists"];

pub struct Policy {
    pub id: String,
    pub name: String,
    pub document: Value,
}

impl Policy {
    /// What becomes of a tool that no rule is about.
    pub fn default_effect(&self) -> &str {
        self.document["defaults"]["tools"].as_str().unwrap_or("block")
    }

    /// The tool keys of the rules that are no globs.
    pub fn exact_tool_names(&self) -> impl Iterator<Item = &str> {
        let statements = self.document["statements"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut names: Vec<&str> = statements
            .iter()
            .filter_map(|statement| statement["match"]["tool"].as_str())
            .filter(|key| !is_glob(key))
            .collect();
        names.dedup();
        names.into_iter()
    }
}

/// Compiles the policy of an agent. `servers` are the names of the MCP servers.
pub fn compile(entry: Spanned<PolicyEntry>, agent: &str, servers: &[&str]) -> Result<Policy, Fault> {
    let (at, entry) = (entry.referenced, entry.value);
    let has_lists = entry.default.is_some() || entry.allow.is_some() || entry.hold.is_some() || entry.block.is_some();
    let is_document = entry.schema_version.is_some() || entry.statements.is_some() || entry.defaults.is_some();
    let policy = match (has_lists, is_document) {
        (true, true) => {
            return Err(Fault::new(
                at,
                "expected either the lists `allow`, `hold` and `block` or the members of an armor.policy.v2 document, found both",
            ));
        }
        (_, true) => from_document(at, entry)?,
        (_, false) => from_lists(at, entry, agent, servers)?,
    };
    // A bundle would keep the agent and refuse all its calls; here somebody can still put it right.
    Document::compile(&policy.document)
        .map_err(|error| Fault::new(at, format!("the policy cannot be evaluated: {}", error.message())))?;
    Ok(policy)
}

fn from_document(at: Location, entry: PolicyEntry) -> Result<Policy, Fault> {
    let required = |name: &str, value: &Option<Value>| match value {
        Some(value) => Ok(value.clone()),
        None => Err(Fault::new(at, format!("the armor.policy.v2 document has no `{name}`"))),
    };
    let schema_version = required("schemaVersion", &entry.schema_version)?;
    if schema_version != "armor.policy.v2" {
        return Err(Fault::new(at, format!("expected the schemaVersion `armor.policy.v2`, found {schema_version}")));
    }
    if entry.id.is_some() {
        return Err(Fault::new(at, "an armor.policy.v2 document is named by its `policyId`, not by `id`"));
    }
    let policy_id = required("policyId", &entry.policy_id)?;
    let Some(id) = policy_id.as_str().map(str::to_owned) else {
        return Err(Fault::new(at, format!("expected `policyId` to be a string, found {policy_id}")));
    };
    let document = json!({
        "schemaVersion": schema_version,
        "policyId": policy_id,
        "target": required("target", &entry.target)?,
        "layer": required("layer", &entry.layer)?,
        "defaults": required("defaults", &entry.defaults)?,
        "capture": entry.capture.unwrap_or_else(default_capture),
        "expiresAt": required("expiresAt", &entry.expires_at)?,
        "statements": required("statements", &entry.statements)?,
    });
    Ok(Policy { name: entry.name.unwrap_or_else(|| id.clone()), id, document })
}

fn default_capture() -> Value {
    json!({ "arguments": true, "redact": [], "maxBytesPerCall": 16384, "sample": 1 })
}

fn from_lists(at: Location, entry: PolicyEntry, agent: &str, servers: &[&str]) -> Result<Policy, Fault> {
    let only_of_documents = [
        ("policyId", &entry.policy_id),
        ("target", &entry.target),
        ("layer", &entry.layer),
        ("capture", &entry.capture),
        ("expiresAt", &entry.expires_at),
    ];
    if let Some((name, _)) = only_of_documents.iter().find(|(_, value)| value.is_some()) {
        let message = format!(
            "`{name}` belongs to an armor.policy.v2 document, which also needs a `schemaVersion` and `statements`"
        );
        return Err(Fault::new(at, message));
    }
    let id = entry.id.unwrap_or_else(|| format!("policy-{agent}"));
    // The strictest list first: where two rules with the same key both hold, the stricter one decides.
    let lists = [(Effect::Block, entry.block), (Effect::Hold, entry.hold), (Effect::Allow, entry.allow)];
    let mut statements = Statements::default();
    for (effect, rules) in lists {
        for rule in rules.unwrap_or_default() {
            statements.add(effect, rule, servers)?;
        }
    }
    let document = document(&id, agent, entry.default.unwrap_or(Effect::Block), statements.compiled);
    Ok(Policy { name: entry.name.unwrap_or_else(|| id.clone()), id, document })
}

fn document(id: &str, agent: &str, default: Effect, statements: Vec<Value>) -> Value {
    let default = default.as_str();
    json!({
        "schemaVersion": "armor.policy.v2",
        "policyId": id,
        "target": { "agent": agent },
        "layer": "agent",
        "defaults": { "tools": default, "network": default, "files": default, "skills": default },
        "capture": default_capture(),
        "expiresAt": "never",
        "statements": statements,
    })
}

#[derive(Default)]
struct Statements {
    compiled: Vec<Value>,
    /// How many statements there are already for a member and a key.
    variants: HashMap<(Option<String>, String), usize>,
}

impl Statements {
    fn add(&mut self, effect: Effect, rule: Spanned<RuleEntry>, servers: &[&str]) -> Result<(), Fault> {
        let (at, rule) = (rule.referenced, rule.value);
        let (key, is_tool) = match (rule.tool, rule.capability) {
            (Some(tool), None) => (tool, true),
            (None, Some(capability)) => (capability, false),
            _ => return Err(Fault::new(at, "expected a rule to have either a `tool` or a `capability`")),
        };
        if is_tool {
            check_tool_key(at, &key, servers)?;
        }
        let conditions = rule
            .when
            .into_iter()
            .map(|condition| {
                let at = if condition.referenced.line() == 0 { at } else { condition.referenced };
                compile_condition(at, condition.value)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let member = rule.member.map(|email| normalised_email(&email));
        let variants = self.variants.entry((member.clone(), key.clone())).or_default();
        let variant = *variants;
        *variants += 1;
        let matched = if is_tool {
            json!({ "tool": key, "keyTier": if is_glob(&key) { "glob" } else { "exact" }, "order": variant })
        } else {
            json!({ "capability": key })
        };
        let mut statement = json!({
            "id": format!("st-{}", self.compiled.len() + 1),
            "subject": member.map(|email| json!({ "email": email })),
            "conditions": conditions,
            "expiresAt": "never",
            "provenance": { "ruleKey": key, "variant": variant, "source": "yaml" },
            "match": matched,
            "effect": effect.as_str(),
        });
        if effect == Effect::Hold {
            statement["approval"] = json!({});
        }
        self.compiled.push(statement);
        Ok(())
    }
}

fn check_tool_key(at: Location, key: &str, servers: &[&str]) -> Result<(), Fault> {
    if key.is_empty() {
        return Err(Fault::new(at, "expected a tool's name, found an empty one"));
    }
    // Such a rule would never match, and a block that never matches is worse than an error.
    match key.split_once("__") {
        Some((server, tool)) if servers.contains(&server) => {
            Err(Fault::new(at, format!("rules name a tool without its server: expected `{tool}`, found `{key}`")))
        }
        _ => Ok(()),
    }
}

fn compile_condition(at: Location, condition: super::file::ConditionEntry) -> Result<Value, Fault> {
    if !OPERATORS.contains(&&*condition.op) {
        let message = format!("unknown operator `{}`, expected one of {}", condition.op, OPERATORS.join(", "));
        return Err(Fault::new(at, message));
    }
    if condition.field != "args" && !condition.field.starts_with("args.") {
        let message = format!("expected a field that starts with `args.`, found `{}`", condition.field);
        return Err(Fault::new(at, message));
    }
    let mut compiled = json!({ "field": condition.field, "op": condition.op });
    match condition.value {
        Some(value) => compiled["value"] = value,
        None if condition.op == "exists" => {}
        None => return Err(Fault::new(at, format!("the operator `{}` needs a `value`", condition.op))),
    }
    check_evaluable(&compiled)
        .map_err(|error| Fault::new(at, format!("the condition cannot be evaluated: {error}")))?;
    Ok(compiled)
}

/// Evaluates the condition once. A pattern is not looked at before a call has the field, and then refuses the call; here
/// the mistake can still be named.
fn check_evaluable(condition: &Value) -> Result<(), String> {
    let path = condition["field"].as_str().unwrap_or_default().split('.').skip(1);
    let arguments = path.collect::<Vec<_>>().into_iter().rfold(json!(""), |inner, key| json!({ key: inner }));
    let mut statement = json!({
        "id": "st-1",
        "subject": null,
        "expiresAt": "never",
        "provenance": { "ruleKey": "tool", "variant": 0, "source": "yaml" },
        "match": { "tool": "tool", "keyTier": "exact", "order": 0 },
        "effect": "allow",
    });
    statement["conditions"] = json!([condition]);
    let document = document("policy", "agent", Effect::Block, vec![statement]);
    let call = json!({ "tool": "tool", "arguments": arguments, "timestamp": "2000-01-01T00:00:00Z" });
    match evaluate_json(&call, &json!({ "agent": document })) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.message().to_owned()),
    }
}

fn is_glob(key: &str) -> bool {
    key.contains(['*', '?'])
}
