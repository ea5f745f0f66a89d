//! The subcommands that talk to a running control plane.

use std::io::{self, Write};

use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::cli::{Approvals, Audit, Decide};

/// Lists delegations, the oldest first.
pub async fn approvals(arguments: &Approvals) -> Result<(), String> {
    let status = if arguments.all { "all" } else { "pending" };
    let answer = call(&arguments.at.backend, Method::GET, &["delegations"], &[("status", status)], None).await?;
    let delegations = answer["delegations"].as_array().map(Vec::as_slice).unwrap_or_default();
    if arguments.json {
        return print(delegations.iter().map(Value::to_string));
    }
    if delegations.is_empty() {
        return print([String::from("Nothing waits for an approval.")]);
    }
    print(delegations.iter().map(describe))
}

/// One line for a delegation.
fn describe(delegation: &Value) -> String {
    let text = |name: &str| delegation[name].as_str().unwrap_or("-");
    let domain = delegation["domain"].as_str().map(|domain| format!("{domain}__")).unwrap_or_default();
    format!(
        "{}  {:<8}  {}  {domain}{} {}  until {}",
        text("delegationId"),
        text("status"),
        text("requesterEmail"),
        text("tool"),
        delegation["arguments"],
        text("expiresAt"),
    )
}

/// Approves or rejects.
pub async fn decide(arguments: &Decide, approved: bool) -> Result<(), String> {
    let verb = if approved { "approve" } else { "reject" };
    let body = json!({ "as": arguments.decided_by });
    let path = ["delegations", &arguments.id, verb];
    let delegation = call(&arguments.at.backend, Method::POST, &path, &[], Some(&body)).await?;
    print([describe(&delegation)])
}

/// Prints audit rows.
pub async fn audit(arguments: &Audit) -> Result<(), String> {
    let limit = arguments.limit.map(|limit| limit.to_string());
    let query: Vec<(&str, &str)> = limit.iter().map(|limit| ("limit", limit.as_str())).collect();
    let answer = call(&arguments.at.backend, Method::GET, &["audit"], &query, None).await?;
    print(answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(Value::to_string))
}

/// A reader that has seen enough (`| head`) is no error.
fn print(lines: impl IntoIterator<Item = String>) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    for line in lines {
        match writeln!(stdout, "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(format!("cannot write: {error}")),
        }
    }
    Ok(())
}

/// Calls `/local/…` and returns the answer's JSON, or else what the control plane said.
async fn call(
    backend: &str,
    method: Method,
    path: &[&str],
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Value, String> {
    let mut url = Url::parse(backend).map_err(|error| format!("{backend} is not a URL: {error}"))?;
    url.path_segments_mut()
        .map_err(|()| format!("{backend} is not an http URL"))?
        .pop_if_empty()
        .push("local")
        .extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    // No proxy: an approval is never sent anywhere but to this machine.
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let unreachable = |error: reqwest::Error| {
        let cause = std::error::Error::source(&error).map(|source| format!(" ({source})")).unwrap_or_default();
        format!("cannot reach the control plane at {backend}{cause}; is armoriq-local running there?")
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?;
    let answer = armoriq::json::parse_bytes(&bytes).unwrap_or(Value::Null);
    match status.is_success() {
        true => Ok(answer),
        false => Err(answer["message"].as_str().map_or_else(|| format!("{backend} answers {status}"), str::to_owned)),
    }
}
