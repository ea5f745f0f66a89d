//! Policy bundles: decisions of local mode against the plain evaluator's. The input is an answer of the service and a
//! call of the agent "a", with a zero byte between them.

#![no_main]

use armoriq::json::{self, Tape, Value};
use armoriq::policy::local::{BundleState, LocalCall, decide};
use armoriq::policy::{Bundle, Verdict};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/policy_differential/plain/mod.rs"]
mod plain;

/// 2026-09-18T12:00:00.000Z.
const NOW: i64 = 1_789_732_800_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((answer, call)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\0')) else { return };
    let (Ok(answer), Ok(call)) = (json::parse(answer), json::parse(call)) else { return };
    let Ok(bundle) = Bundle::compile(&answer) else { return };
    bundle.problems().for_each(|(_, problem)| drop(problem.to_string()));
    if bytes.len() > 4096 {
        return;
    }
    let member = |name| json::string_member(&call, name);
    let Some(tool) = member("tool") else { return };
    let Some(arguments) = call.get("arguments").filter(|arguments| arguments.is_object()) else { return };
    let written = arguments.to_string();
    let tape = Tape::object(&written).expect("an object");
    let (server, user_email) = (member("mcp_server"), member("user_email").filter(|email| !email.is_empty()));
    let of_tree =
        decide(BundleState::Current(&bundle), Some("a"), &LocalCall { tool, arguments, server, user_email }, NOW);
    let of_tape = decide(
        BundleState::Current(&bundle),
        Some("a"),
        &LocalCall { tool, arguments: &tape, server, user_email },
        NOW,
    );
    assert_eq!(of_tree, of_tape);

    let agents = answer["agents"].as_array().expect("agents");
    let agent = agents.iter().find(|agent| agent["agentId"] == "a" || agent["name"] == "a");
    let Some(agent) = agent else {
        assert_eq!(of_tree.action, Verdict::Block);
        return;
    };
    if of_tree.action == Verdict::Allow && json::is_truthy(&agent["policy"]) {
        // What is allowed here, the plain evaluator allows too. It takes less care of malformed bundles.
        assert_eq!(plain::local::decide(agent, &call, "2026-09-18T12:00:00.000Z"), Some("allow"), "{call}");
    } else if is_well_formed(agent) {
        let plain = plain::local::decide(agent, &call, "2026-09-18T12:00:00.000Z").unwrap_or("block");
        assert_eq!(of_tree.action.as_str(), plain, "{of_tree:?}");
    }
});

/// Whether the lists of the agent are lists of objects with the texts that both evaluators read.
fn is_well_formed(agent: &Value) -> bool {
    let lists = ["tools", "members"].map(|list| agent.get(list).and_then(Value::as_array));
    let [Some(tools), Some(members)] = lists else { return false };
    let text = |value: &Value, name: &str| value.get(name).is_some_and(Value::is_string);
    tools.iter().all(|tool| {
        text(tool, "name")
            && tool.get("qualifiedName").is_none_or(Value::is_string)
            && tool.get("server").is_none_or(Value::is_string)
            && tool.get("schemaHash").is_none_or(Value::is_string)
            && tool
                .get("capabilities")
                .is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(Value::is_string)))
    }) && members.iter().all(|member| text(member, "email") && text(member, "membershipId"))
        && ["policyId", "name"].iter().all(|name| agent["policy"].get(*name).is_none_or(Value::is_string))
}
