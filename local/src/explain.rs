//! `armoriq-local explain`: how a policy comes to its verdict about a call, as a tree.

use armoriq::json::{self, string_member};
use armoriq::plan::names;
use armoriq::policy::{Verdict, explain_json};
use serde_json::{Map, Value, json};

use crate::cli::Explain;
use crate::clock::Instant;
use crate::config::normalised_email;
use crate::policy_file::{self, Policy};
use crate::tree::Tree;

pub fn run(arguments: &Explain) -> Result<(), String> {
    let policies = policy_file::read(&arguments.file)?;
    let policy = select(&policies, arguments.agent.as_deref())?;
    let args = json::parse_object(&arguments.args).map_err(|error| format!("--args: {error}"))?;
    let args = Value::Object(args);
    let asked = Asked { tool: &arguments.tool, args: &args, user: arguments.user.as_deref(), now: Instant::now() };
    let explained = asked.explain(policy)?;
    print!("{}", if arguments.json { format!("{explained:#}\n") } else { tree(&asked, &explained).text() });
    Ok(())
}

fn select<'a>(policies: &'a [Policy], agent: Option<&str>) -> Result<&'a Policy, String> {
    let found = match agent {
        None if policies.len() > 1 => {
            let agents: Vec<&str> = policies.iter().filter_map(|policy| Some(&*policy.agent.as_ref()?.id)).collect();
            return Err(format!("--agent: which one of {}?", agents.join(", ")));
        }
        None => policies.first(),
        Some(agent) => policies.iter().find(|policy| match &policy.agent {
            Some(named) => named.id == agent || named.name == agent,
            // A document by itself is for whichever agent it is bound to.
            None => true,
        }),
    };
    found.ok_or_else(|| format!("the file has no agent {}", agent.unwrap_or_default()))
}

/// The call that is asked about.
struct Asked<'a> {
    tool: &'a str,
    args: &'a Value,
    user: Option<&'a str>,
    now: Instant,
}

impl Asked<'_> {
    /// Explains the call as it is decided in local mode: for each tool that its name may mean, of which the strictest
    /// counts.
    fn explain(&self, policy: &Policy) -> Result<Value, String> {
        let documents = policy.documents.clone().ok_or("the agent has no policy: what it planned is allowed")?;
        let documents = Value::Object(documents);
        let mut strictest: Option<Value> = None;
        for call in self.calls(policy) {
            let explained = explain_json(&call, &documents);
            let explained = explained.map_err(|error| format!("the call is refused: {error}"))?;
            if strictest.as_ref().is_none_or(|best| verdict(&explained) > verdict(best)) {
                strictest = Some(explained);
            }
        }
        strictest.ok_or_else(|| "there is no call to explain".to_owned())
    }

    fn calls(&self, policy: &Policy) -> Vec<Value> {
        let (server, action) = names::split(self.tool).map_or((None, self.tool), |(server, tool)| (Some(server), tool));
        let mut call = json!({
            "tool": action, "arguments": self.args, "timestamp": self.now.iso(), "schemaHash": null, "capabilities": [],
        });
        if let Some(email) = self.user {
            call["member"] = member(policy, email);
        }
        let is_named =
            |tool: &&Value| ["name", "qualifiedName"].iter().any(|key| string_member(tool, key) == Some(action));
        let named: Vec<&Value> = policy.tools.iter().flatten().filter(is_named).collect();
        let is_there = |tool: &Value| string_member(tool, "server") == server;
        let is_known = server.is_some() && named.iter().any(|tool| is_there(tool));
        let candidates = named.into_iter().filter(|tool| !is_known || is_there(tool));
        let calls: Vec<Value> = candidates
            .map(|tool| {
                let member = |key: &str| tool.get(key).cloned().unwrap_or_default();
                let mut call = call.clone();
                call["schemaHash"] = member("schemaHash");
                call["capabilities"] = member("capabilities");
                call
            })
            .collect();
        if calls.is_empty() { vec![call] } else { calls }
    }
}

fn member(policy: &Policy, email: &str) -> Value {
    let mut member = Map::from_iter([("email".to_owned(), json!(email))]);
    let listed = policy.members.iter().find(|member| string_member(member, "email") == Some(&normalised_email(email)));
    let id = listed.and_then(|listed| listed.get("membershipId"));
    member.extend(id.map(|id| ("membershipId".to_owned(), id.clone())));
    Value::Object(member)
}

fn verdict(explained: &Value) -> Option<Verdict> {
    explained["evaluation"]["verdict"].as_str().and_then(Verdict::from_name)
}

fn tree(asked: &Asked<'_>, explained: &Value) -> Tree {
    let evaluation = &explained["evaluation"];
    let user = asked.user.map(|user| format!(" for {user}")).unwrap_or_default();
    let root = Tree::new(format!("{}: {}{user}", text(&evaluation["verdict"]), asked.tool));
    let drifted = items(&evaluation["obligations"]).map(|obligation| {
        Tree::new(format!("the rule was written for another schema of the tool: {}", text(&obligation["bound"])))
    });
    let default = explained["default"].as_object().map(|default| {
        let (document, verdict) = (text(&default["document"]), text(&default["verdict"]));
        Tree::new(format!("no statement decided: the default of the {document}'s document is {verdict}"))
    });
    let floor = explained["floor"].as_object().map(|floor| {
        let rest = floor["rest"].as_str().map(|rest| format!(" against {rest}")).unwrap_or_default();
        Tree::new(format!("the floor says {}{rest}: {}", text(&floor["verdict"]), text(&floor["why"])))
    });
    root.with(items(&explained["layers"]).map(layer)).with(default).with(floor).with(drifted)
}

fn layer(layer: &Value) -> Tree {
    let state = match text(&layer["state"]) {
        "expired" => format!("expired at {}, so it is passed over", text(&layer["expiresAt"])),
        state => state.to_owned(),
    };
    let line = format!("{} document {}: {state}", text(&layer["document"]), text(&layer["policyId"]));
    let nobody = (layer["member"].is_object() && layer["member"]["selectedBy"].is_null())
        .then(|| Tree::new(format!("member: {}", text(&layer["member"]["why"]))));
    Tree::new(line).with(nobody).with(items(&layer["scopes"]).map(|scope| scope_tree(scope, &layer["member"])))
}

fn scope_tree(scope: &Value, member: &Value) -> Tree {
    let line = match &scope["subject"] {
        Value::Null => "rules for everybody".to_owned(),
        subject => format!("rules for {subject}: {}", text(&member["why"])),
    };
    let keys = items(&scope["keys"]).map(|key| {
        let outcome = if key["won"] == true { "won" } else { "lost" };
        Tree::new(format!("key {} {outcome}: {}", text(&key["key"]), text(&key["why"])))
    });
    let decision = match scope["decision"].as_object() {
        Some(decision) => format!("{}: {}", text(&decision["effect"]), text(&scope["why"])),
        None => format!("no decision: {}", text(&scope["why"])),
    };
    let statements = items(&scope["variants"]).chain(items(&scope["capabilities"])).map(statement);
    Tree::new(line).with(keys).with(statements).with([Tree::new(decision)])
}

fn statement(statement: &Value) -> Tree {
    let outcome = match text(&statement["outcome"]) {
        "not-tried" => "not tried, an earlier one held",
        outcome => outcome,
    };
    let capability = statement["capability"].as_str().map(|name| format!(" for capability {name}")).unwrap_or_default();
    let line = format!(
        "{} {}{capability}, {}: {outcome}",
        text(&statement["effect"]),
        text(&statement["statementId"]),
        text(&statement["path"])
    );
    Tree::new(line).with(items(&statement["conditions"]).map(condition))
}

fn condition(condition: &Value) -> Tree {
    let value = condition.get("value").map(|value| format!(" {value}")).unwrap_or_default();
    let saw = match condition.get("saw") {
        None => "the call has no such field".to_owned(),
        Some(saw) if condition["cut"] == true => format!("the call has {saw}…"),
        Some(saw) => format!("the call has {saw}"),
    };
    let holds = if condition["holds"] == true { "yes" } else { "no" };
    Tree::new(format!("{} {}{value}? {holds}: {saw}", text(&condition["field"]), text(&condition["op"])))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use armoriq::policy::Bundle;

    use super::*;
    use crate::bundle::bundle_json;
    use crate::config::{Agent, Config};
    use crate::engine::{Call, decide};
    use crate::policy_file::read_text;

    const CONFIG: &str = "
api_keys: [ak_test_x]
members: [{email: bob@example.com, membership_id: m-1}]
agents:
  - id: bot
    policy:
      default: hold
      block:
        - {capability: delete}
        - {tool: fetch, member: bob@example.com, when: {field: args.n, op: gt, value: 5}}
      allow: [fetch, wipe]
mcp_servers:
  - name: soft
    tools: [{name: wipe}, {name: fetch}]
  - name: hard
    tools: [{name: wipe, capabilities: [delete]}]
";

    #[test]
    fn says_what_local_mode_decides() {
        let config = Config::parse(CONFIG, "f").map_err(|error| error.to_string()).unwrap();
        let agents: Vec<&Agent> = config.agents.iter().collect();
        let bundle = Bundle::compile(&bundle_json(&config, &agents)).unwrap();
        let policies = read_text(CONFIG, "f").unwrap();
        let policy = select(&policies, Some("bot")).unwrap();
        let mut verdicts = Vec::new();
        for (name, server, tool) in [
            ("fetch", None, "fetch"),
            ("soft__fetch", Some("soft"), "fetch"),
            ("wipe", None, "wipe"),
            ("soft__wipe", Some("soft"), "wipe"),
            ("hard__wipe", Some("hard"), "wipe"),
            ("gone__wipe", Some("gone"), "wipe"),
            ("other", None, "other"),
        ] {
            for (user, n) in [(None, 9), (Some("Bob@example.com"), 9), (Some("bob@example.com"), 1)] {
                let args = json!({ "n": n });
                let now = Instant::now();
                let explained = Asked { tool: name, args: &args, user, now }.explain(policy).unwrap();
                let call = Call { server, tool, arguments: &args, user_email: user, now };
                let decision = decide(&bundle, "bot", &call);
                assert_eq!(verdict(&explained), Some(decision.verdict), "{name} {user:?}");
                verdicts.push(decision.verdict);
            }
        }
        for expected in [Verdict::Allow, Verdict::Hold, Verdict::Block] {
            assert!(verdicts.contains(&expected), "{expected}");
        }
    }

    #[test]
    fn asks_which_agent_is_meant() {
        let two = read_text("agents: [{agentId: a, name: Ann}, {agentId: b}]", "f").unwrap();
        assert_eq!(select(&two, None).unwrap_err(), "--agent: which one of a, b?");
        assert_eq!(select(&two, Some("c")).unwrap_err(), "the file has no agent c");
        assert!(select(&two, Some("Ann")).is_ok());
        let args = json!({});
        let asked = Asked { tool: "t", args: &args, user: None, now: Instant::now() };
        let error = asked.explain(select(&two, Some("b")).unwrap()).unwrap_err();
        assert_eq!(error, "the agent has no policy: what it planned is allowed");
    }
}
