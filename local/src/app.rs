//! What the routes share.

use std::sync::Arc;

use armoriq::json::sha256_hex;
use armoriq::policy::{Bundle, BundleError};
use uuid::Uuid;

use crate::bundle::bundle_json;
use crate::config::{Agent, Config};
use crate::mcp::Sessions;
use crate::signer::{Signer, SignerError};
use crate::state::Store;
use crate::state::storage::{Kind, Storage, StorageError};

/// What the official SDK sends for a user or an agent that it was not given.
pub const PLACEHOLDER: &str = "__sdk_multiuser__";

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an agent may do nothing.
#[derive(Debug, thiserror::Error)]
pub enum AgentRefusal {
    #[error("agent_unresolved: no registered agent matches '{0}'")]
    Unresolved(String),
    #[error("agent_inactive: the agent '{0}' is inactive")]
    Inactive(String),
}

pub struct App {
    pub config: Config,
    /// The policies of every agent, compiled.
    pub bundle: Bundle,
    pub signer: Signer,
    pub store: Store,
    /// With the MCP servers behind the proxy.
    pub sessions: Sessions,
    /// The address of the proxy, for the context of a held call.
    pub proxy_url: String,
}

impl App {
    pub fn new(config: Config, proxy_url: String, storage: &Arc<Storage>) -> Result<Self, StartError> {
        let signer = signer(&config, storage)?;
        let agents: Vec<&Agent> = config.agents.iter().collect();
        let bundle = Bundle::compile(&bundle_json(&config, &agents))?;
        let store = Store::load(storage)?;
        Ok(Self { config, bundle, signer, store, sessions: Sessions::default(), proxy_url })
    }

    /// The id of an API key; `None` for one that is not configured.
    pub fn key_id(&self, api_key: &str) -> Option<&str> {
        // Digests are compared, so that the time it takes says nothing about a key.
        let digest = sha256_hex(api_key);
        self.config.api_keys.iter().find(|key| key.digest == digest).map(|key| &*key.id)
    }

    /// The agent that a request means, if it may do anything.
    pub fn active_agent(&self, id: Option<&str>) -> Result<&Agent, AgentRefusal> {
        match self.agent(id) {
            Some(agent) if !agent.inactive => Ok(agent),
            Some(agent) => Err(AgentRefusal::Inactive(agent.id.clone())),
            None => Err(AgentRefusal::Unresolved(id.unwrap_or_default().to_owned())),
        }
    }

    /// The agent that a request means: the default one where it names none.
    pub fn agent(&self, id: Option<&str>) -> Option<&Agent> {
        match id.filter(|id| !id.is_empty() && *id != PLACEHOLDER) {
            Some(id) => self.config.agent(id),
            None => self.config.default_agent(),
        }
    }
}

/// The signer with the configured key, else with that of earlier, else with a new one, which is kept.
fn signer(config: &Config, storage: &Storage) -> Result<Signer, StartError> {
    if config.signing_seed.is_some() {
        return Ok(Signer::new(config.signing_seed)?);
    }
    let kept = storage.load(Kind::SigningKey)?.pop().map(|(_, seed)| seed);
    let signer = Signer::new(kept)?;
    if kept.is_none() {
        storage.put(Kind::SigningKey, "seed", &signer.seed())?;
    }
    Ok(signer)
}

/// A user's email as a request names it; the placeholder is nobody.
pub fn user_email(email: Option<&str>) -> Option<&str> {
    email.map(str::trim).filter(|email| !email.is_empty() && *email != PLACEHOLDER)
}

pub fn new_id() -> String {
    Uuid::new_v4().to_string()
}
