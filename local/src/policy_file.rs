//! Policies out of a file, for the commands that look at them without serving them: a configuration, a bundle as
//! clients fetch it, the documents that are bound to a target, or one `armor.policy.v2` document.

use std::path::Path;

use armoriq::json::{self, string_member};
use serde_json::{Map, Value, json};

use crate::bundle::bundle_json;
use crate::config::{Agent, Config};

/// The documents that decide about one agent, and what is known about whom and what they are for.
#[derive(Debug)]
pub struct Policy {
    /// The agent, where the file names one.
    pub agent: Option<AgentName>,
    /// By layer; `None` for an agent without a policy.
    pub documents: Option<Map<String, Value>>,
    /// As a bundle lists them, with their schemas where those are known; `None` where the file lists none.
    pub tools: Option<Vec<Value>>,
    /// As a bundle lists them.
    pub members: Vec<Value>,
}

#[derive(Debug)]
pub struct AgentName {
    pub id: String,
    pub name: String,
}

const LAYERS: [&str; 3] = ["agent", "group", "floor"];

/// Reads the policies of a file, or says why it has none.
pub fn read(path: &Path) -> Result<Vec<Policy>, String> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file} cannot be read: {error}"))?;
    read_text(&text, &file)
}

/// Reads the policies of a text; `file` is its name in messages.
pub fn read_text(text: &str, file: &str) -> Result<Vec<Policy>, String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let value = match is_json {
        true => json::parse(text).map_err(|error| format!("{file}: {error}"))?,
        false => {
            serde_saphyr::from_str::<Value>(text).map_err(|error| format!("{file}: {}", error.without_snippet()))?
        }
    };
    let members = value.as_object().ok_or_else(|| format!("{file} has neither a configuration nor a policy"))?;
    if members.contains_key("api_keys") {
        return Config::parse(text, file).map(|config| of_config(&config)).map_err(|error| error.to_string());
    }
    if let Some(agents) = members.get("agents") {
        let agents = agents.as_array().ok_or_else(|| format!("{file}: `agents` is not a list"))?;
        return Ok(agents.iter().map(of_agent).collect());
    }
    let is_bound = !members.is_empty() && members.keys().all(|key| LAYERS.contains(&key.as_str()));
    let documents = match (is_bound, members.get("layer").and_then(Value::as_str)) {
        (true, _) => members.clone(),
        (false, Some(layer)) if LAYERS.contains(&layer) => Map::from_iter([(layer.to_owned(), value.clone())]),
        (false, _) if members.contains_key("statements") || members.contains_key("schemaVersion") => {
            Map::from_iter([("agent".to_owned(), value.clone())])
        }
        (false, _) => return Err(format!("{file} has neither a configuration nor a policy")),
    };
    Ok(vec![Policy { agent: None, documents: Some(documents), tools: None, members: Vec::new() }])
}

fn of_config(config: &Config) -> Vec<Policy> {
    let agents: Vec<&Agent> = config.agents.iter().collect();
    let bundle = bundle_json(config, &agents);
    let tools = config.servers.iter().flat_map(|server| &server.tools);
    let mut policies: Vec<Policy> = bundle["agents"].as_array().into_iter().flatten().map(of_agent).collect();
    for listed in policies.iter_mut().filter_map(|policy| policy.tools.as_mut()) {
        for (entry, tool) in listed.iter_mut().zip(tools.clone()) {
            entry["inputSchema"] = json!(tool.schema);
        }
    }
    policies
}

fn of_agent(agent: &Value) -> Policy {
    let list = |key: &str| agent.get(key).and_then(Value::as_array).filter(|items| !items.is_empty()).cloned();
    let id = string_member(agent, "agentId").or_else(|| string_member(agent, "name")).unwrap_or_default();
    let name = string_member(agent, "name").unwrap_or(id);
    let policy = agent.get("policy").filter(|policy| json::is_truthy(policy));
    let document = policy.map(|policy| policy.get("document").cloned().unwrap_or_default());
    Policy {
        agent: Some(AgentName { id: id.to_owned(), name: name.to_owned() }),
        documents: document.map(|document| Map::from_iter([("agent".to_owned(), document)])),
        tools: list("tools"),
        members: list("members").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEMO;

    fn layers(text: &str) -> Vec<Vec<String>> {
        let policies = read_text(text, "f").unwrap();
        policies.iter().map(|policy| policy.documents.iter().flat_map(Map::keys).cloned().collect()).collect()
    }

    #[test]
    fn finds_the_policies_of_every_kind_of_file() {
        let document = r#"{"schemaVersion": "armor.policy.v2", "layer": "group", "statements": []}"#;
        assert_eq!(layers(document), [["group"]]);
        assert_eq!(layers("layer: floor\nstatements: []\n"), [["floor"]]);
        assert_eq!(layers("statements: []\n"), [["agent"]]);
        assert_eq!(layers(&format!(r#"{{"agent": {document}, "floor": {document}}}"#)), [["agent", "floor"]]);
        let bundle =
            format!(r#"{{"agents": [{{"agentId": "a", "policy": {{"document": {document}}}}}, {{"name": "b"}}]}}"#);
        assert_eq!(layers(&bundle), [vec!["agent".to_owned()], vec![]]);
        let demo = read_text(DEMO, "demo").unwrap();
        assert_eq!(demo.len(), 1);
        let tools = demo[0].tools.as_deref().unwrap();
        assert_eq!(tools[0]["inputSchema"]["required"], json!(["quarter"]));
        assert_eq!(demo[0].agent.as_ref().unwrap().id, "sales-bot");
    }

    #[test]
    fn says_why_there_is_no_policy() {
        for (text, why) in [
            ("{}", "f has neither a configuration nor a policy"),
            ("[]", "f has neither a configuration nor a policy"),
            ("{\"a\": 1, \"a\": 2}", "f: duplicate key"),
            ("agents: 1", "f: `agents` is not a list"),
            ("a: [", "f: "),
            ("api_keys: [ak_test_x]\nagents:\n  - id: a\n    polcy: {}\n", "f:4:"),
        ] {
            let error = read_text(text, "f").unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
