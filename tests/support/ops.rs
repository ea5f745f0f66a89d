//! The steps of a scenario: how each op is called and how its result is compared.

use std::{collections::BTreeSet, ffi::OsStr};

use serde_json::{Value, json};

use super::{
    compare::Differences,
    library::{ALLOW, Answer, Armoriq, BLOCK, HOLD, OK},
    scenario::{Failure, Scenario, Step},
    stub::{Stub, python_json, python_repr},
};

/// How an op is called, how its result is compared, and which of the recorded waits count.
struct Op {
    call: fn(&mut Armoriq, &Step) -> Answer,
    compare: fn(&mut Differences, &str, &Step, &Answer),
    waits: fn(&[f64]) -> &[f64],
    /// The path of the request that the first wait follows; the first of all when empty.
    waits_after: &'static str,
}

impl Op {
    fn named(name: &str) -> Self {
        let plain = Self { call: client_method, compare: as_recorded, waits: |recorded| recorded, waits_after: "" };
        match name {
            "start_session" => Self { call: start_session, ..plain },
            "start_plan" => Self { call: start_plan, ..plain },
            "check" => Self { call: check, compare: decision, ..plain },
            "report" => Self { call: report, compare: delivery, ..plain },
            "complete_plan" | "update_plan_status" => Self { compare: delivery, ..plain },
            // The library looks at once: the first recorded wait is left out.
            "await_approval" => Self {
                call: await_approval,
                compare: approval,
                waits: |recorded| recorded.get(1..).unwrap_or_default(),
                ..plain
            },
            "dispatch" => Self { call: dispatch, ..plain },
            "invoke_with_policy" => Self { waits_after: "/delegation/request", ..plain },
            "reset" => Self { call: |armoriq, _| armoriq.reset(), ..plain },
            // Every other is a method of the client's.
            _ => plain,
        }
    }
}

/// The status that stands for an exception of the official SDK.
const EXCEPTIONS: [(&str, i32, &str); 10] = [
    ("ValueError", 1, "ARMORIQ_ERR_INVALID_ARGUMENT"),
    ("ConfigurationException", 10, "ARMORIQ_ERR_CONFIGURATION"),
    ("InvalidTokenException", 20, "ARMORIQ_ERR_INVALID_TOKEN"),
    ("IntentMismatchException", 30, "ARMORIQ_ERR_INTENT_MISMATCH"),
    ("IntentReanchorException", 31, "ARMORIQ_ERR_INTENT_REANCHOR"),
    ("PolicyBlockedException", 40, "ARMORIQ_ERR_POLICY_BLOCKED"),
    ("PolicyHoldException", 41, "ARMORIQ_ERR_POLICY_HOLD"),
    ("DelegationException", 50, "ARMORIQ_ERR_DELEGATION"),
    ("MCPInvocationException", 60, "ARMORIQ_ERR_MCP_INVOCATION"),
    ("ArmorIQException", 70, "ARMORIQ_ERR_SERVICE"),
];

/// Plays a scenario against a stub, and says what differed.
pub fn play(library: &OsStr, scenario: &Scenario) -> Option<String> {
    let stub = Stub::start();
    let mut armoriq = Armoriq::open(library);
    let mut differences = Differences::default();
    let mut used_keys = BTreeSet::new();

    let opened = armoriq.new_client(&client_options(scenario, &stub));
    assert_eq!(opened.status, OK, "armoriq_client_new: {}", opened.json);
    for (index, step) in scenario.steps.iter().enumerate() {
        let place = format!("step {index} {}", step.op);
        let op = Op::named(&step.op);
        stub.load(&step.exchanges);
        let answer = (op.call)(&mut armoriq, step);
        let seen = stub.take_seen();
        if let Some(name) = &step.save_as {
            armoriq.saved.insert(name.clone(), answer.json.clone());
        }
        match &step.error {
            Some(failure) => {
                let failure = as_this_library_says(failure, step, &stub);
                compare_failure(&mut differences, &place, &armoriq, &failure, &answer);
            }
            None if answer.status == OK => (op.compare)(&mut differences, &place, step, &answer),
            None => differences.note(&place, format!("failed with {}: {}", answer.status, answer.json)),
        }
        differences.requests(&place, step, &seen);
        let first = seen.iter().position(|request| op.waits_after.is_empty() || request.path == op.waits_after);
        differences.waits(&place, (op.waits)(&step.delays_s), &seen[first.unwrap_or_default()..]);
        differences.idempotency(&place, step, &seen, &mut used_keys);
    }
    differences.into_report()
}

fn client_options(scenario: &Scenario, stub: &Stub) -> Value {
    let mut options = scenario.client.clone();
    for (name, address) in
        [("backend_endpoint", stub.backend), ("proxy_endpoint", stub.proxy), ("iap_endpoint", stub.iap)]
    {
        options.insert(name.to_owned(), json!(format!("http://{address}")));
    }
    Value::Object(options)
}

fn start_session(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    armoriq.start_session(args["user_email"].as_str(), &args["options"])
}

fn start_plan(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    armoriq.start_plan(&args["tool_calls"], args["goal"].as_str())
}

fn check(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    armoriq.check(name(&args["tool"]), &args["args"], &user_option(args))
}

fn dispatch(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    armoriq.dispatch(name(&args["tool"]), &args["args"], &user_option(args))
}

fn user_option(args: &Value) -> Value {
    match &args["user_email"] {
        Value::Null => json!({}),
        user_email => json!({ "user_email": user_email }),
    }
}

fn report(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    armoriq.report(name(&args["tool"]), &args["args"], &args["result"], &args["options"])
}

fn await_approval(armoriq: &mut Armoriq, Step { args, .. }: &Step) -> Answer {
    let milliseconds = |seconds: &Value| seconds.as_f64().expect("a number of seconds") * 1000.0;
    let options = json!({
        "timeout_ms": milliseconds(&args["timeout"]) as u64,
        "interval_ms": milliseconds(&args["interval"]) as u64,
    });
    armoriq.await_approval(name(&args["delegation_id"]), &options)
}

/// The params are the recorded arguments, the null ones left out; the name of a saved result stands for that result.
fn client_method(armoriq: &mut Armoriq, step: &Step) -> Answer {
    let members = step.args.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let params = members.map(|(name, value)| {
        let saved = value.as_str().filter(|_| name == "intent_token").and_then(|name| armoriq.saved.get(name));
        (name.clone(), saved.unwrap_or(value).clone())
    });
    let params = Value::Object(params.collect());
    armoriq.client_method(&step.op, &params)
}

fn name(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn as_recorded(differences: &mut Differences, place: &str, step: &Step, answer: &Answer) {
    differences.result(place, recorded(step), &answer.json);
}

/// A decision, its verdict, and what a decision of this library says besides.
fn decision(differences: &mut Differences, place: &str, step: &Step, answer: &Answer) {
    differences.result(place, recorded(step), &answer.json);
    let verdict = match recorded(step)["action"].as_str() {
        Some("allow") => ALLOW,
        Some("hold") => HOLD,
        _ => BLOCK,
    };
    if answer.verdict != Some(verdict) {
        differences.note(place, format!("expected the verdict {verdict}, got {:?}", answer.verdict));
    }
    for member in ["cause", "for_model"] {
        match answer.json.get(member) {
            Some(Value::Null) if verdict == ALLOW => {}
            Some(Value::String(text)) if verdict != ALLOW && !text.is_empty() => {}
            other => differences.note(place, format!("{member} is {other:?} beside the verdict {verdict}")),
        }
    }
}

/// The official SDK says nothing of a report or a plan's status; this library says whether the service took it.
fn delivery(differences: &mut Differences, place: &str, step: &Step, answer: &Answer) {
    let status = step.exchanges.last().and_then(|exchange| exchange.response.status).unwrap_or(200);
    differences.result(place, &json!({ "delivered": status < 400 }), &answer.json);
}

fn approval(differences: &mut Differences, place: &str, step: &Step, answer: &Answer) {
    differences.result(place, &json!({ "status": recorded(step) }), &answer.json);
}

fn recorded(step: &Step) -> &Value {
    step.result.as_ref().expect("a step has a result or an error")
}

/// The failure with the stub's own address, and with a JSON body where the recording has Python's rendering of it.
fn as_this_library_says(failure: &Failure, step: &Step, stub: &Stub) -> Failure {
    let mut message = failure.message.replace("{{proxy}}", &format!("http://{}", stub.proxy));
    for body in step.exchanges.iter().filter_map(|exchange| exchange.response.json.as_ref()) {
        message = message.replace(&python_repr(body), &python_json(body));
    }
    Failure { message, ..failure.clone() }
}

fn compare_failure(differences: &mut Differences, place: &str, armoriq: &Armoriq, failure: &Failure, answer: &Answer) {
    let exception = EXCEPTIONS.iter().find(|(exception, ..)| *exception == failure.exception);
    let (_, status, code) = exception.unwrap_or_else(|| panic!("the driver has no exception {}", failure.exception));
    if answer.status != *status || armoriq.status_name(answer.status) != *code {
        differences.note(place, format!("expected {code} ({status}), got {}", answer.status));
    }
    let mut expected = failure.attributes.clone();
    expected.insert("code".to_owned(), json!(code));
    expected.insert("message".to_owned(), json!(failure.message));
    differences.json(place, &Value::Object(expected), &answer.json);
}
