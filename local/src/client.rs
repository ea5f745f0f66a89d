//! The subcommands that talk to a running control plane.

use std::io::{self, Write};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use url::{Position, Url};

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
    let url = local_url(backend, path, query)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let (status, answer) = exchange(&url, method, body).await.map_err(|error| {
        format!("cannot reach the control plane at {backend} ({error}); is armoriq-local running there?")
    })?;
    let answer = armoriq::json::parse_bytes(&answer).unwrap_or(Value::Null);
    match status.is_success() {
        true => Ok(answer),
        false => Err(answer["message"].as_str().map_or_else(|| format!("{backend} answers {status}"), str::to_owned)),
    }
}

fn local_url(backend: &str, path: &[&str], query: &[(&str, &str)]) -> Result<Url, String> {
    let mut url = Url::parse(backend)
        .ok()
        .filter(|url| url.scheme() == "http" && url.has_host())
        .ok_or_else(|| format!("{backend} is not an http URL"))?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push("local").extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// One request on a connection of its own, and its answer.
async fn exchange(
    url: &Url,
    method: Method,
    body: String,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let addresses = url.socket_addrs(|| None)?;
    let stream = TcpStream::connect(addresses.as_slice()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        let url = local_url("http://127.0.0.1:3000/", &["delegations", "../x?y", "approve"], &[("a", "b c")]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:3000/local/delegations/..%2Fx%3Fy/approve?a=b+c");
        assert!(local_url("https://127.0.0.1", &[], &[]).is_err());
        assert!(local_url("127.0.0.1:3000", &[], &[]).is_err());
    }
}
