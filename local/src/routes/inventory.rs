//! `POST /iap/sdk/tools`: the tools that an agent's client found it to have.

use std::io::Read;

use armoriq::json::{self, sha256_hex};
use armoriq::tool_schema::schema_hash;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::http::{ApiKey, AppState, Body, Problem, header, reply};
use crate::state::inventories::Inventory;

/// The version of the body that is understood.
const CONTRACT: u64 = 2;

/// The hash of an inventory without tools, which nobody needs to push.
pub fn is_empty(hash: &str) -> bool {
    hash == snapshot_hash(Vec::new())
}

pub async fn push(State(app): AppState, _: ApiKey, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let body = match header(&headers, "content-encoding") {
        None => Body::parse(&body)?,
        Some(coding) if coding.eq_ignore_ascii_case("gzip") => Body::parse(&unpacked(&body)?)?,
        Some(_) => return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must be gzip")),
    };
    if body.get("contract").and_then(Value::as_u64) != Some(CONTRACT) {
        return Err(Problem::bad_request("contract must be 2"));
    }
    let agent = app.active_agent(Some(body.required_text("agent")?))?;
    let snapshot_hash = body.required_text("snapshotHash")?;
    verify("", snapshot_hash, body.get("tools"))?;
    let servers = match body.get("mcpServers") {
        None => json!([]),
        Some(servers @ Value::Array(_)) => servers.clone(),
        Some(_) => return Err(Problem::bad_request("mcpServers must be a list")),
    };
    for server in servers.as_array().into_iter().flatten() {
        let name = server["name"].as_str().or(server["url"].as_str()).unwrap_or_default();
        verify(
            &format!("mcpServers[{name}]."),
            server["snapshotHash"].as_str().unwrap_or_default(),
            server.get("tools"),
        )?;
    }
    let inventory = Inventory {
        snapshot_hash: snapshot_hash.to_owned(),
        sdk: body.text("sdk")?.map(str::to_owned),
        tools: body.get("tools").cloned().unwrap_or_default(),
        servers,
    };
    app.store.inventories.put(&agent.id, inventory)?;
    Ok(reply(StatusCode::ACCEPTED, &json!({})))
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut unpacked = Vec::new();
    // One byte more than is allowed shows that there is more.
    let limit = u64::try_from(json::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut unpacked)
        .map_err(|_| Problem::bad_request("The body is not gzip"))?;
    match unpacked.len() > json::MAX_BYTES {
        true => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 16 MiB")),
        false => Ok(unpacked),
    }
}

/// A snapshot whose hash is not that of its tools would be asked for again and again. `at` says where it is.
fn verify(at: &str, hash: &str, tools: Option<&Value>) -> Result<(), Problem> {
    let tools =
        tools.and_then(Value::as_array).ok_or_else(|| Problem::bad_request(format!("{at}tools must be a list")))?;
    let mut lines = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        let name = tool["name"]
            .as_str()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Problem::bad_request(format!("{at}tools[{index}] must have a name")))?;
        let claimed = tool["schemaHash"].as_str();
        let schema = tool.get("inputSchema").filter(|schema| !schema.is_null());
        if schema.is_some_and(|schema| claimed != schema_hash(schema).as_deref()) {
            return Err(Problem::bad_request(format!("{at}tools[{index}].schemaHash is not that of its inputSchema")));
        }
        lines.push(format!("{name}:{}", claimed.unwrap_or("none")));
    }
    match hash == snapshot_hash(lines) {
        true => Ok(()),
        false => Err(Problem::bad_request(format!("{at}snapshotHash is not that of the tools"))),
    }
}

/// The hash of tools, each as `name:schemaHash`.
fn snapshot_hash(mut lines: Vec<String>) -> String {
    lines.sort_unstable();
    format!("v1:sha256:{}", sha256_hex(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tools_have_the_hash_of_nothing() {
        assert!(is_empty("v1:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        assert!(!is_empty(&snapshot_hash(vec!["charge:none".into()])));
    }

    #[test]
    fn the_order_of_the_tools_does_not_matter() {
        let hash = |names: [&str; 2]| snapshot_hash(names.map(|name| format!("{name}:none")).to_vec());
        assert_eq!(hash(["a", "b"]), hash(["b", "a"]));
    }
}
