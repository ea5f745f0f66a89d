//! The decision about one call: the same rules, and the same engine, as a client in local mode.

use armoriq::policy;
use serde_json::{Value, json};

use crate::clock::Instant;
use crate::config::{Agent, Config, Member, Server, Tool};

/// A call, as far as a policy can see it.
pub struct Call<'a> {
    /// The MCP server, where it is known.
    pub server: Option<&'a str>,
    pub tool: &'a str,
    pub arguments: &'a Value,
    /// The user's email as it was given.
    pub user_email: Option<&'a str>,
    pub now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Allow,
    Hold,
    Block,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Block => "block",
        }
    }

    fn parse(text: Option<&str>) -> Option<Self> {
        match text? {
            "allow" => Some(Self::Allow),
            "hold" => Some(Self::Hold),
            "block" => Some(Self::Block),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub verdict: Verdict,
    pub reason: String,
    /// The id and the name of the policy that decided.
    pub policy: Option<(String, String)>,
    /// The statement that decided.
    pub rule_id: Option<String>,
    pub obligations: Vec<Value>,
}

impl Decision {
    pub fn block(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Block, reason: reason.into(), policy: None, rule_id: None, obligations: Vec::new() }
    }
}

/// Decides a call of the agent.
pub fn decide(config: &Config, agent: &Agent, call: &Call<'_>) -> Decision {
    let Some(policy) = &agent.policy else {
        return match agent.inactive {
            true => Decision::block("agent_inactive"),
            false => Decision { verdict: Verdict::Allow, ..Decision::block("no_active_policy") },
        };
    };
    let documents = json!({ "agent": policy.document });
    let evaluated = candidates(config, call).into_iter().map(|tool| {
        let input = input(config, call, tool);
        policy::evaluate_json(&input, &documents).map_err(|error| error.to_string())
    });
    let mut strictest: Option<(Verdict, Value)> = None;
    for result in evaluated {
        let verdict = result.and_then(|result| match Verdict::parse(result["verdict"].as_str()) {
            Some(verdict) => Ok((verdict, result)),
            None => Err("the evaluation has no verdict".into()),
        });
        match verdict {
            Err(error) => return Decision::block(format!("policy-not-evaluable: {error}")),
            Ok(found) if strictest.as_ref().is_none_or(|(verdict, _)| found.0 > *verdict) => strictest = Some(found),
            Ok(_) => {}
        }
    }
    let Some((verdict, result)) = strictest else {
        return Decision::block("policy-not-evaluable: nothing was evaluated");
    };
    let provenance = &result["provenance"];
    let rule_id = provenance["statementId"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    let rule = match (&rule_id, provenance["ruleKey"].as_str()) {
        (Some(_), Some(key)) => format!("{key}#{}", provenance["variant"]),
        _ => "tools.default".into(),
    };
    Decision {
        verdict,
        reason: format!("{}:{rule}", verdict.as_str()),
        policy: Some((policy.id.clone(), policy.name.clone())),
        rule_id,
        obligations: result["obligations"].as_array().cloned().unwrap_or_default(),
    }
}

/// The known tools that the call may mean; a tool that no server has is decided once, as an unknown one.
fn candidates<'a>(config: &'a Config, call: &Call<'_>) -> Vec<Option<&'a Tool>> {
    let named = |server: &'a Server| {
        server
            .tools
            .iter()
            .filter(|tool| tool.name == call.tool || qualified_name(&server.name, &tool.name) == call.tool)
    };
    let of_the_server: Vec<&Tool> =
        config.servers.iter().filter(|server| Some(&*server.name) == call.server).flat_map(named).collect();
    let tools = match of_the_server.is_empty() {
        false => of_the_server,
        true => config.servers.iter().flat_map(named).collect(),
    };
    if tools.is_empty() { vec![None] } else { tools.into_iter().map(Some).collect() }
}

/// A tool's name with its server's, as policy bundles have it.
pub fn qualified_name(server: &str, tool: &str) -> String {
    format!("{server}.{tool}")
}

fn input(config: &Config, call: &Call<'_>, tool: Option<&Tool>) -> Value {
    let mut input = json!({
        "tool": call.tool,
        "arguments": call.arguments,
        "schemaHash": tool.and_then(|tool| tool.schema_hash.as_deref()),
        "capabilities": tool.map(|tool| tool.capabilities.as_slice()).unwrap_or_default(),
        "timestamp": call.now.iso(),
    });
    if let Some(email) = call.user_email {
        input["member"] = json!({ "email": email });
        if let Some(Member { membership_id: Some(id), .. }) = config.member(email) {
            input["member"]["membershipId"] = json!(id);
        }
    }
    input
}
