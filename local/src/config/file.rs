//! The YAML file as it is written: every key that it may have, and nothing decided yet.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default = "default_organisation")]
    pub organisation: String,
    pub api_keys: Spanned<Vec<Spanned<String>>>,
    pub default_agent: Option<Spanned<String>>,
    pub agents: Spanned<Vec<Spanned<AgentEntry>>>,
    #[serde(default)]
    pub members: Vec<Spanned<MemberEntry>>,
    #[serde(default)]
    pub mcp_servers: Vec<Spanned<ServerEntry>>,
    #[serde(default)]
    pub token: TokenEntry,
    #[serde(default)]
    pub delegation: DelegationEntry,
    pub signing_key: Option<Spanned<String>>,
}

fn default_organisation() -> String {
    "Local".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    pub id: String,
    pub name: Option<String>,
    #[serde(default)]
    pub inactive: bool,
    pub policy: Option<Spanned<PolicyEntry>>,
}

/// Either the short form (`allow`, `hold`, `block`, `default`) or the members of an `armor.policy.v2` document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    pub name: Option<String>,
    pub id: Option<String>,
    pub default: Option<Effect>,
    pub block: Option<Vec<Spanned<RuleEntry>>>,
    pub hold: Option<Vec<Spanned<RuleEntry>>>,
    pub allow: Option<Vec<Spanned<RuleEntry>>>,

    #[serde(rename = "schemaVersion")]
    pub schema_version: Option<Value>,
    #[serde(rename = "policyId")]
    pub policy_id: Option<Value>,
    pub target: Option<Value>,
    pub layer: Option<Value>,
    pub defaults: Option<Value>,
    pub capture: Option<Value>,
    #[serde(rename = "expiresAt")]
    pub expires_at: Option<Value>,
    pub statements: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Allow,
    Hold,
    Block,
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Block => "block",
        }
    }
}

/// A tool's name or glob by itself, or a mapping with conditions.
pub struct RuleEntry {
    pub tool: Option<String>,
    pub capability: Option<String>,
    pub member: Option<String>,
    pub when: Vec<Spanned<ConditionEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleMapping {
    tool: Option<String>,
    capability: Option<String>,
    member: Option<String>,
    #[serde(default)]
    when: Conditions,
}

impl<'de> Deserialize<'de> for RuleEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RuleVisitor;
        impl<'de> Visitor<'de> for RuleVisitor {
            type Value = RuleEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool's name, or a mapping with `tool` or `capability`, `when` and `member`")
            }

            fn visit_str<E>(self, tool: &str) -> Result<RuleEntry, E> {
                Ok(RuleEntry { tool: Some(tool.into()), capability: None, member: None, when: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RuleEntry, A::Error> {
                let rule = RuleMapping::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RuleEntry { tool: rule.tool, capability: rule.capability, member: rule.member, when: rule.when.0 })
            }
        }
        deserializer.deserialize_any(RuleVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionEntry {
    pub field: String,
    pub op: String,
    #[serde(default, deserialize_with = "present")]
    pub value: Option<Value>,
}

/// For a value that no line of the file stands for by itself.
fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
}

/// A `value: null` is a value; only a missing one is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// One condition, or a list of them.
#[derive(Default)]
struct Conditions(Vec<Spanned<ConditionEntry>>);

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ConditionsVisitor;
        impl<'de> Visitor<'de> for ConditionsVisitor {
            type Value = Conditions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition `{field, op, value}` or a list of them")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Conditions, A::Error> {
                let mut conditions = Vec::new();
                while let Some(condition) = items.next_element()? {
                    conditions.push(condition);
                }
                Ok(Conditions(conditions))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Conditions, A::Error> {
                let condition = ConditionEntry::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Conditions(vec![nowhere(condition)]))
            }
        }
        deserializer.deserialize_any(ConditionsVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    pub email: String,
    pub membership_id: Option<String>,
    #[serde(default = "default_role")]
    pub role: String,
    #[serde(default)]
    pub limit: f64,
}

fn default_role() -> String {
    "agent_user".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerEntry {
    pub name: String,
    pub id: Option<String>,
    pub url: Option<Spanned<String>>,
    pub timeout_seconds: Option<Spanned<f64>>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub role_mapping: serde_json::Map<String, Value>,
    #[serde(default)]
    pub tools: Vec<Spanned<ToolEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolEntry {
    pub name: String,
    pub description: Option<String>,
    pub schema: Option<Value>,
    #[serde(default)]
    pub capabilities: Vec<String>,
    pub financial: Option<FinancialEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinancialEntry {
    pub transaction_type: Option<String>,
    #[serde(default)]
    pub amount_fields: Vec<String>,
    pub amount_unit: Option<String>,
    pub currency: Option<String>,
    pub recipient_field: Option<String>,
    pub category: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenEntry {
    pub max_ttl_seconds: Spanned<f64>,
}

impl Default for TokenEntry {
    fn default() -> Self {
        Self { max_ttl_seconds: nowhere(86_400.0) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DelegationEntry {
    pub ttl_seconds: Spanned<f64>,
}

impl Default for DelegationEntry {
    fn default() -> Self {
        Self { ttl_seconds: nowhere(3600.0) }
    }
}
