//! Token usage: what models cost, counted per session, model and hour. Nothing here fails for what the service does:
//! the result says what happened.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::transcript::{self, HourOfUsage};
use super::{Call, Client, Params, utc_time};
use crate::clock::since_1970;
use crate::config::{Reader, is_uuid};
use crate::json::{self, ObjectWriter, is_truthy, string_member};
use crate::transport::{Response, TransportError, on_own_thread};
use crate::{Error, Result};

const PATH: &str = "/dashboard/token-usage";
/// How long a call of the usage stream may take where nothing else is asked for.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_SNAPSHOTS: usize = 100;
const MAX_ENTRIES: usize = 500;
const MAX_BATCH_BYTES: usize = 262_144;
/// The longest reason that is given, in characters.
const MAX_REASON: usize = 300;

/// The counts of one session in one hour.
struct Usage<'a> {
    product: &'a str,
    session_id: &'a str,
    entries: &'a Value,
    usage_date: &'a str,
    usage_hour: i64,
    repo: Option<&'a str>,
    device: Device<'a>,
}

/// On what the tokens were used.
#[derive(Clone, Copy)]
struct Device<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    armored: Option<bool>,
}

impl<'a> Device<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self {
            id: reader.text("device_id")?,
            name: reader.text("device_name")?,
            armored: reader.boolean("armored")?,
        })
    }
}

impl Client {
    /// Records the counts of one session in one hour, in the place of those recorded before.
    pub async fn record_token_usage(&self, params: Params<'_>) -> Result<Value> {
        let usage = params.read(|reader| {
            let entries = reader.value("entries").filter(|entries| entries.is_array());
            let (date, hour) = (reader.value("usage_date"), reader.value("usage_hour"));
            Ok(Usage {
                product: reader.required_text("product")?,
                session_id: reader.required_text("session_id")?,
                usage_date: usage_date(date)?,
                usage_hour: usage_hour(hour)?,
                entries: entries.ok_or_else(|| reader.expected("entries", "a list"))?,
                repo: reader.text("repo")?,
                device: Device::read(reader)?,
            })
        })?;
        Ok(self.record(&usage).await)
    }

    async fn record(&self, usage: &Usage<'_>) -> Value {
        if usage.entries.as_array().is_none_or(Vec::is_empty) {
            return json!({ "ok": true, "recorded": 0 });
        }
        let mut body = ObjectWriter::new();
        body.value("product", usage.product)
            .value("sessionId", usage.session_id)
            .value("entries", usage.entries)
            .value("usageDate", usage.usage_date)
            .value("usageHour", &usage.usage_hour)
            .optional("repo", usage.repo)
            .optional("deviceId", usage.device.id)
            .optional("deviceName", usage.device.name)
            .optional("armored", usage.device.armored.as_ref());
        match Call::post(self.backend_url(PATH, &[]), body.finish()).retried().send(self).await {
            Ok(response) if response.is_success() => {
                let answer = response.json().unwrap_or_default();
                json!({ "ok": true, "status": response.status(), "recorded": answer.get("recorded") })
            }
            Ok(response) => {
                let reason = reason_of(&response);
                json!({ "ok": false, "status": response.status(), "recorded": null, "reason": reason })
            }
            Err(error) => json!({ "ok": false, "reason": error.to_string() }),
        }
    }

    /// Starts a usage stream, or finds the one that there is.
    pub async fn initialize_usage_stream(&self, params: Params<'_>) -> Result<Value> {
        let timeout = params.read(stream_timeout)?;
        let call = Call::post(self.backend_url(&format!("{PATH}/stream"), &[]), "{}".to_owned());
        Ok(self.stream(call, timeout, generation_problem).await)
    }

    /// Ends a usage stream's generation and starts the next.
    pub async fn reset_usage_stream(&self, params: Params<'_>) -> Result<Value> {
        let (generation, reset_id, timeout) = params
            .read(|reader| Ok((reader.value("generation"), reader.value("reset_id"), stream_timeout(reader)?)))?;
        let (Some(generation), Some(reset_id)) = (uuid(generation), uuid(reset_id)) else {
            return Ok(invalid_call("generation and resetId must be UUIDs"));
        };
        let body = ObjectWriter::new().value("generation", generation).value("resetId", reset_id).finish();
        let call = Call::post(self.backend_url(&format!("{PATH}/stream/reset"), &[]), body);
        Ok(self.stream(call, timeout, generation_problem).await)
    }

    /// Records the counts of many sessions and hours at once.
    pub async fn record_token_usage_batch(&self, params: Params<'_>) -> Result<Value> {
        let (batch, timeout) = params.read(|reader| Ok((reader.value("batch"), stream_timeout(reader)?)))?;
        let batch = batch.unwrap_or(&Value::Null);
        let body = batch.to_string();
        if let Some(problem) = batch_problem(batch, body.len()) {
            return Ok(invalid_call(problem));
        }
        let call = Call::post(self.backend_url(&format!("{PATH}/batch"), &[]), body);
        Ok(self.stream(call, timeout, |answer| batch_answer_problem(batch, answer)).await)
    }

    /// Reports how a run of a usage uploader went.
    pub async fn report_usage_run(&self, params: Params<'_>) -> Result<Value> {
        let (run_id, report, timeout) =
            params.read(|reader| Ok((reader.value("run_id"), reader.value("report"), stream_timeout(reader)?)))?;
        let Some(run_id) = uuid(run_id) else { return Ok(invalid_call("runId must be a UUID")) };
        let Some(report) = report.filter(|report| report.is_object()) else {
            return Ok(invalid_call("report must be an object"));
        };
        let call = Call::put(self.backend_url(&format!("{PATH}/runs/{run_id}"), &[]), report.to_string());
        Ok(self.stream(call, timeout, |answer| run_answer_problem(run_id, answer)).await)
    }

    /// Adds up what a transcript says of the models' tokens, and records it, hour by hour.
    pub async fn capture_transcript_tokens(&self, params: Params<'_>) -> Result<Value> {
        let (path, product, session_id, device) = params.read(|reader| {
            Ok((
                reader.required_text("transcript_path")?,
                reader.required_text("product")?,
                reader.required_text("session_id")?,
                Device::read(reader)?,
            ))
        })?;
        let path = path.to_owned();
        // Reading a long file takes a while, and other calls may wait for this thread.
        let summary = on_own_thread(move || transcript::summarize(&path)).await;
        let summary = summary.map_err(|error| Error::Service {
            message: format!("the transcript was not read: {error}"),
            status_code: None,
        })?;
        if summary.hours.is_empty() {
            return Ok(json!({ "ok": true, "recorded": 0 }));
        }
        let (mut ok, mut reason) = (true, Value::Null);
        for HourOfUsage { date, hour, entries } in &summary.hours {
            let recorded = self
                .record(&Usage {
                    product,
                    session_id,
                    entries: &entries.to_json(),
                    usage_date: date,
                    usage_hour: (*hour).into(),
                    repo: summary.repo.as_deref(),
                    device,
                })
                .await;
            if recorded.get("ok") != Some(&Value::Bool(true)) {
                ok = false;
                if reason.is_null() {
                    reason = recorded.get("reason").cloned().unwrap_or_default();
                }
                // A service that does not answer would make each of many hours wait. The next capture sends them all.
                if recorded.get("status").is_none() {
                    break;
                }
            }
        }
        Ok(json!({ "ok": ok, "recorded": summary.count_models(), "reason": reason }))
    }

    /// One attempt, whose answer has to be what was asked for.
    async fn stream(
        &self,
        call: Call,
        timeout: Duration,
        problem: impl FnOnce(&Value) -> Option<&'static str>,
    ) -> Value {
        let sent = call.timeout(timeout).send(self).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return unreachable_service(&error),
        };
        let status = response.status();
        if !response.is_success() {
            return http_failure(&response);
        }
        let answer = response.json().unwrap_or_default();
        match problem(&answer) {
            None => json!({ "ok": true, "status": status, "value": answer }),
            Some(reason) => json!({ "ok": false, "status": status, "retryable": false, "reason": reason }),
        }
    }
}

fn unreachable_service(error: &TransportError) -> Value {
    json!({ "ok": false, "retryable": true, "unreachable": true, "reason": shortened(&error.message) })
}

fn invalid_call(reason: &str) -> Value {
    json!({ "ok": false, "retryable": false, "reason": reason })
}

fn http_failure(response: &Response) -> Value {
    let status = response.status();
    let mut failure = json!({
        "ok": false,
        "status": status,
        "retryable": status >= 500 || status == 408 || status == 429,
        "reason": reason_of(response),
    });
    let retry_after = retry_after_ms(response.header("retry-after"), since_1970().as_millis());
    let relogin = status == 403
        && response.json().is_ok_and(|answer| string_member(&answer, "error") == Some("relogin_required"));
    if let Value::Object(members) = &mut failure {
        members.extend(retry_after.map(|ms| ("retry_after_ms".to_owned(), json!(ms))));
        members.extend(relogin.then(|| ("relogin_required".to_owned(), json!(true))));
    }
    failure
}

/// When a header says to come back, in milliseconds from `now_ms` (since 1970): after a number of seconds, or at a date.
fn retry_after_ms(header: Option<&str>, now_ms: u128) -> Option<u64> {
    let header = header?.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        let milliseconds = (seconds * 1000.0).round_ties_even();
        // What is negative becomes 0.
        return milliseconds.is_finite().then_some(milliseconds as u64);
    }
    let at = httpdate::parse_http_date(header).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(at.as_millis().saturating_sub(now_ms)).ok()
}

fn reason_of(response: &Response) -> String {
    let answer = response.json().unwrap_or_else(|_| response.text().into());
    failure_reason(&answer).unwrap_or_else(|| format!("HTTP {}", response.status()))
}

/// What an answer gives as its reason: its message, or several of them, its error, or the answer itself.
fn failure_reason(answer: &Value) -> Option<String> {
    let message = answer.get("message");
    if let Some(Value::Array(messages)) = message {
        let mut unique: Vec<&str> = Vec::new();
        for message in messages.iter().filter_map(Value::as_str) {
            if !unique.contains(&message) {
                unique.push(message);
            }
        }
        return Some(shortened(&unique.join("; "))).filter(|reason| !reason.is_empty());
    }
    let candidates = [message, answer.get("error"), Some(answer)].into_iter().flatten().filter_map(Value::as_str);
    candidates.map(shortened).find(|reason| !reason.is_empty())
}

/// On one line, and not too long.
fn shortened(reason: &str) -> String {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_REASON {
        return line;
    }
    line.chars().take(MAX_REASON - 3).chain("...".chars()).collect()
}

fn stream_timeout(reader: &mut Reader<'_>) -> Result<Duration> {
    Ok(reader.milliseconds("timeout_ms")?.unwrap_or(STREAM_TIMEOUT))
}

fn usage_date(date: Option<&Value>) -> Result<&str> {
    calendar_date(date).ok_or_else(|| {
        let date = json::shown(date.unwrap_or(&Value::Null));
        Error::InvalidArgument(format!("usage_date must be a UTC calendar date as YYYY-MM-DD, got {date}"))
    })
}

fn usage_hour(hour: Option<&Value>) -> Result<i64> {
    hour_of_day(hour).ok_or_else(|| {
        let hour = json::shown(hour.unwrap_or(&Value::Null));
        Error::InvalidArgument(format!(
            "usage_hour must be an integer from 0 to 23 (UTC hour of usage_date), got {hour}"
        ))
    })
}

/// `YYYY-MM-DD`, of a day that there is.
fn calendar_date(date: Option<&Value>) -> Option<&str> {
    let date = date?.as_str()?;
    let form: Vec<_> =
        date.split('-').map(|part| (part.len(), part.bytes().all(|byte| byte.is_ascii_digit()))).collect();
    let exists = form == [(4, true), (2, true), (2, true)] && utc_time::read_date(date).is_some();
    exists.then_some(date)
}

/// A whole number written as one.
fn hour_of_day(hour: Option<&Value>) -> Option<i64> {
    let number = hour?.as_number().filter(|number| !json::is_float(number))?;
    number.as_i64().filter(|hour| (0..=23).contains(hour))
}

/// A UUID of one of the standard's versions and its variant.
fn uuid(value: Option<&Value>) -> Option<&str> {
    let text = value?.as_str().filter(|text| is_uuid(text))?;
    let digit = |at: usize| text.as_bytes().get(at).map(u8::to_ascii_lowercase).unwrap_or_default();
    (matches!(digit(14), b'1'..=b'8') && matches!(digit(19), b'8' | b'9' | b'a' | b'b')).then_some(text)
}

/// What is wrong with a batch that is `size` bytes long.
fn batch_problem(batch: &Value, size: usize) -> Option<&'static str> {
    if uuid(batch.get("generation")).is_none() || uuid(batch.get("batchId")).is_none() {
        return Some("generation and batchId must be UUIDs");
    }
    if batch.get("runId").is_some_and(|run_id| uuid(Some(run_id)).is_none()) {
        return Some("runId must be a UUID");
    }
    let snapshots =
        batch.get("snapshots").and_then(Value::as_array).filter(|list| (1..=MAX_SNAPSHOTS).contains(&list.len()));
    let Some(snapshots) = snapshots else { return Some("a batch must hold 1 to 100 snapshots") };
    let entries = |snapshot: &Value| snapshot.get("entries").and_then(Value::as_array).map_or(0, Vec::len);
    if snapshots.iter().map(entries).sum::<usize>() > MAX_ENTRIES {
        return Some("a batch must hold at most 500 model entries");
    }
    let problem = snapshots.iter().find_map(snapshot_problem);
    problem.or_else(|| (size > MAX_BATCH_BYTES).then_some("a batch must encode to at most 262144 bytes"))
}

fn snapshot_problem(snapshot: &Value) -> Option<&'static str> {
    let revision = snapshot.get("revision").and_then(Value::as_number).filter(|number| !json::is_float(number));
    let is_positive = |text: &str| !text.starts_with('-') && text.bytes().any(|digit| digit != b'0');
    let checks = [
        (string_member(snapshot, "sessionId").is_some_and(|id| !id.is_empty()), "every snapshot needs a sessionId"),
        (revision.is_some_and(|revision| is_positive(revision.as_str())), "revision must be a positive integer"),
        (
            snapshot.get("entries").is_some_and(|entries| entries.is_array() && is_truthy(entries)),
            "every snapshot needs at least one entry",
        ),
        (calendar_date(snapshot.get("usageDate")).is_some(), "usageDate must be a UTC calendar date as YYYY-MM-DD"),
        (hour_of_day(snapshot.get("usageHour")).is_some(), "usageHour must be an integer from 0 to 23"),
    ];
    checks.into_iter().find_map(|(holds, problem)| (!holds).then_some(problem))
}

fn batch_answer_problem(batch: &Value, answer: &Value) -> Option<&'static str> {
    let list = |value: &Value, name| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (sent, acknowledged) = (list(batch, "snapshots"), list(answer, "results"));
    if sent.len() != acknowledged.len() {
        return Some("the acknowledgement does not list every snapshot sent");
    }
    let matches = |(sent, acknowledged): (&Value, &Value)| {
        let same = |name| sent.get(name) == acknowledged.get(name);
        let hour = |value: &Value| hour_of_day(value.get("usageHour"));
        same("sessionId")
            && same("usageDate")
            && hour(sent) == hour(acknowledged)
            && matches!(string_member(acknowledged, "status"), Some("applied" | "present" | "superseded"))
    };
    let all_match = sent.iter().zip(&acknowledged).all(matches);
    (!all_match).then_some("the acknowledgement does not match the snapshots sent")
}

fn run_answer_problem(run_id: &str, answer: &Value) -> Option<&'static str> {
    let acknowledged = answer.get("run").and_then(|run| string_member(run, "runId"));
    let matches = answer.get("applied").is_some_and(Value::is_boolean) && acknowledged == Some(run_id);
    (!matches).then_some("the run acknowledgement does not match the run reported")
}

fn generation_problem(answer: &Value) -> Option<&'static str> {
    uuid(answer.get("generation")).is_none().then_some("the stream response has no generation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Value {
        json::parse(include_str!("../../tests/vectors/usage_sync.json")).unwrap()
    }

    #[test]
    fn retry_after() {
        let vectors = vectors();
        let now = vectors["retry_after_ms"]["now_ms"].as_u64().unwrap();
        let cases = vectors["retry_after_ms"]["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 13);
        for case in cases {
            assert_eq!(json!(retry_after_ms(case["header"].as_str(), now.into())), case["ms"], "{case}");
        }
    }

    #[test]
    fn reasons() {
        let vectors = vectors();
        for case in vectors["failure_reason"].as_array().unwrap() {
            // The transport takes secrets out of every answer before it is read.
            let concealed = case["data"].to_string().replace(case["secret"].as_str().unwrap(), "[redacted]");
            assert_eq!(json!(failure_reason(&json::parse(&concealed).unwrap())), case["out"], "{case}");
        }
    }

    #[test]
    fn batches() {
        let vectors = vectors();
        for case in vectors["batch_error"].as_array().unwrap() {
            let batch = &case["batch"];
            assert_eq!(json!(batch_problem(batch, batch.to_string().len())), case["error"], "{case}");
        }
        let good = &vectors["batch_error"][0]["batch"];
        assert_eq!(batch_problem(good, MAX_BATCH_BYTES + 1), Some("a batch must encode to at most 262144 bytes"));
        for revision in ["1.0", "true", "\"1\"", "-1", "0", "null"] {
            let mut batch = good.clone();
            batch["snapshots"][0]["revision"] = json::parse(revision).unwrap();
            assert_eq!(batch_problem(&batch, 0), Some("revision must be a positive integer"), "{revision}");
        }
    }

    #[test]
    fn an_acknowledgement_matches_what_was_sent() {
        let batch = vectors()["batch_error"][0]["batch"].clone();
        let results = |session: &str, hour: i32, status: &str| json!({"results": [{"sessionId": session, "usageDate": "2026-01-01", "usageHour": hour, "status": status}]});
        assert_eq!(batch_answer_problem(&batch, &results("s", 3, "superseded")), None);
        let mismatch = Some("the acknowledgement does not match the snapshots sent");
        for (session, hour, status) in [("t", 3, "applied"), ("s", 4, "applied"), ("s", 3, "refused")] {
            assert_eq!(batch_answer_problem(&batch, &results(session, hour, status)), mismatch);
        }
        let short = Some("the acknowledgement does not list every snapshot sent");
        for answer in [json!(null), json!([]), json!({"results": []}), json!({"results": {}})] {
            assert_eq!(batch_answer_problem(&batch, &answer), short, "{answer}");
        }
        let run = json!({"applied": false, "run": {"runId": "r"}});
        assert_eq!(run_answer_problem("r", &run), None);
        assert!(run_answer_problem("R", &run).is_some());
        assert!(run_answer_problem("r", &json!({"applied": 1, "run": {"runId": "r"}})).is_some());
    }

    #[test]
    fn dates_and_hours_are_written_exactly() {
        for date in ["2026-01-02", "2024-02-29"] {
            assert_eq!(calendar_date(Some(&json!(date))), Some(date));
        }
        for date in [json!("2026-1-2"), json!("20260102"), json!("2026-02-30"), json!("+026-01-02"), json!(5)] {
            assert_eq!(calendar_date(Some(&date)), None, "{date}");
        }
        assert_eq!(hour_of_day(Some(&json!(23))), Some(23));
        for hour in [json!(24), json!(-1), json!(3.0), json!(true), json!("3"), Value::Null] {
            assert_eq!(hour_of_day(Some(&hour)), None, "{hour}");
        }
    }
}
