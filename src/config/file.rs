//! `armoriq.yaml`: its schema, read leniently where the official SDK is (numbers and booleans may be written as
//! strings) and strictly otherwise. A message names keys and places, never a value.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::environment::Environment;
use super::file_section::{Invalid, Section};
use super::options::{ClientOptions, MAX_RETRIES};
use super::reader::MAX_MILLISECONDS;
use super::yaml;
use crate::error::{Error, Result};

const MAX_BYTES: u64 = 1024 * 1024;
const DEFAULT_PROXY: &str = "https://customer-proxy.armoriq.ai";
const DEFAULT_PROXY_TIMEOUT: i64 = 30;
const DEFAULT_RETRIES: i64 = 3;
const DEFAULT_TTL: i64 = 300;

/// What an `armoriq.yaml` says.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// As written: a reference to an environment variable (`$NAME`, `${NAME}`) is not resolved yet.
    pub api_key: SecretString,
    pub user_id: String,
    pub agent_id: String,
    pub environment: FileEnvironment,
    pub proxy: FileProxy,
    /// The official client does not use these, and neither does this one.
    pub mcp_servers: Vec<McpServer>,
    /// Tool patterns. They decide nothing: policies are those that are registered with the control plane.
    pub policy: FilePolicy,
    pub intent: FileIntent,
}

/// Which services the file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnvironment {
    /// A control plane on this machine, as with `use_production: false`.
    Sandbox,
    /// The services of the active environment.
    Production,
}

/// The section `proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProxy {
    pub url: String,
    /// In seconds.
    pub timeout: i64,
    pub max_retries: i64,
}

/// An entry of `mcp_servers`.
#[derive(Debug, Clone)]
pub struct McpServer {
    pub id: String,
    pub url: String,
    pub description: Option<String>,
    pub auth: McpAuth,
}

/// What an MCP server asks of callers.
#[derive(Debug, Clone)]
pub enum McpAuth {
    None,
    Bearer(SecretString),
    ApiKey(SecretString),
}

/// The section `policy`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePolicy {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
}

/// The section `intent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIntent {
    pub ttl_seconds: i64,
    pub require_csrg: bool,
}

impl ConfigFile {
    /// Reads the text of an `armoriq.yaml`.
    ///
    /// # Errors
    /// [`Error::Configuration`] with the line and column of what is malformed, unknown, missing or of the wrong type.
    pub fn parse(text: &str) -> Result<Self> {
        let root = yaml::parse(text).map_err(|error| Error::configuration(format!("malformed YAML: {error}")))?;
        Section::read_root(&root, Self::read).map_err(|invalid| Error::configuration(invalid.to_string()))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the file is not there, cannot be read, or its text is refused.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read(path)?;
        Self::parse(&text).map_err(|error| Error::configuration(format!("{}: {error}", path.display())))
    }

    /// The options of a client that is made from this file.
    ///
    /// # Errors
    /// [`Error::Configuration`] where the API key is empty, or refers to a variable that is.
    pub fn client_options(self, environment: &Environment) -> Result<ClientOptions> {
        let api_key = resolve_reference(self.api_key.expose_secret(), environment);
        if api_key.is_empty() {
            return Err(Error::configuration("API key resolved to empty value from config/environment."));
        }
        let set = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(ClientOptions {
            api_key: Some(SecretString::from(api_key)),
            user_id: set(self.user_id),
            agent_id: set(self.agent_id),
            proxy_endpoint: set(self.proxy.url),
            timeout: Some(Duration::from_secs(self.proxy.timeout.unsigned_abs())),
            max_retries: self.proxy.max_retries.try_into().ok(),
            use_production: Some(self.environment == FileEnvironment::Production),
            ..ClientOptions::default()
        })
    }

    fn read(root: &mut Section<'_>) -> Result<Self, Invalid> {
        root.choice("version", &[("v1", ())])?;
        let identity = root.section("identity", |identity| {
            Ok((identity.secret("api_key")?, identity.string("user_id")?, identity.string("agent_id")?))
        })?;
        let (api_key, user_id, agent_id) = root.required("identity", identity)?;
        let environments = [("sandbox", FileEnvironment::Sandbox), ("production", FileEnvironment::Production)];
        Ok(Self {
            api_key,
            user_id,
            agent_id,
            environment: root.choice("environment", &environments)?.unwrap_or(FileEnvironment::Sandbox),
            proxy: root.section("proxy", FileProxy::read)?.unwrap_or_default(),
            mcp_servers: McpServer::read_all(root)?,
            policy: root.section("policy", FilePolicy::read)?.unwrap_or_default(),
            intent: root.section("intent", FileIntent::read)?.unwrap_or_default(),
        })
    }
}

impl FileProxy {
    fn read(section: &mut Section<'_>) -> Result<Self, Invalid> {
        let default = Self::default();
        Ok(Self {
            url: section.optional_string("url")?.unwrap_or(default.url),
            timeout: section.whole("timeout", 1..=MAX_MILLISECONDS / 1000)?.unwrap_or(default.timeout),
            max_retries: section.whole("max_retries", 0..=MAX_RETRIES)?.unwrap_or(default.max_retries),
        })
    }
}

impl Default for FileProxy {
    fn default() -> Self {
        Self { url: DEFAULT_PROXY.into(), timeout: DEFAULT_PROXY_TIMEOUT, max_retries: DEFAULT_RETRIES }
    }
}

impl McpServer {
    fn read_all(root: &mut Section<'_>) -> Result<Vec<Self>, Invalid> {
        let servers = root.sections("mcp_servers", Self::read)?;
        let is_repeated =
            |(index, server): (usize, &Self)| servers.iter().take(index).any(|other| other.id == server.id);
        if servers.iter().enumerate().any(is_repeated) {
            return Err(root.invalid("mcp_servers", "mcp_servers contain duplicate 'id' values"));
        }
        Ok(servers)
    }

    fn read(section: &mut Section<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            id: section.string("id")?,
            url: section.string("url")?,
            description: section.nullable_string("description")?,
            auth: section.nullable_section("auth", "none", McpAuth::read)?.unwrap_or(McpAuth::None),
        })
    }
}

impl McpAuth {
    fn read(section: &mut Section<'_>) -> Result<Self, Invalid> {
        #[derive(Clone, Copy)]
        enum Kind {
            None,
            Bearer,
            ApiKey,
        }
        let kinds = [("none", Kind::None), ("bearer", Kind::Bearer), ("api_key", Kind::ApiKey)];
        let kind = section.choice("type", &kinds)?;
        let mut secret =
            |name| Ok(section.nullable_string(name)?.filter(|text| !text.is_empty()).map(SecretString::from));
        let (token, api_key) = (secret("token")?, secret("api_key")?);
        match (section.required("type", kind)?, token, api_key) {
            (Kind::None, ..) => Ok(Self::None),
            (Kind::Bearer, Some(token), _) => Ok(Self::Bearer(token)),
            (Kind::Bearer, None, _) => Err(section.invalid("token", "bearer auth requires 'token'")),
            (Kind::ApiKey, _, Some(api_key)) => Ok(Self::ApiKey(api_key)),
            (Kind::ApiKey, _, None) => Err(section.invalid("api_key", "api_key auth requires 'api_key'")),
        }
    }
}

impl FilePolicy {
    fn read(section: &mut Section<'_>) -> Result<Self, Invalid> {
        Ok(Self { allow: section.strings("allow")?, deny: section.strings("deny")? })
    }
}

impl FileIntent {
    fn read(section: &mut Section<'_>) -> Result<Self, Invalid> {
        let default = Self::default();
        Ok(Self {
            ttl_seconds: section.whole("ttl_seconds", i64::MIN..=i64::MAX)?.unwrap_or(default.ttl_seconds),
            require_csrg: section.boolean("require_csrg")?.unwrap_or(default.require_csrg),
        })
    }
}

impl Default for FileIntent {
    fn default() -> Self {
        Self { ttl_seconds: DEFAULT_TTL, require_csrg: true }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    use std::io::{ErrorKind, Read};
    let unreadable =
        |why: &dyn fmt::Display| Error::configuration(format!("Config file {} cannot be read: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::configuration(format!("Config file not found: {}", path.display())),
        _ => unreadable(&error),
    })?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(unreadable(&"it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The text, or the value of the variable that it refers to as a whole: `${NAME}` or `$NAME`. An unset one is empty.
fn resolve_reference(text: &str, environment: &Environment) -> String {
    let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let bare = || text.strip_prefix('$').filter(|name| !name.is_empty() && !text.contains(' '));
    match braced.or_else(bare) {
        Some(name) => environment.var(name).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}
