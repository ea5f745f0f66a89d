//! When what the library asked and answered counts as equal to what was recorded.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, Number, Value};

use super::{
    scenario::{Exchange, Step},
    stub::Seen,
};

/// Headers in which a client may differ from the one that was recorded.
const OWN_HEADERS: [&str; 2] = ["user-agent", "accept"];

/// How far a wait may be off. Clocks round, and a loaded machine wakes a thread late; recorded waits are at least a
/// second apart, so none passes for another.
const EARLY: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_millis(900);

/// Stands for a time that was measured.
const SECONDS: &str = "<seconds>";

/// What follows this in a reason is whatever the HTTP client says.
const UNAVAILABLE: &str = "enforce-unavailable: ";

/// The differences found so far in a scenario, each with the place where it is.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    pub fn note(&mut self, place: &str, what: impl AsRef<str>) {
        self.0.push(format!("{place}: {}", what.as_ref()));
    }

    pub fn into_report(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("\n"))
    }

    /// JSON by value: the order of members does not matter and 60 equals 60.0.
    pub fn json(&mut self, place: &str, expected: &Value, actual: &Value) {
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                self.members(place, expected, actual);
                for name in actual.keys().filter(|name| !expected.contains_key(*name)) {
                    self.note(place, format!("has the member {name:?}, which was not recorded"));
                }
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                    self.json(&format!("{place}[{index}]"), expected, actual);
                }
            }
            (Value::String(expected), Value::Number(actual)) if expected == SECONDS => {
                if !actual.as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)) {
                    self.note(place, format!("{actual} is no time that a call took"));
                }
            }
            (Value::String(expected), Value::String(actual)) => self.text(place, expected, actual),
            (Value::Number(expected), Value::Number(actual)) if same_number(expected, actual) => {}
            _ if expected == actual => {}
            _ => self.note(place, format!("expected {expected}, got {actual}")),
        }
    }

    /// Every recorded member, and perhaps more: a result may say more than the official SDK's.
    pub fn result(&mut self, place: &str, expected: &Value, actual: &Value) {
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => self.members(place, expected, actual),
            _ => self.json(place, expected, actual),
        }
    }

    fn members(&mut self, place: &str, expected: &Map<String, Value>, actual: &Map<String, Value>) {
        for (name, expected) in expected {
            let place = format!("{place}.{name}");
            match actual.get(name) {
                Some(actual) => self.json(&place, expected, actual),
                None => self.note(&place, format!("missing, expected {expected}")),
            }
        }
    }

    pub fn text(&mut self, place: &str, expected: &str, actual: &str) {
        let same = match expected.strip_prefix(UNAVAILABLE) {
            Some(_) => actual.strip_prefix(UNAVAILABLE).is_some_and(|cause| !cause.is_empty()),
            None => fits(expected, actual),
        };
        if !same {
            self.note(place, format!("expected {expected:?}, got {actual:?}"));
        }
    }

    /// The requests of a step: each recorded one once, in order, and no other.
    pub fn requests(&mut self, place: &str, step: &Step, seen: &[Seen]) {
        for request in seen.iter().filter(|request| request.exchange.is_none()) {
            let body = String::from_utf8_lossy(&request.body);
            let what = format!("unexpected {} {} on {:?}: {body}", request.method, request.path, request.host);
            self.note(place, what);
        }
        let mut played: Vec<usize> = seen.iter().filter_map(|request| request.exchange).collect();
        if !played.is_sorted() {
            self.note(place, format!("the requests came in the order {played:?}"));
        }
        played.sort_unstable();
        for (index, exchange) in step.exchanges.iter().enumerate() {
            let Exchange { request, .. } = exchange;
            let place = format!("{place}, request {index} ({} {})", request.method, request.path);
            match seen.iter().find(|request| request.exchange == Some(index)) {
                Some(seen) => self.request(&place, exchange, seen),
                None => self.note(&place, "was not sent"),
            }
        }
    }

    fn request(&mut self, place: &str, Exchange { request, .. }: &Exchange, seen: &Seen) {
        if request.query != seen.query {
            self.note(place, format!("query: expected {:?}, got {:?}", request.query, seen.query));
        }
        for (name, expected) in request.headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str())) {
            let place = format!("{place} header {name}");
            match seen.header(name) {
                Some(actual) => self.text(&place, expected, actual),
                None => self.note(&place, format!("missing, expected {expected:?}")),
            }
        }
        if !request.headers.contains_key("x-api-key") && seen.header("x-api-key").is_some() {
            self.note(place, "the API key must not be in x-api-key here");
        }
        let place = format!("{place} body");
        match (&request.body, serde_json::from_slice::<Value>(&seen.body)) {
            (None, _) if seen.body.is_empty() => {}
            (None, _) => self.note(&place, format!("expected none, got {}", String::from_utf8_lossy(&seen.body))),
            (Some(expected), Ok(actual)) => self.json(&place, &expected.json, &actual),
            (Some(_), Err(error)) => {
                self.note(&place, format!("{error} in {:?}", String::from_utf8_lossy(&seen.body)));
            }
        }
    }

    /// The waits between attempts, measured at the stub from one answer to the next request.
    pub fn waits(&mut self, place: &str, recorded: &[f64], seen: &[Seen]) {
        for (index, &seconds) in recorded.iter().enumerate() {
            let place = format!("{place}, wait {index}");
            let Some([before, after]) = seen.get(index..index + 2) else {
                self.note(&place, format!("expected {seconds} s, but nothing was sent after it"));
                continue;
            };
            let (expected, actual) = (Duration::from_secs_f64(seconds), after.arrived - before.answered);
            if actual + EARLY < expected || actual > expected + LATE {
                self.note(&place, format!("expected {expected:?}, got {actual:?}"));
            }
        }
    }

    /// A generated idempotency key is that of one call: the same on each attempt, and never used again.
    pub fn idempotency(&mut self, place: &str, step: &Step, seen: &[Seen], used: &mut BTreeSet<String>) {
        let generated = |request: &&Seen| {
            let exchange = request.exchange.and_then(|index| step.exchanges.get(index));
            exchange
                .and_then(|exchange| exchange.request.headers.get("idempotency-key"))
                .is_some_and(|key| key.contains('<'))
        };
        let keys = seen
            .iter()
            .filter(generated)
            .filter_map(|request| Some((&request.path, request.header("idempotency-key")?)));
        let mut keys: Vec<_> = keys.collect();
        keys.dedup();
        for (path, key) in keys {
            if !used.insert(key.to_owned()) {
                self.note(place, format!("the idempotency key {key} of {path} was used before"));
            }
        }
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    let is_integer = |number: &Number| !number.as_str().contains(['.', 'e', 'E']);
    if is_integer(a) && is_integer(b) { a.as_str() == b.as_str() } else { a.as_f64() == b.as_f64() }
}

/// Whether a text is the recorded one, in which `<name>` stands for a value of that form.
fn fits(recorded: &str, actual: &str) -> bool {
    /// What is left of a text after a value of the form.
    type Form = fn(&str) -> Option<&str>;
    const FORMS: [(&str, Form); 4] = [
        ("<random-hex-32>", |text| hex(text, 32)),
        ("<hex-8>", |text| hex(text, 8)),
        ("<millis>", |text| digits(text, 13)),
        ("<now>", instant),
    ];
    let form =
        FORMS.iter().filter_map(|(name, form)| Some((recorded.find(name)?, name, form))).min_by_key(|found| found.0);
    let Some((start, name, form)) = form else { return recorded == actual };
    let rest = actual.strip_prefix(&recorded[..start]).and_then(form);
    rest.is_some_and(|rest| fits(&recorded[start + name.len()..], rest))
}

fn hex(text: &str, count: usize) -> Option<&str> {
    let (taken, rest) = text.split_at_checked(count)?;
    taken.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(rest)
}

fn digits(text: &str, count: usize) -> Option<&str> {
    let (taken, rest) = text.split_at_checked(count)?;
    taken.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`; the fraction is left out when it is zero.
fn instant(text: &str) -> Option<&str> {
    let mut rest = digits(text, 4)?;
    for separator in ["-", "-", "T", ":", ":"] {
        rest = digits(rest.strip_prefix(separator)?, 2)?;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = digits(fraction, 6)?;
    }
    rest.strip_prefix('Z')
}

mod tests {
    use serde_json::json;

    use super::*;

    fn differences(compare: impl FnOnce(&mut Differences)) -> Vec<String> {
        let mut differences = Differences::default();
        compare(&mut differences);
        differences.0
    }

    #[test]
    fn compare_takes_numbers_by_value_and_members_in_any_order() {
        let (recorded, actual) = (json!({"a": 60, "b": [1.5, null]}), json!({"b": [1.50, null], "a": 60.0}));
        assert!(differences(|found| found.json("", &recorded, &actual)).is_empty());
        for different in [json!({"a": 61, "b": [1.5, null]}), json!({"a": 60, "b": [1.5]}), json!({"a": 60})] {
            assert!(!differences(|found| found.json("", &recorded, &different)).is_empty(), "{different}");
        }
        // As doubles these two are one.
        let integers = (json!(9007199254740993_u64), json!(9007199254740992_u64));
        assert!(!differences(|found| found.json("", &integers.0, &integers.1)).is_empty());
    }

    #[test]
    fn compare_lets_a_result_say_more_but_not_a_request() {
        let (recorded, actual) = (json!({"a": {"b": 1}}), json!({"a": {"b": 1}, "cause": null}));
        assert!(differences(|found| found.result("", &recorded, &actual)).is_empty());
        assert!(!differences(|found| found.json("", &recorded, &actual)).is_empty());
        let deeper = json!({"a": {"b": 1, "c": 2}});
        assert!(!differences(|found| found.result("", &recorded, &deeper)).is_empty());
    }

    #[test]
    fn compare_knows_the_forms_of_placeholders() {
        let key = "0123456789abcdef0123456789abcdef";
        assert!(fits("<random-hex-32>", key));
        assert!(!fits("<random-hex-32>", &key.to_uppercase()) && !fits("<random-hex-32>", &key[1..]));
        assert!(fits("deleg-<millis>-<hex-8>", "deleg-1792500000000-deadbeef"));
        assert!(!fits("deleg-<millis>-<hex-8>", "deleg-1792500000000-deadbeef0"));
        assert!(fits("<now>", "2026-10-01T12:00:00.000001Z") && fits("<now>", "2026-10-01T12:00:00Z"));
        assert!(!fits("<now>", "2026-10-01T12:00:00.001Z") && !fits("<now>", "2026-10-01T12:00:00+00:00"));
        assert!(fits("<MCP>__<action>", "<MCP>__<action>"));
    }

    #[test]
    fn compare_takes_any_cause_after_enforce_unavailable() {
        assert!(differences(|found| found.text("", "enforce-unavailable: x", "enforce-unavailable: y")).is_empty());
        for wrong in ["enforce-unavailable: ", "enforce-invalid: x", "x"] {
            assert!(!differences(|found| found.text("", "enforce-unavailable: x", wrong)).is_empty(), "{wrong}");
        }
    }
}
