use std::borrow::Cow;

use serde_json::{Map, Value};

use super::call::strings;
use super::scope::lower_case;
use super::{Document, EvaluationError, HashMap};
use crate::json;

/// How much the evaluations of one call may cost together, in statements and conditions: about a second. Only a large
/// policy and many tools of one name come to that; one of them alone does not fit the service's answer.
const MOST_WORK: usize = 1 << 24;

/// The agents of an organisation with their policies, as the service hands them out, compiled.
#[derive(Debug, Default)]
pub struct Bundle {
    agents: Vec<Agent>,
    /// By `agentId` and by name; where two agents claim a key, the first has it.
    by_key: HashMap<Box<str>, usize>,
}

/// Why an answer is no bundle at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the policy bundle has no list of agents")]
    NoAgents,
    #[error("agents[{0}] of the policy bundle is not an object")]
    NotAnAgent(usize),
}

/// One agent of a bundle.
#[derive(Debug)]
pub struct Agent {
    name: String,
    governance: Governance,
}

/// What a bundle says about how an agent is governed.
#[derive(Debug)]
pub(super) enum Governance {
    Ungoverned {
        is_inactive: bool,
    },
    Governed(Box<Policy>),
    /// Its policy cannot be read. The other agents' are not touched by that.
    Unreadable(EvaluationError),
}

/// An agent's document and what its calls are looked up in.
#[derive(Debug)]
pub(super) struct Policy {
    pub id: Option<String>,
    pub name: Option<String>,
    pub document: Document,
    tools: Vec<Tool>,
    /// By `name` and by `qualifiedName`, in the bundle's order.
    tools_by_name: HashMap<Box<str>, Vec<usize>>,
    /// By email in its normal form, the first of several.
    members: HashMap<Box<str>, Membership>,
}

#[derive(Debug)]
pub(super) struct Tool {
    server: Option<String>,
    /// A string or null.
    pub schema_hash: Value,
    pub capabilities: Vec<String>,
}

/// A member's id: `Err` where the bundle lists the member without one.
type Membership = Result<Option<String>, EvaluationError>;

impl Bundle {
    /// Compiles the service's answer. It fails only where there is no list of agents; an agent whose policy is
    /// malformed is kept, and its calls are refused.
    pub fn compile(answer: &Value) -> Result<Self, BundleError> {
        let agents = answer.get("agents").and_then(Value::as_array).ok_or(BundleError::NoAgents)?;
        let mut bundle = Self::default();
        for (index, agent) in agents.iter().enumerate() {
            let agent = agent.as_object().ok_or(BundleError::NotAnAgent(index))?;
            for key in ["agentId", "name"].into_iter().filter_map(|key| agent.get(key)?.as_str()) {
                bundle.by_key.entry(key.into()).or_insert(index);
            }
            bundle.agents.push(Agent::compile(agent));
        }
        Ok(bundle)
    }

    /// The first agent with this id or name.
    pub fn agent(&self, id_or_name: &str) -> Option<&Agent> {
        self.by_key.get(id_or_name).and_then(|&index| self.agents.get(index))
    }

    /// The agents whose policies cannot be read, by name, with what is wrong.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &EvaluationError)> {
        self.agents.iter().filter_map(|agent| match &agent.governance {
            Governance::Unreadable(error) => Some((agent.name.as_str(), error)),
            _ => None,
        })
    }
}

impl Agent {
    fn compile(agent: &Map<String, Value>) -> Self {
        let text = |key: &str| agent.get(key).and_then(Value::as_str);
        let is_inactive = agent.get("inactive").is_some_and(json::is_truthy);
        let governance = match agent.get("policy").filter(|policy| json::is_truthy(policy)) {
            None => Governance::Ungoverned { is_inactive },
            Some(policy) => match Policy::compile(policy, agent) {
                Ok(policy) => Governance::Governed(Box::new(policy)),
                Err(error) => Governance::Unreadable(error),
            },
        };
        Self { name: text("name").or_else(|| text("agentId")).unwrap_or_default().to_owned(), governance }
    }

    pub(super) fn governance(&self) -> &Governance {
        &self.governance
    }
}

impl Policy {
    fn compile(policy: &Value, agent: &Map<String, Value>) -> Result<Self, EvaluationError> {
        let policy = policy.as_object().ok_or_else(|| malformed("the policy is not an object"))?;
        let document = policy.get("document").filter(|document| json::is_truthy(document));
        let mut compiled = Self {
            id: optional_string(policy, "policyId")?,
            name: optional_string(policy, "name")?,
            document: Document::compile(document.ok_or(EvaluationError::NoDocument)?)?,
            tools: Vec::new(),
            tools_by_name: HashMap::default(),
            members: HashMap::default(),
        };
        for tool in objects(agent, "tools")? {
            compiled.add_tool(tool?)?;
        }
        compiled.refuse_too_much_work()?;
        for member in objects(agent, "members")? {
            let member = member?;
            // One that is not in its normal form is nobody's.
            if let Some(email) = optional_string(member, "email")?.filter(|email| *email == normal(email)) {
                compiled.members.entry(email.into()).or_insert_with(|| membership(member));
            }
        }
        Ok(compiled)
    }

    fn add_tool(&mut self, tool: &Map<String, Value>) -> Result<(), EvaluationError> {
        let index = self.tools.len();
        let names = [optional_string(tool, "name")?, optional_string(tool, "qualifiedName")?];
        for name in names.into_iter().flatten() {
            let places = self.tools_by_name.entry(name.into()).or_default();
            if places.last() != Some(&index) {
                places.push(index);
            }
        }
        let capabilities = match tool.get("capabilities") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => {
                let capabilities = strings(value).ok_or_else(|| malformed("capabilities are not a list of strings"))?;
                capabilities.map(str::to_owned).collect()
            }
        };
        self.tools.push(Tool {
            server: optional_string(tool, "server")?,
            schema_hash: optional_string(tool, "schemaHash")?.map_or(Value::Null, Value::String),
            capabilities,
        });
        Ok(())
    }

    /// A call is evaluated for each tool of its name.
    fn refuse_too_much_work(&self) -> Result<(), EvaluationError> {
        let most = self.tools_by_name.values().map(Vec::len).max().unwrap_or_default();
        if most.saturating_mul(self.document.weight()) <= MOST_WORK {
            return Ok(());
        }
        Err(malformed("a name has too many tools for a policy of this size"))
    }

    /// The tools that a name may mean: those of the server where it is known and has any, else all of that name.
    #[inline]
    pub(super) fn candidates(&self, name: &str, server: Option<&str>) -> impl Iterator<Item = &Tool> {
        let named = self.tools_by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let tools = move || named.iter().filter_map(|&index| self.tools.get(index));
        let server = server.filter(|_| tools().any(|tool| tool.server.as_deref() == server));
        tools().filter(move |tool| server.is_none() || tool.server.as_deref() == server)
    }

    /// The servers that a tool of this name may turn out to be on, once a plan says so, and none for one that no plan
    /// names; only the server itself where it is known.
    pub(super) fn possible_servers<'a>(&'a self, name: &str, server: Option<&'a str>) -> Vec<Option<&'a str>> {
        let mut servers = vec![server];
        if server.is_none() {
            for tool in self.candidates(name, None) {
                let server = tool.server.as_deref();
                if !servers.contains(&server) {
                    servers.push(server);
                }
            }
        }
        servers
    }

    /// The membership of a person: `None` where the bundle does not list the email, in lower case.
    pub(super) fn membership(&self, email: &str) -> Option<Result<Option<&str>, EvaluationError>> {
        let membership = self.members.get(email).or_else(|| self.members.get(&*normal(email)))?;
        Some(membership.as_ref().map(Option::as_deref).map_err(Clone::clone))
    }
}

/// How emails are compared: trimmed and in lower case.
fn normal(email: &str) -> Cow<'_, str> {
    lower_case(email.trim())
}

fn membership(member: &Map<String, Value>) -> Membership {
    match member.get("membershipId") {
        Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        _ => Err(malformed("a member has no membershipId")),
    }
}

/// The items of a list of objects; what is absent, null or empty has none.
fn objects<'a>(
    agent: &'a Map<String, Value>,
    key: &'static str,
) -> Result<impl Iterator<Item = Result<&'a Map<String, Value>, EvaluationError>>, EvaluationError> {
    let items = match agent.get(key).filter(|list| json::is_truthy(list)) {
        None => &[][..],
        Some(list) => list.as_array().ok_or_else(|| malformed(format!("{key} is not a list")))?,
    };
    let object = move |item: &'a Value| {
        item.as_object().ok_or_else(|| malformed(format!("{key} has an item that is no object")))
    };
    Ok(items.iter().map(object))
}

fn optional_string(object: &Map<String, Value>, key: &str) -> Result<Option<String>, EvaluationError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(malformed(format!("{key} is not a string"))),
    }
}

fn malformed(what: impl Into<String>) -> EvaluationError {
    EvaluationError::NotEvaluable(format!("malformed bundle: {}", what.into()))
}
