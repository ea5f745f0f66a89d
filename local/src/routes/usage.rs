//! `/dashboard/token-usage*`: how many tokens the models of an agent used.

use armoriq::json::as_double;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::http::{ApiKey, AppState, Body, Problem, reply};
use crate::app::new_id;
use crate::state::usage::UsageKey;

pub async fn record(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let snapshot = Snapshot::read(body.members(), body.text("product")?)?;
    let recorded = app.store.usage.record(snapshot.rows)?;
    Ok(reply(StatusCode::OK, &json!({ "recorded": recorded })))
}

pub async fn stream(State(app): AppState, _: ApiKey, _: Body) -> Result<Response, Problem> {
    Ok(reply(StatusCode::OK, &json!({ "generation": app.store.usage.generation(new_id)? })))
}

pub async fn reset(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let (generation, reset_id) = (uuid(&body, "generation")?, uuid(&body, "resetId")?);
    let generation = if app.store.usage.is_generation(generation) {
        app.store.usage.reset(reset_id, new_id)?
    } else {
        app.store.usage.generation(new_id)?
    };
    Ok(reply(StatusCode::OK, &json!({ "generation": generation })))
}

fn uuid<'a>(body: &'a Body, name: &str) -> Result<&'a str, Problem> {
    let text = body.required_text(name)?;
    match Uuid::try_parse(text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Problem::bad_request(format!("{name} must be a UUID"))),
    }
}

pub async fn batch(State(app): AppState, _: ApiKey, body: Body) -> Result<Response, Problem> {
    let generation = uuid(&body, "generation")?;
    uuid(&body, "batchId")?;
    if body.members().contains_key("runId") {
        uuid(&body, "runId")?;
    }
    if !app.store.usage.is_generation(generation) {
        return Err(Problem::new(StatusCode::CONFLICT, "the generation is not the stream's present one"));
    }
    let snapshots = match body.get("snapshots") {
        Some(Value::Array(snapshots)) if (1..=100).contains(&snapshots.len()) => snapshots,
        _ => return Err(Problem::bad_request("snapshots must be a list of 1 to 100")),
    };
    let snapshots = snapshots
        .iter()
        .map(|snapshot| match snapshot {
            Value::Object(members) => match (Snapshot::read(members, None)?, count(members, "revision")?) {
                (_, 0) => Err(Problem::bad_request("revision must be a positive integer")),
                (snapshot, _) if snapshot.rows.is_empty() => {
                    Err(Problem::bad_request("every snapshot needs at least one entry"))
                }
                snapshot => Ok(snapshot),
            },
            _ => Err(Problem::bad_request("every snapshot must be an object")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if snapshots.iter().map(|(snapshot, _)| snapshot.rows.len()).sum::<usize>() > 500 {
        return Err(Problem::bad_request("a batch must hold at most 500 model entries"));
    }
    let results: Vec<Value> = snapshots
        .into_iter()
        .map(|(snapshot, revision)| {
            let Snapshot { session, date, hour, rows } = snapshot;
            let status = app.store.usage.apply(&session, &date, hour, revision, rows)?;
            Ok(json!({ "sessionId": session, "usageDate": date, "usageHour": hour, "status": status }))
        })
        .collect::<Result<_, Problem>>()?;
    Ok(reply(StatusCode::OK, &json!({ "results": results })))
}

pub async fn run(State(app): AppState, _: ApiKey, Path(id): Path<String>, body: Body) -> Result<Response, Problem> {
    if Uuid::try_parse(&id).is_err() {
        return Err(Problem::bad_request("runId must be a UUID"));
    }
    let applied = app.store.usage.report_run(&id, Value::Object(body.members().clone()))?;
    Ok(reply(StatusCode::OK, &json!({ "applied": applied, "run": { "runId": id } })))
}

/// The counts of one session's hour.
struct Snapshot {
    session: String,
    date: String,
    hour: u64,
    rows: Vec<(UsageKey, Value)>,
}

impl Snapshot {
    fn read(members: &Map<String, Value>, product: Option<&str>) -> Result<Self, Problem> {
        let session = text(members, "sessionId")?.to_owned();
        let date = text(members, "usageDate")?.to_owned();
        if !is_date(&date) {
            return Err(Problem::bad_request("usageDate must be a UTC calendar date as YYYY-MM-DD"));
        }
        let hour = count(members, "usageHour")?;
        if hour > 23 {
            return Err(Problem::bad_request("usageHour must be an integer from 0 to 23"));
        }
        let entries = members.get("entries").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| Problem::bad_request("entries must be a list"))?;
        let product = product.or_else(|| members.get("product")?.as_str()).unwrap_or_default();
        let device = members.get("deviceId").and_then(Value::as_str).unwrap_or_default();
        let rows = entries
            .iter()
            .map(|entry| {
                let model = entry.get("model").and_then(Value::as_str);
                let key = UsageKey {
                    product: product.to_owned(),
                    session: session.clone(),
                    model: model.ok_or_else(|| Problem::bad_request("every entry must name a model"))?.to_owned(),
                    date: date.clone(),
                    hour,
                    device: device.to_owned(),
                };
                Ok((key, entry.clone()))
            })
            .collect::<Result<_, Problem>>()?;
        Ok(Self { session, date, hour, rows })
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |digits: &str, length: usize| -> Option<u32> {
        let is_plain = digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| is_plain)
    };
    match (number(year, 4), number(month, 2), number(day, 2)) {
        (Some(year), Some(month), Some(day)) => (1..=days_in(year, month)).contains(&day),
        _ => false,
    }
}

/// The days of a month; none where there is no such month.
fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(400) || (year.is_multiple_of(4) && !year.is_multiple_of(100)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, Problem> {
    let text = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Problem::bad_request(format!("{name} must be a string that is not empty")))
}

/// A whole number from 0, also where it is written as `3.0`.
fn count(members: &Map<String, Value>, name: &str) -> Result<u64, Problem> {
    match members.get(name) {
        Some(Value::Number(number)) => {
            let double = as_double(number);
            // Up to 2^53 every whole double is exactly the number that was written.
            let is_count = double >= 0.0 && double.fract() == 0.0 && double <= 9_007_199_254_740_992.0;
            is_count.then_some(double as u64)
        }
        _ => None,
    }
    .ok_or_else(|| Problem::bad_request(format!("{name} must be a whole number from 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_days_of_the_calendar() {
        for date in ["2026-01-31", "2024-02-29", "2000-02-29", "0001-12-01"] {
            assert!(is_date(date), "{date}");
        }
        let wrong = [
            "",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-1-01",
            "+026-01-01",
            "2026-01-01T00:00:00Z",
            "2026-01",
        ];
        for date in wrong {
            assert!(!is_date(date), "{date}");
        }
    }
}
