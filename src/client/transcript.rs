//! Adds up the tokens of an agent's transcript: a file with one JSON object a line, as coding agents keep it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use jiff_core::civil::DateTime;
use serde_json::{Value, json};

use super::utc_time;
use crate::clock::{in_utc, since_1970};
use crate::json::{self, is_truthy, string_member};

/// A model's name in a line that no model wrote.
const NO_MODEL: &str = "<synthetic>";

/// What a transcript adds up to.
#[derive(Default)]
pub(super) struct Summary {
    /// In the order of time.
    pub hours: Vec<HourOfUsage>,
    pub repo: Option<String>,
}

/// One hour of UTC.
pub(super) struct HourOfUsage {
    /// `YYYY-MM-DD`
    pub date: String,
    pub hour: i8,
    pub entries: Entries,
}

/// Counts by model, in the order in which the models came up.
#[derive(Default)]
pub(super) struct Entries(Vec<(String, Counts)>);

/// Input, output, read from the cache, written to it.
#[derive(Clone, Copy, Default)]
struct Counts([u64; 4]);

impl Summary {
    pub(super) fn count_models(&self) -> usize {
        let models = self.hours.iter().flat_map(|hour| &hour.entries.0).map(|(model, _)| model);
        models.collect::<HashSet<_>>().len()
    }
}

impl Entries {
    fn add(&mut self, model: &str, counts: Counts) {
        let at = self.0.iter().position(|(known, _)| known == model).unwrap_or_else(|| {
            self.0.push((model.to_owned(), Counts::default()));
            self.0.len() - 1
        });
        if let Some((_, sum)) = self.0.get_mut(at) {
            for (sum, count) in sum.0.iter_mut().zip(counts.0) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let entry = |(model, Counts([input, output, cache_read, cache_write])): &(String, Counts)| {
            json!({
                "model": model,
                "inputTokens": input,
                "outputTokens": output,
                "cacheReadTokens": cache_read,
                "cacheWriteTokens": cache_write,
            })
        };
        self.0.iter().map(entry).collect()
    }
}

/// Adds up a transcript. One that cannot be read adds up to nothing.
pub(super) fn summarize(path: &str) -> Summary {
    // A pipe or a device could go on for ever.
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    match File::open(path) {
        Ok(file) if is_file => summarize_lines(BufReader::new(file)),
        _ => Summary::default(),
    }
}

fn summarize_lines(mut lines: impl BufRead) -> Summary {
    let mut hours: BTreeMap<(String, i8), Entries> = BTreeMap::new();
    let mut undated = Entries::default();
    let mut seen = HashSet::new();
    let mut hour = None;
    let mut repo = None;
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line).unwrap_or(false) {
        let Ok(line @ Value::Object(_)) = json::parse_bytes(&line) else { continue };
        repo = repo.or_else(|| string_member(&line, "cwd").filter(|cwd| !cwd.is_empty()).map(str::to_owned));
        hour = string_member(&line, "timestamp").and_then(utc_time::read).map(hour_at).or(hour);
        let Some((model, counts)) = usage_of(&line, &mut seen) else { continue };
        match &hour {
            Some(hour) => hours.entry(hour.clone()).or_default().add(model, counts),
            None => undated.add(model, counts),
        }
    }
    // What came before any time belongs to the earliest.
    if !undated.0.is_empty() {
        let earliest = hours.keys().next().cloned().unwrap_or_else(|| hour_at(in_utc(since_1970())));
        let entries = hours.entry(earliest).or_default();
        for (model, counts) in undated.0 {
            entries.add(&model, counts);
        }
    }
    let hours = hours.into_iter().map(|((date, hour), entries)| HourOfUsage { date, hour, entries });
    Summary { hours: hours.collect(), repo }
}

/// Reads the next line; false at the end. One that is too long to be read is empty.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut too_long = false;
    loop {
        let chunk = lines.fill_buf()?;
        if chunk.is_empty() {
            return Ok(too_long || !line.is_empty());
        }
        let end = memchr::memchr(b'\n', chunk);
        let taken = chunk.get(..end.map_or(chunk.len(), |end| end + 1)).unwrap_or_default();
        too_long |= line.len() + taken.len() > json::MAX_BYTES;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(taken);
        }
        let length = taken.len();
        lines.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The model of a line and what it used, unless another line has told it already.
fn usage_of<'a>(line: &'a Value, seen: &mut HashSet<String>) -> Option<(&'a str, Counts)> {
    let truthy = |name: &str| line.get(name).filter(|value| is_truthy(value));
    let message = truthy("message").or_else(|| truthy("payload")).unwrap_or(line);
    let usage = if message.is_object() { message.get("usage").filter(|usage| is_truthy(usage)) } else { None };
    let usage = usage.or_else(|| truthy("usage")).filter(|usage| usage.is_object())?;
    let model = string_member(message, "model").or_else(|| string_member(line, "model"));
    let model = model.filter(|model| !model.is_empty() && *model != NO_MODEL)?;
    if let Some(id) = string_member(message, "id").filter(|id| !id.is_empty()) {
        let request = string_member(line, "requestId").unwrap_or_default();
        if !seen.insert(format!("{id}:{request}")) {
            return None;
        }
    }
    let counts = Counts::read(usage);
    (counts.0 != [0; 4]).then_some((model, counts))
}

impl Counts {
    fn read(usage: &Value) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| usage.get(name).filter(|value| !value.is_null()));
        let cached = usage.get("prompt_tokens_details").and_then(|details| details.get("cached_tokens"));
        Self([
            count(first(&["input_tokens", "prompt_tokens"])),
            count(first(&["output_tokens", "completion_tokens"])),
            count(first(&["cache_read_input_tokens"]).or(cached)),
            count(first(&["cache_creation_input_tokens"])),
        ])
    }
}

/// Whole and not negative; what is no number is none.
fn count(value: Option<&Value>) -> u64 {
    let double = match value {
        Some(Value::Number(number)) => json::as_double(number),
        Some(Value::String(text)) => text.trim().parse().unwrap_or_default(),
        Some(Value::Bool(true)) => 1.0,
        _ => 0.0,
    };
    // What is negative or no number becomes 0.
    if double.is_finite() { double as u64 } else { 0 }
}

fn hour_at(time: DateTime) -> (String, i8) {
    let date = time.date();
    (format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()), time.time().hour())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(lines: &str) -> Value {
        let summary = summarize_lines(lines.as_bytes());
        let hours = summary
            .hours
            .iter()
            .map(|hour| json!({"usageDate": hour.date, "usageHour": hour.hour, "entries": hour.entries.to_json()}));
        json!({ "hours": hours.collect::<Vec<_>>(), "repo": summary.repo })
    }

    #[test]
    fn agrees_with_the_official_sdk() {
        let vectors = json::parse(include_str!("../../tests/vectors/usage_sync.json")).unwrap();
        let case = &vectors["transcript"];
        let lines = case["lines"].as_array().unwrap().iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(summary(&lines), case["by_hour"]);
        assert_eq!(summarize_lines(lines.as_bytes()).count_models(), case["merged"].as_array().unwrap().len());
    }

    #[test]
    fn what_has_no_time_belongs_to_the_earliest_hour() {
        let lines = r#"
            {"model": "a", "usage": {"input_tokens": 1}}
            {"model": "b", "timestamp": "2026-01-02T10:00:00", "usage": {"output_tokens": 2}}
            {"model": "a", "timestamp": "2026-01-01T10:59:59.999-01:00", "usage": {"input_tokens": 4}}
            not json
            {"model": "a", "timestamp": "no time", "usage": {"input_tokens": 8}}"#;
        let entry = |model: &str, input: u64, output: u64| json!({"model": model, "inputTokens": input, "outputTokens": output, "cacheReadTokens": 0, "cacheWriteTokens": 0});
        let expected = json!([
            {"usageDate": "2026-01-01", "usageHour": 11, "entries": [entry("a", 13, 0)]},
            {"usageDate": "2026-01-02", "usageHour": 10, "entries": [entry("b", 0, 2)]},
        ]);
        assert_eq!(summary(lines)["hours"], expected);
        let now = hour_at(in_utc(since_1970()));
        let undated = summary(r#"{"model": "a", "usage": {"input_tokens": 1}}"#);
        let hours = [now, hour_at(in_utc(since_1970()))].map(|(date, _)| json!(date));
        assert!(hours.contains(&undated["hours"][0]["usageDate"]), "{undated}");
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let long = format!("{{\"model\": \"{}\", \"usage\": {{\"input_tokens\": 1}}}}", "x".repeat(json::MAX_BYTES));
        let short = r#"{"model": "a", "timestamp": "2026-01-01T00:00:00Z", "usage": {"input_tokens": 1}}"#;
        let summary = summary(&format!("{long}\n{short}\n{long}"));
        assert_eq!(summary["hours"].as_array().unwrap().len(), 1);
        assert_eq!(summary["hours"][0]["entries"][0]["model"], "a");
    }

    #[test]
    fn what_is_no_file_adds_up_to_nothing() {
        for path in ["/nowhere/at/all", "/dev/zero", "/", "a\0b"] {
            assert!(summarize(path).hours.is_empty(), "{path}");
        }
    }
}
