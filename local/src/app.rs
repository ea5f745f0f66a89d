//! What the routes share.

use armoriq::json::sha256_hex;
use armoriq::policy::{Bundle, BundleError};
use uuid::Uuid;

use crate::bundle::bundle_json;
use crate::config::{Agent, Config};
use crate::signer::{Signer, SignerError};
use crate::state::Store;

/// What the official SDK sends for a user or an agent that it was not given.
pub const PLACEHOLDER: &str = "__sdk_multiuser__";

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

pub struct App {
    pub config: Config,
    /// The policies of every agent, compiled.
    pub bundle: Bundle,
    pub signer: Signer,
    pub store: Store,
    /// The address of the proxy, for the context of a held call.
    pub proxy_url: String,
}

impl App {
    pub fn new(config: Config, proxy_url: String) -> Result<Self, StartError> {
        let signer = Signer::new(config.signing_seed)?;
        let agents: Vec<&Agent> = config.agents.iter().collect();
        let bundle = Bundle::compile(&bundle_json(&config, &agents))?;
        Ok(Self { config, bundle, signer, store: Store::default(), proxy_url })
    }

    /// The id of an API key; `None` for one that is not configured.
    pub fn key_id(&self, api_key: &str) -> Option<&str> {
        // Digests are compared, so that the time it takes says nothing about a key.
        let digest = sha256_hex(api_key);
        self.config.api_keys.iter().find(|key| key.digest == digest).map(|key| &*key.id)
    }

    /// The agent that a request means: the default one where it names none.
    pub fn agent(&self, id: Option<&str>) -> Option<&Agent> {
        match id.filter(|id| !id.is_empty() && *id != PLACEHOLDER) {
            Some(id) => self.config.agent(id),
            None => self.config.default_agent(),
        }
    }
}

/// A user's email as a request names it; the placeholder is nobody.
pub fn user_email(email: Option<&str>) -> Option<&str> {
    email.map(str::trim).filter(|email| !email.is_empty() && *email != PLACEHOLDER)
}

pub fn new_id() -> String {
    Uuid::new_v4().to_string()
}
