//! What the service knows of a server's tools: which of them move money, and where in their arguments the amount is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Call, Client};
use crate::Result;
use crate::fork::PerProcess;
use crate::log::warning;
use crate::transport::path_segment;

/// Of how many servers the metadata is remembered at the most.
const CACHED_SERVERS: usize = 1_000;

/// The metadata that was fetched, by the server's name. It is remembered for the client's life.
#[derive(Default)]
pub(super) struct ToolMetadata(PerProcess<Mutex<HashMap<String, Arc<Value>>>>);

impl Client {
    /// The metadata of an MCP server, asked for once. A server of which nothing is known has none; that is asked again.
    pub(crate) async fn tool_metadata(&self, mcp_name: &str) -> Result<Arc<Value>> {
        let cache = self.0.tool_metadata.0.get();
        if let Some(known) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(mcp_name) {
            return Ok(known.clone());
        }
        let path = format!("/mcp/tool-metadata/{}", path_segment(mcp_name)?);
        let response = Call::get(self.backend_url(&path, &[])).send(self).await?;
        let answer = if response.is_success() { response.json().ok() } else { None };
        let Some(data) = answer.as_ref().and_then(|answer| answer.get("data")).filter(|data| data.is_object()) else {
            warning!("nothing is known of the tools of {mcp_name}: HTTP {}", response.status());
            return Ok(Arc::new(json!({ "tool_metadata": {} })));
        };
        let tools = data.get("toolMetadata").and_then(Value::as_object).into_iter().flatten();
        let tools = tools.map(|(name, tool)| (name.clone(), tool_meaning(tool)));
        let metadata = Arc::new(json!({ "tool_metadata": Value::Object(tools.collect()) }));
        let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_SERVERS {
            known.clear();
        }
        known.insert(mcp_name.to_owned(), metadata.clone());
        Ok(metadata)
    }
}

fn tool_meaning(tool: &Value) -> Value {
    json!({
        "is_financial": tool.get("isFinancial"),
        "transaction_type": tool.get("transactionType"),
        "amount_fields": tool.get("amountFields"),
        "amount_unit": tool.get("amountUnit"),
        "recipient_field": tool.get("recipientField"),
    })
}
