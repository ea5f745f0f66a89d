//! The policy bundle: an agent's policy, and the tools and members that it is about. Clients in local mode fetch it,
//! and the control plane decides from the same.

use serde_json::{Value, json};

use crate::config::{Agent, Config, Server, Tool};

/// The agent's entry in a bundle.
pub fn agent_json(config: &Config, agent: &Agent) -> Value {
    let tools: Vec<Value> =
        config.servers.iter().flat_map(|server| server.tools.iter().map(|tool| tool_json(server, tool))).collect();
    let members: Vec<Value> = config
        .members
        .iter()
        .filter_map(|member| Some(json!({ "email": member.email, "membershipId": member.membership_id.as_ref()? })))
        .collect();
    // The evaluator refuses an inactive agent only where it has no policy.
    let policy = agent
        .policy
        .as_ref()
        .filter(|_| !agent.inactive)
        .map(|policy| json!({ "policyId": policy.id, "name": policy.name, "document": policy.document }));
    let mut entry = json!({
        "agentId": agent.id,
        "name": agent.name,
        "policy": policy,
        "tools": tools,
        "members": members,
    });
    if agent.inactive {
        entry["inactive"] = json!(true);
    }
    entry
}

fn tool_json(server: &Server, tool: &Tool) -> Value {
    json!({
        "name": tool.name,
        "qualifiedName": format!("{}.{}", server.name, tool.name),
        "server": server.name,
        "schemaHash": tool.schema_hash,
        "capabilities": tool.capabilities,
    })
}

/// The bundle with these agents.
pub fn bundle_json(config: &Config, agents: &[&Agent]) -> Value {
    json!({ "agents": agents.iter().map(|agent| agent_json(config, agent)).collect::<Vec<_>>() })
}
