//! `armoriq-local check`: what is wrong with the policies of a file, for people.

use std::fmt::Write as _;

use armoriq::policy::lint::{Problem, Severity, check};
use serde_json::{Map, Value};

use crate::cli::Check;
use crate::clock::Instant;
use crate::policy_file::{self, Policy};

/// Prints the problems. It fails where there are errors among them.
pub fn run(arguments: &Check) -> Result<(), String> {
    let policies = policy_file::read(&arguments.file)?;
    let (text, errors) = report(&policies, Instant::now());
    print!("{text}");
    match errors {
        0 => Ok(()),
        count => Err(format!("{}: {}", arguments.file.display(), counted(count, "error"))),
    }
}

/// The problems of every policy as text, and how many are errors.
fn report(policies: &[Policy], now: Instant) -> (String, usize) {
    let mut text = String::new();
    let mut counts = [0; 3];
    for policy in policies {
        if let Some(agent) = &policy.agent {
            let _ = writeln!(text, "{}", agent.id);
        }
        let Some(documents) = &policy.documents else {
            text.push_str("  has no policy: every call that it planned is allowed\n");
            continue;
        };
        let problems = check(documents, policy.tools.as_deref(), now.millis());
        for problem in &problems {
            counts[problem.severity as usize] += 1;
            write_problem(&mut text, problem, documents, policy.tools.as_deref());
        }
        if problems.is_empty() {
            text.push_str("  no problems\n");
        }
    }
    let [errors, warnings, hints] = counts;
    let _ = writeln!(
        text,
        "{}, {}, {} in {}",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(hints, "hint"),
        match policies.len() {
            1 => "1 policy".to_owned(),
            count => format!("{count} policies"),
        }
    );
    (text, errors)
}

fn write_problem(text: &mut String, problem: &Problem, documents: &Map<String, Value>, tools: Option<&[Value]>) {
    let place = problem.place.to_string();
    let place = match about(&place, documents, tools) {
        Some(about) => format!("{place} ({about})"),
        None => place,
    };
    let _ = writeln!(text, "  {:<8} {place}  [{}]", problem.severity.as_str(), problem.code);
    let _ = writeln!(text, "           {}", problem.message);
    if let Some(suggestion) = &problem.suggestion {
        let _ = writeln!(text, "           try: {suggestion}");
    }
}

/// What the statement or the tool at a place is about: whoever wrote lists of rules never saw its number.
fn about(place: &str, documents: &Map<String, Value>, tools: Option<&[Value]>) -> Option<String> {
    let index = |rest: &str| rest.split_once(']').and_then(|(index, _)| index.parse::<usize>().ok());
    if let Some(rest) = place.strip_prefix("tools[") {
        return tools?.get(index(rest)?)?.get("name")?.as_str().map(str::to_owned);
    }
    let (layer, rest) = place.split_once(".statements[")?;
    let statement = documents.get(layer)?.get("statements")?.get(index(rest)?)?;
    let matched = statement.get("match")?;
    let key = matched.get("tool").or_else(|| matched.get("capability"))?.as_str()?;
    let effect = statement.get("effect").and_then(Value::as_str).unwrap_or_default();
    Some(format!("{effect} {key}").trim_start().to_owned())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The severities count in this order.
const _: () = assert!(Severity::Error as usize == 0 && Severity::Warning as usize == 1 && Severity::Hint as usize == 2);
