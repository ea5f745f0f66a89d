//! Calls and documents as they are written, with what is not of the language's form refused. A member that the language
//! calls optional, and one that the official evaluator can do without, may be absent.

use serde_json::{Map, Value};

use super::{Refusal, double};

#[derive(Clone)]
pub struct Call<'a> {
    pub tool: &'a str,
    pub arguments: Option<&'a Value>,
    pub schema_hash: Option<&'a Value>,
    pub capabilities: Vec<&'a str>,
    pub timestamp: Option<&'a Value>,
    pub member: Option<Member<'a>>,
    pub derived: Option<&'a Map<String, Value>>,
}

/// Texts or nulls, each with its absence told apart.
#[derive(Clone)]
pub struct Member<'a> {
    pub membership_id: Option<&'a Value>,
    pub email: Option<&'a Value>,
    pub groups: &'a [Value],
    pub product: Option<&'a Value>,
}

#[derive(Default)]
pub struct Bound<'a> {
    pub floor: Option<Document<'a>>,
    pub agent: Option<Document<'a>>,
    pub group: Option<Document<'a>>,
}

pub struct Document<'a> {
    pub policy_id: &'a str,
    pub layer: &'a str,
    pub default: &'a str,
    pub expires_at: Option<&'a Value>,
    pub statements: Vec<Statement<'a>>,
}

pub struct Statement<'a> {
    pub id: &'a str,
    pub subject: Option<Subject<'a>>,
    pub conditions: Vec<Condition<'a>>,
    pub expires_at: Option<&'a Value>,
    pub rule_key: &'a str,
    pub variant: &'a Value,
    pub tool: Option<&'a str>,
    pub order: f64,
    pub capability: Option<&'a str>,
    pub effect: &'a str,
    pub approval: Option<&'a Value>,
}

/// Texts or nulls, and the whole as it is written.
pub struct Subject<'a> {
    pub membership_id: Option<&'a Value>,
    pub email: Option<&'a Value>,
    pub group: Option<&'a Value>,
    pub product: Option<&'a Value>,
    pub written: String,
}

pub struct Condition<'a> {
    pub field: &'a str,
    pub operator: &'a str,
    pub value: Option<&'a Value>,
    pub schema_hash: Option<&'a str>,
}

type Read<T> = Result<T, Refusal>;

const MALFORMED: Refusal = Refusal::NotEvaluable;

impl<'a> Call<'a> {
    pub fn read(call: &'a Value) -> Read<Self> {
        let call = object(call)?;
        let capabilities = match not_null(call, "capabilities") {
            None => Vec::new(),
            Some(list) => self::list(list)?.iter().map(|it| it.as_str().ok_or(MALFORMED)).collect::<Read<_>>()?,
        };
        Ok(Self {
            tool: text(call, "tool")?,
            arguments: call.get("arguments"),
            schema_hash: call.get("schemaHash"),
            capabilities,
            timestamp: call.get("timestamp"),
            member: not_null(call, "member").map(Member::read).transpose()?,
            derived: call.get("derived").and_then(Value::as_object),
        })
    }
}

impl<'a> Member<'a> {
    fn read(member: &'a Value) -> Read<Self> {
        let member = object(member)?;
        let groups = not_null(member, "groups").map_or(Ok(&[][..]), list)?;
        if !groups.iter().all(|group| group.is_null() || group.is_string()) {
            return Err(MALFORMED);
        }
        Ok(Self {
            membership_id: text_or_null(member, "membershipId")?,
            email: text_or_null(member, "email")?,
            groups,
            product: text_or_null(member, "product")?,
        })
    }
}

impl<'a> Bound<'a> {
    pub fn read(bound: &'a Value) -> Read<Self> {
        let mut read = Self::default();
        for (kind, document) in object(bound)? {
            let place = match kind.as_str() {
                "floor" => &mut read.floor,
                "agent" => &mut read.agent,
                "group" => &mut read.group,
                _ => return Err(MALFORMED),
            };
            *place = if document.is_null() { None } else { Some(Document::read(document)?) };
        }
        Ok(read)
    }
}

impl<'a> Document<'a> {
    fn read(document: &'a Value) -> Read<Self> {
        let document = object(document)?;
        let defaults = document.get("defaults").map_or(Err(MALFORMED), object)?;
        let statements = document.get("statements").map_or(Ok(&[][..]), list)?;
        Ok(Self {
            policy_id: text(document, "policyId")?,
            layer: one_of(document, "layer", ["agent", "group", "floor"])?,
            default: one_of(defaults, "tools", ["allow", "hold", "block"])?,
            expires_at: document.get("expiresAt"),
            statements: statements.iter().map(Statement::read).collect::<Read<_>>()?,
        })
    }
}

impl<'a> Statement<'a> {
    fn read(statement: &'a Value) -> Read<Self> {
        let statement = object(statement)?;
        let applies_to = statement.get("match").map_or(Err(MALFORMED), object)?;
        let provenance = statement.get("provenance").map_or(Err(MALFORMED), object)?;
        let conditions = statement.get("conditions").map_or(Ok(&[][..]), list)?;
        let optional = |key: &str| applies_to.get(key).map(|_| text(applies_to, key)).transpose();
        let tool = optional("tool")?;
        let order = match applies_to.get("order").and_then(Value::as_number) {
            Some(order) => double(order),
            None if tool.is_none() => 0.0,
            None => return Err(MALFORMED),
        };
        Ok(Self {
            id: text(statement, "id")?,
            subject: not_null(statement, "subject").map(Subject::read).transpose()?,
            conditions: conditions.iter().map(Condition::read).collect::<Read<_>>()?,
            expires_at: statement.get("expiresAt"),
            rule_key: text(provenance, "ruleKey")?,
            variant: provenance.get("variant").filter(|variant| variant.is_number()).ok_or(MALFORMED)?,
            tool,
            order,
            capability: optional("capability")?,
            effect: one_of(statement, "effect", ["allow", "hold", "block"])?,
            approval: statement.get("approval"),
        })
    }
}

impl<'a> Subject<'a> {
    fn read(subject: &'a Value) -> Read<Self> {
        let members = object(subject)?;
        Ok(Self {
            membership_id: text_or_null(members, "membershipId")?,
            email: text_or_null(members, "email")?,
            group: text_or_null(members, "group")?,
            product: text_or_null(members, "product")?,
            written: subject.to_string(),
        })
    }
}

impl<'a> Condition<'a> {
    fn read(condition: &'a Value) -> Read<Self> {
        let condition = object(condition)?;
        let binding = not_null(condition, "schemaBinding").map(object).transpose()?;
        let schema_hash = match binding.and_then(|binding| binding.get("schemaHash")) {
            None | Some(Value::Null) => None,
            Some(hash) => Some(hash.as_str().ok_or(MALFORMED)?),
        };
        Ok(Self {
            field: text(condition, "field")?,
            operator: text(condition, "op")?,
            value: condition.get("value"),
            schema_hash,
        })
    }
}

fn object(value: &Value) -> Read<&Map<String, Value>> {
    value.as_object().ok_or(MALFORMED)
}

fn list(value: &Value) -> Read<&[Value]> {
    value.as_array().map(Vec::as_slice).ok_or(MALFORMED)
}

fn text<'a>(members: &'a Map<String, Value>, key: &str) -> Read<&'a str> {
    members.get(key).and_then(Value::as_str).ok_or(MALFORMED)
}

fn one_of<'a>(members: &'a Map<String, Value>, key: &str, known: [&str; 3]) -> Read<&'a str> {
    text(members, key).and_then(|text| if known.contains(&text) { Ok(text) } else { Err(MALFORMED) })
}

fn not_null<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    members.get(key).filter(|value| !value.is_null())
}

fn text_or_null<'a>(members: &'a Map<String, Value>, key: &str) -> Read<Option<&'a Value>> {
    match members.get(key) {
        Some(value) if !value.is_null() && !value.is_string() => Err(MALFORMED),
        value => Ok(value),
    }
}
