//! The configuration of a client: what the program passes, what the environment says, and what follows from both.
//!
//! Everything is read once, when a client is made, and nothing here touches the network.

mod api_key;
mod call_options;
mod credentials;
mod endpoints;
mod environment;
mod file;
mod file_section;
mod mcp_credentials;
mod options;
mod origin;
mod reader;
mod words;
mod yaml;

use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

#[cfg(feature = "fuzzing")]
pub use api_key::PREFIXES as API_KEY_PREFIXES;
pub use call_options::{CheckOptions, ReportOptions, ReportStatus, SessionMode, SessionOptions, is_uuid};
pub use environment::Environment;
pub use file::{ConfigFile, FileEnvironment, FileIntent, FilePolicy, FileProxy, McpAuth, McpServer};
pub use mcp_credentials::McpCredentials;
pub use options::{CaptureMode, ClientOptions, Exporter, Observability, TlsFiles};
pub use origin::Origin;
pub use reader::Reader;

use crate::error::Result;
use endpoints::Endpoints;

/// What stands for a user or an agent that was not named.
pub const MULTI_USER: &str = "__sdk_multiuser__";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_CONTEXT_TTL: Duration = Duration::from_secs(300);

/// What in a product comment would end or escape it, or is not visible ASCII.
const UNFIT_FOR_USER_AGENT: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'(').add(b')').add(b'\\');

/// Whether an id is the placeholder for one that was not given.
pub fn is_multi_user(id: &str) -> bool {
    id == MULTI_USER
}

/// The resolved configuration of a client.
#[derive(Debug, Clone)]
pub struct Config {
    /// The key that the client starts with; a client whose key is replaced keeps the new one itself.
    pub api_key: SecretString,
    /// [`MULTI_USER`] where none was named; see [`Config::named_user`].
    pub user_id: String,
    /// [`MULTI_USER`] where none was named; see [`Config::named_agent`].
    pub agent_id: String,
    /// What groups the client's work; `default` where none was named.
    pub context_id: String,
    /// The time limit of a request that has no smaller one.
    pub timeout: Duration,
    /// How often a request that may be retried is sent again.
    pub max_retries: u32,
    /// Whether certificates of services are verified.
    pub verify_ssl: bool,
    /// The PEM files for connections, not read yet.
    pub tls: TlsFiles,
    /// What `invoke` sends for MCP servers that ask for authentication.
    pub mcp_credentials: McpCredentials,
    /// The signer's public key when it was configured: text, or a JWK as an object.
    pub iap_public_key: Option<Value>,
    /// How long what is known of a user stays valid.
    pub user_context_ttl: Duration,
    /// Whether an agent without a policy is blocked.
    pub require_policy: bool,
    /// The product whose saved login is used; empty for none in particular.
    pub product: String,
    /// Telemetry's options as they were given.
    pub observability: Observability,
    endpoints: Endpoints,
    proxy_endpoints: Vec<(String, String)>,
    proxy_variables: Vec<(String, String)>,
    dashboard: &'static str,
}

impl Config {
    /// Works out the configuration that the options and the environment make together.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) where there is no API key, where it cannot be one, or
    /// where an endpoint is not a usable URL.
    pub fn resolve(options: ClientOptions, environment: &Environment) -> Result<Self> {
        let api_key = api_key::resolve(&options, environment)?;
        let endpoints = Endpoints::resolve(&options, environment, api_key.expose_secret())?;
        let product = api_key::product(&options, environment).to_owned();
        let or_variable = |option: Option<String>, variable, default: &str| {
            option.unwrap_or_else(|| environment.var(variable).unwrap_or(default).to_owned())
        };
        let mut mcp_credentials = McpCredentials::from_environment(environment);
        mcp_credentials.merge(options.mcp_credentials);
        let proxy_endpoints = options.proxy_endpoints.into_iter().map(|(mcp, url)| {
            let name = words::showable(&mcp).unwrap_or("…");
            let url = endpoints::checked(&format!("proxy_endpoints.{name}"), &url)?;
            Ok((mcp, url))
        });
        Ok(Self {
            user_id: or_variable(options.user_id, "USER_ID", MULTI_USER),
            agent_id: or_variable(options.agent_id, "AGENT_ID", MULTI_USER),
            context_id: or_variable(options.context_id, "CONTEXT_ID", "default"),
            timeout: options.timeout.unwrap_or(DEFAULT_TIMEOUT),
            max_retries: options.max_retries.unwrap_or(DEFAULT_RETRIES),
            verify_ssl: options.verify_ssl.unwrap_or(true),
            tls: options.tls,
            mcp_credentials,
            iap_public_key: options
                .iap_public_key
                .or_else(|| environment.var("ARMORIQ_IAP_PUBLIC_KEY").map(Value::from)),
            user_context_ttl: options.user_context_ttl.unwrap_or(DEFAULT_CONTEXT_TTL),
            require_policy: options.require_policy.unwrap_or(false),
            product,
            observability: options.observability,
            proxy_endpoints: proxy_endpoints.collect::<Result<_>>()?,
            proxy_variables: environment
                .between("", "_PROXY_URL")
                .map(|(mcp, url)| (mcp.to_owned(), url.to_owned()))
                .collect(),
            dashboard: endpoints::dashboard(&endpoints.backend, environment),
            endpoints,
            api_key,
        })
    }

    /// The configuration of a client that is made from an `armoriq.yaml`, with the environment.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) as for [`Config::resolve`], and where the file is not there
    /// or not right: then with the key's path, the line and the column. No message shows a value of the file.
    pub fn from_file(path: impl AsRef<Path>, environment: &Environment) -> Result<Self> {
        let path = path.as_ref();
        let file = ConfigFile::load(path)?;
        if !file.mcp_servers.is_empty() || file.policy != FilePolicy::default() {
            crate::log::warning!(
                "{}: mcp_servers and policy have no effect; policies are those registered with the control plane",
                path.display()
            );
        }
        Self::resolve(file.client_options(environment)?, environment)
    }

    /// The control plane's URL, without a trailing slash, as all endpoints are.
    pub fn backend(&self) -> &str {
        &self.endpoints.backend
    }

    /// The signer's URL.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) where none is set and none belongs to the backend.
    pub fn iap(&self) -> Result<&str> {
        self.endpoints.iap()
    }

    /// The URL of the gateway that calls MCP servers.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) where none is set and none belongs to the backend.
    pub fn proxy(&self) -> Result<&str> {
        self.endpoints.proxy()
    }

    /// The signer's URL, if there is one.
    pub fn iap_endpoint(&self) -> Option<&str> {
        self.endpoints.iap.as_deref()
    }

    /// The gateway's URL, if there is one.
    pub fn proxy_endpoint(&self) -> Option<&str> {
        self.endpoints.proxy.as_deref()
    }

    /// The URL of the gateway for one MCP server: the option `proxy_endpoints`, `{NAME}_PROXY_URL`, then the gateway of
    /// all.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) where there is none, or the variable holds no usable URL.
    pub fn proxy_for(&self, mcp: &str) -> Result<String> {
        let find = |endpoints: &[(String, String)], name: &str| {
            endpoints.iter().find(|(own, _)| own == name).map(|(_, url)| url.clone())
        };
        if let Some(url) = find(&self.proxy_endpoints, mcp) {
            return Ok(url);
        }
        let variable = mcp.to_uppercase();
        match find(&self.proxy_variables, &variable) {
            Some(url) => endpoints::checked(&format!("{variable}_PROXY_URL"), &url),
            None => self.proxy().map(str::to_owned),
        }
    }

    /// The user, unless none was named.
    pub fn named_user(&self) -> Option<&str> {
        Some(self.user_id.as_str()).filter(|id| !is_multi_user(id))
    }

    /// The agent, unless none was named.
    pub fn named_agent(&self) -> Option<&str> {
        Some(self.agent_id.as_str()).filter(|id| !is_multi_user(id))
    }

    /// The value of the `User-Agent` header. It is fit for a header whatever the agent is called: what is not visible
    /// ASCII is percent-encoded.
    pub fn user_agent(&self) -> String {
        let agent = utf8_percent_encode(&self.agent_id, UNFIT_FOR_USER_AGENT);
        format!("ArmorIQ-SDK-C/{} (agent={agent})", crate::VERSION)
    }

    /// Refuses what cannot be an API key, for a client whose key is to be replaced.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration), with a text that says where to get one and does not hold
    /// the key.
    pub fn validate_api_key(&self, api_key: &str) -> Result<()> {
        api_key::validate(api_key, self.dashboard)
    }
}
