//! The commands that look at policies without serving them.

mod common;

use common::{demo, run, temporary};

/// Writes the text to a file and runs a command on it: whether it succeeded, what it printed, what it complained about.
fn on_file(text: &str, command: &str, arguments: &[&str]) -> (bool, String, String) {
    let file = temporary("policy.yaml");
    std::fs::write(&file, text).unwrap();
    let output = run(&[&[command, &file.display().to_string()], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr).replace(&file.display().to_string(), "FILE"))
}

const POLICY: &str = r#"{
  "schemaVersion": "armor.policy.v2", "policyId": "p", "target": {"agent": "a"}, "layer": "agent",
  "defaults": {"tools": "block"}, "expiresAt": "never",
  "statements": [
    {"id": "s", "subject": null, "expiresAt": "never", "effect": "hold", "match": {"tool": "pay", "order": 0},
     "provenance": {"ruleKey": "pay", "variant": 0}, "conditions": [{"field": "args.amount", "op": ">", "value": 3}]}
  ]
}"#;

#[test]
fn check_prints_problems_and_fails_on_errors() {
    let (succeeded, printed, complaint) = on_file(POLICY, "check", &[]);
    assert!(!succeeded);
    assert_eq!(complaint, "armoriq-local: FILE: 1 error\n");
    assert_eq!(
        printed,
        concat!(
            "  error    agent.statements[0].conditions[0].op (hold pay)  [unknown-operator]\n",
            "           there is no operator `>`; every call that has the field `args.amount` is refused\n",
            "           try: gt\n",
            "1 error, 0 warnings, 0 hints in 1 policy\n",
        )
    );
}

#[test]
fn check_passes_what_has_no_errors() {
    let (succeeded, printed, _) = on_file(&demo(), "check", &[]);
    assert!(succeeded);
    assert_eq!(printed, "sales-bot\n  no problems\n0 errors, 0 warnings, 0 hints in 1 policy\n");
    let bundle = format!(
        r#"{{"agents": [{{"agentId": "a", "policy": {{"document": {POLICY}}}, "tools": [{{"name": "pya"}}]}}, {{"agentId": "b"}}]}}"#
    );
    let (succeeded, printed, _) = on_file(&bundle.replace("\">\"", "\"gt\""), "check", &[]);
    assert!(succeeded);
    assert!(
        printed.starts_with("a\n  warning  agent.statements[0].match.tool (hold pay)  [no-such-tool]\n"),
        "{printed}"
    );
    assert!(
        printed.ends_with(
            "b\n  has no policy: every call that it planned is allowed\n0 errors, 1 warning, 1 hint in 2 policies\n"
        ),
        "{printed}"
    );
}

#[test]
fn check_refuses_what_is_no_policy() {
    let (succeeded, _, complaint) = on_file("a: 1\n", "check", &[]);
    assert!(!succeeded);
    assert_eq!(complaint, "armoriq-local: FILE has neither a configuration nor a policy\n");
    let misspelt = demo().replace("default: block", "default: maybe");
    let (succeeded, _, complaint) = on_file(&misspelt, "check", &[]);
    assert!(!succeeded);
    assert!(complaint.contains("expected one of allow, hold, block"), "{complaint}");
}

#[test]
fn explain_draws_the_way_to_a_verdict() {
    let call = ["--agent", "sales-bot", "--tool", "payments-mcp__pay_vendor", "--args", r#"{"amount": 100.0}"#];
    let (succeeded, printed, _) = on_file(&demo(), "explain", &call);
    assert!(succeeded);
    assert_eq!(
        printed,
        concat!(
            "allow: payments-mcp__pay_vendor\n",
            "└─ agent document policy-sales-bot: live\n",
            "   └─ rules for everybody\n",
            "      ├─ key pay_vendor won: it is the only key that fits\n",
            "      ├─ hold st-2, agent.statements[1]: fails\n",
            "      │  └─ args.amount gt 100? no: the call has 100.0\n",
            "      ├─ allow st-5, agent.statements[4]: holds\n",
            "      │  └─ args.amount lte 100? yes: the call has 100.0\n",
            "      └─ allow: it is the first variant that holds\n",
        )
    );
    let (_, printed, _) = on_file(&demo(), "explain", &["--tool", "pay_vendor"]);
    assert!(printed.contains("args.amount gt 100? no: the call has no such field\n"), "{printed}");
    assert!(printed.ends_with("└─ no statement decided: the default of the agent's document is block\n"), "{printed}");
    let (_, printed, _) = on_file(&demo(), "explain", &["--tool", "fetch_sales", "--json"]);
    assert_eq!(armoriq::json::parse(&printed).unwrap()["evaluation"]["verdict"], "allow");
}

#[test]
fn explain_says_why_there_is_no_verdict() {
    let (succeeded, _, complaint) = on_file(POLICY, "explain", &["--tool", "pay", "--args", r#"{"amount": 5}"#]);
    assert!(!succeeded);
    assert_eq!(
        complaint,
        "armoriq-local: the call is refused: NotEvaluable: unknown operator \">\" (at agent.statements[0].conditions[0])\n"
    );
    let (succeeded, _, complaint) = on_file(POLICY, "explain", &["--tool", "pay", "--args", "[]"]);
    assert!(!succeeded && complaint.starts_with("armoriq-local: --args: "), "{complaint}");
    assert!(!on_file(&demo(), "explain", &["--agent", "nobody", "--tool", "pay"]).0);
}
