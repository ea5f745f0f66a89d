//! What the organisation has: its MCP servers, its agents, and which server a tool is on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::{Call, Client, Params};
use crate::fork::PerProcess;
use crate::json::string_member;
use crate::log::warning;
use crate::transport::{Response, path_segment};
use crate::{Error, Result};

/// Of how many MCP servers the metadata is remembered at the most.
const CACHED_SERVERS: usize = 1000;

/// What was learned of the organisation, remembered until it is asked for anew.
#[derive(Default)]
pub(super) struct Directory {
    bootstrap: PerProcess<Mutex<Option<Value>>>,
    metadata: PerProcess<Mutex<HashMap<String, Arc<Value>>>>,
}

impl Directory {
    /// The bootstrap, where it was asked for before.
    pub(super) fn known_bootstrap(&self) -> Option<Value> {
        self.bootstrap.get().lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Client {
    /// The organisation, the agent, the MCP servers and the tool map, as the service tells them.
    pub async fn bootstrap(&self, params: Params<'_>) -> Result<Value> {
        params.none()?;
        if let Some(known) = self.0.directory.known_bootstrap() {
            return Ok(known);
        }
        let response = Call::post(self.backend_url("/iap/sdk/bootstrap", &[]), String::from("{}")).send(self).await?;
        if !response.is_success() {
            let message = format!("sdk/bootstrap failed: {} {}", response.status(), response.text());
            return Err(Error::Configuration(message));
        }
        let answer = json_of(&response, "sdk/bootstrap")?;
        let cache = self.0.directory.bootstrap.get();
        *cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
        Ok(answer)
    }

    /// Asks for the bootstrap anew.
    pub async fn refresh_bootstrap(&self, params: Params<'_>) -> Result<Value> {
        *self.0.directory.bootstrap.get().lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bootstrap(params).await
    }

    /// The MCP servers that are registered.
    pub async fn list_mcps(&self, params: Params<'_>) -> Result<Value> {
        params.none()?;
        let response = Call::get(self.backend_url("/mcp/my-servers", &[])).send(self).await?;
        let answer = mcp_answer(&response, "list_mcps")?;
        Ok(list(answer.get("data")))
    }

    /// The tools of an MCP server with their schemas.
    pub async fn get_mcp_tool_schemas(&self, params: Params<'_>) -> Result<Value> {
        let mcp_name = params.read(|reader| reader.required_text("mcp_name"))?;
        let path = format!("/mcp/tools/{}", path_segment(mcp_name)?);
        let response = Call::get(self.backend_url(&path, &[])).send(self).await?;
        let answer = mcp_answer(&response, &format!("get_mcp_tool_schemas({mcp_name})"))?;
        Ok(list(answer.get("data").and_then(|data| data.get("tools"))))
    }

    /// What the tools of an MCP server mean, and what the organisation's roles are called there.
    pub async fn fetch_tool_metadata(&self, params: Params<'_>) -> Result<Value> {
        let mcp_name = params.read(|reader| reader.required_text("mcp_name"))?;
        self.tool_metadata(mcp_name).await.map(Arc::unwrap_or_clone)
    }

    /// What a role of the organisation is called on an MCP server.
    pub async fn resolve_role(&self, params: Params<'_>) -> Result<Value> {
        let (mcp_name, org_role) =
            params.read(|reader| Ok((reader.required_text("mcp_name")?, reader.required_text("org_role")?)))?;
        let metadata = self.tool_metadata(mcp_name).await?;
        let mapped = metadata.get("role_mapping").and_then(|roles| string_member(roles, org_role));
        Ok(mapped.filter(|role| !role.is_empty()).unwrap_or(org_role).into())
    }

    /// The metadata of an MCP server, asked for once. A server of which nothing is known has none; that is asked again.
    pub(crate) async fn tool_metadata(&self, mcp_name: &str) -> Result<Arc<Value>> {
        let cache = self.0.directory.metadata.get();
        if let Some(known) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(mcp_name) {
            return Ok(known.clone());
        }
        let path = format!("/mcp/tool-metadata/{}", path_segment(mcp_name)?);
        let response = Call::get(self.backend_url(&path, &[])).send(self).await?;
        let status = response.status();
        let answer = if response.is_success() { response.json().ok() } else { None };
        let Some(metadata) = answer.as_ref().and_then(Value::as_object).and_then(|answer| metadata(answer, mcp_name))
        else {
            warning!("nothing is known of the tools of {mcp_name}: HTTP {status}");
            return Ok(Arc::new(no_metadata(mcp_name)));
        };
        let metadata = Arc::new(metadata);
        let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_SERVERS {
            known.clear();
        }
        known.insert(mcp_name.to_owned(), metadata.clone());
        Ok(metadata)
    }
}

/// The answer as JSON; `what` names the question in the error.
pub(super) fn json_of(response: &Response, what: &str) -> Result<Value> {
    response.json().map_err(|error| Error::Service {
        message: format!("{what} answered no JSON: {error}"),
        status_code: Some(response.status()),
    })
}

/// The answer about an MCP server, or what the service said instead.
fn mcp_answer(response: &Response, what: &str) -> Result<Value> {
    if response.is_success() {
        return json_of(response, what);
    }
    let message = format!("{what} failed: {} {}", response.status(), response.text());
    Err(Error::McpInvocation { message, mcp: None, action: None, status_code: None })
}

/// The list, or an empty one where there is none.
fn list(value: Option<&Value>) -> Value {
    value.filter(|value| value.is_array()).cloned().unwrap_or_else(|| json!([]))
}

fn no_metadata(mcp_name: &str) -> Value {
    json!({ "mcp_id": "", "name": mcp_name, "tool_metadata": {}, "role_mapping": {} })
}

/// The answer in the official SDK's form; `None` where any of it is of the wrong type.
fn metadata(answer: &Map<String, Value>, mcp_name: &str) -> Option<Value> {
    let data = match answer.get("data") {
        None | Some(Value::Null) => return Some(no_metadata(mcp_name)),
        Some(data) => data.as_object()?,
    };
    let empty = Map::new();
    let text = |name: &str, default: &str| {
        data.get(name).map_or(Some(default.to_owned()), |text| Some(text.as_str()?.to_owned()))
    };
    let object = |name: &str| data.get(name).map_or(Some(&empty), Value::as_object);
    let tools =
        object("toolMetadata")?.iter().map(|(name, tool)| Some((name.clone(), tool_meaning(tool.as_object()?)?)));
    let roles = object("roleMapping")?;
    roles.values().all(Value::is_string).then_some(())?;
    Some(json!({
        "mcp_id": text("mcpId", "")?,
        "name": text("name", mcp_name)?,
        "tool_metadata": tools.collect::<Option<Map<_, _>>>()?,
        "role_mapping": roles,
    }))
}

/// What one tool means; every member may be missing.
fn tool_meaning(tool: &Map<String, Value>) -> Option<Value> {
    let of_type = |name: &str, is_right: fn(&Value) -> bool| match tool.get(name) {
        None | Some(Value::Null) => Some(Value::Null),
        Some(value) => is_right(value).then(|| value.clone()),
    };
    let texts = |value: &Value| value.as_array().is_some_and(|fields| fields.iter().all(Value::is_string));
    Some(json!({
        "is_financial": of_type("isFinancial", Value::is_boolean)?,
        "transaction_type": of_type("transactionType", Value::is_string)?,
        "amount_fields": of_type("amountFields", texts)?,
        "amount_unit": of_type("amountUnit", Value::is_string)?,
        "currency": of_type("currency", Value::is_string)?,
        "recipient_field": of_type("recipientField", Value::is_string)?,
        "category": of_type("category", Value::is_string)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: Value) -> Option<Value> {
        metadata(answer.as_object().unwrap(), "m")
    }

    #[test]
    fn metadata_has_every_member() {
        let unknown = json!({
            "is_financial": null, "transaction_type": null, "amount_fields": null, "amount_unit": null,
            "currency": null, "recipient_field": null, "category": null,
        });
        let answer = json!({ "data": { "toolMetadata": { "a": {} }, "roleMapping": { "admin": "owner" } } });
        let expected = json!({
            "mcp_id": "", "name": "m", "tool_metadata": { "a": unknown }, "role_mapping": { "admin": "owner" },
        });
        assert_eq!(read(answer), Some(expected));
        assert_eq!(read(json!({})), Some(no_metadata("m")));
        assert_eq!(read(json!({ "data": null })), Some(no_metadata("m")));
    }

    #[test]
    fn metadata_of_the_wrong_type_is_none() {
        for data in [
            json!([]),
            json!({ "name": 1 }),
            json!({ "roleMapping": null }),
            json!({ "roleMapping": { "admin": 1 } }),
            json!({ "toolMetadata": { "a": null } }),
            json!({ "toolMetadata": { "a": { "amountFields": "amount" } } }),
            json!({ "toolMetadata": { "a": { "isFinancial": "yes" } } }),
        ] {
            assert_eq!(read(json!({ "data": data })), None, "{data}");
        }
    }
}
