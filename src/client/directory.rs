//! What the organisation has: its MCP servers, its agents, and which server a tool is on.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value;

use super::{Call, Client, Params};
use crate::fork::PerProcess;
use crate::{Error, Result};

/// The answer of the bootstrap, remembered until it is asked for anew.
#[derive(Default)]
pub(super) struct Directory {
    bootstrap: PerProcess<Mutex<Option<Value>>>,
}

impl Client {
    /// The organisation, the agent, the MCP servers and the tool map, as the service tells them.
    pub async fn bootstrap(&self, params: Params<'_>) -> Result<Value> {
        params.none()?;
        let cache = self.0.directory.bootstrap.get();
        if let Some(known) = cache.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(known);
        }
        let response = Call::post(self.backend_url("/iap/sdk/bootstrap", &[]), String::from("{}")).send(self).await?;
        if !response.is_success() {
            let message = format!("sdk/bootstrap failed: {} {}", response.status(), response.text());
            return Err(Error::Configuration(message));
        }
        let answer = response.json().map_err(|error| Error::Service {
            message: format!("sdk/bootstrap answered no JSON: {error}"),
            status_code: Some(response.status()),
        })?;
        *cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
        Ok(answer)
    }

    /// Asks for the bootstrap anew.
    pub async fn refresh_bootstrap(&self, params: Params<'_>) -> Result<Value> {
        *self.0.directory.bootstrap.get().lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bootstrap(params).await
    }
}
