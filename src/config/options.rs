use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::mcp_credentials::McpCredentials;
use super::reader::Reader;
use crate::error::{Error, Result};

/// No client keeps a user's context longer than this, in seconds: a day.
const MAX_CONTEXT_TTL: i64 = 24 * 60 * 60;
/// The waits between attempts stop growing at 4 s, so this many retries already take minutes.
pub(super) const MAX_RETRIES: i64 = 100;

/// The options that a program makes a client with. What is `None` comes from the environment or a default.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    pub api_key: Option<SecretString>,
    pub backend_endpoint: Option<String>,
    pub iap_endpoint: Option<String>,
    pub proxy_endpoint: Option<String>,
    /// Proxies for single MCP servers, by server name.
    pub proxy_endpoints: Vec<(String, String)>,
    pub use_production: Option<bool>,
    /// The option `timeout_ms`: a time limit for each request.
    pub timeout: Option<Duration>,
    pub max_retries: Option<u32>,
    pub verify_ssl: Option<bool>,
    pub mcp_credentials: McpCredentials,
    pub user_id: Option<String>,
    pub agent_id: Option<String>,
    pub context_id: Option<String>,
    pub product: Option<String>,
    /// The signer's Ed25519 public key: text, or a JWK as an object.
    pub iap_public_key: Option<Value>,
    /// The option `user_context_ttl_seconds`.
    pub user_context_ttl: Option<Duration>,
    pub tls: TlsFiles,
    pub require_policy: Option<bool>,
    pub observability: Observability,
}

/// PEM files for connections. They are read when the client's transport is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are trusted besides the system's.
    pub ca_certificates: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    /// The certificate's key, where it is not in the certificate's file.
    pub client_key: Option<PathBuf>,
}

/// The options for telemetry: accepted and checked, but nothing is sent yet.
#[derive(Debug, Clone, Default)]
pub struct Observability {
    pub enabled: Option<bool>,
    pub exporter: Option<Exporter>,
    pub endpoint: Option<String>,
    pub capture_mode: Option<CaptureMode>,
    pub service_name: Option<String>,
    pub headers: Vec<(String, SecretString)>,
    pub timeout: Option<Duration>,
}

/// Where telemetry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exporter {
    Armoriq,
    External,
    Provider,
}

/// How much of a call telemetry may hold, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaptureMode {
    Off,
    Metadata,
    Enhanced,
    Debug,
}

impl ClientOptions {
    /// Reads the options object of a new client.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown option or a value of the wrong type.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self> {
        Reader::read(members, |reader| {
            reader.object("audit", |_| Ok(()))?;
            Ok(Self {
                api_key: reader.string("api_key")?.map(SecretString::from),
                backend_endpoint: reader.string("backend_endpoint")?,
                iap_endpoint: reader.string("iap_endpoint")?,
                proxy_endpoint: reader.string("proxy_endpoint")?,
                proxy_endpoints: proxy_endpoints(reader)?,
                use_production: reader.boolean("use_production")?,
                timeout: reader.milliseconds("timeout_ms")?,
                max_retries: reader.whole("max_retries", 0..=MAX_RETRIES)?.and_then(|count| count.try_into().ok()),
                verify_ssl: reader.boolean("verify_ssl")?,
                mcp_credentials: mcp_credentials(reader)?,
                user_id: reader.string("user_id")?,
                agent_id: reader.string("agent_id")?,
                context_id: reader.string("context_id")?,
                product: reader.string("product")?,
                iap_public_key: iap_public_key(reader)?,
                user_context_ttl: user_context_ttl(reader)?,
                tls: TlsFiles::read(reader)?,
                require_policy: reader.boolean("require_policy")?,
                observability: reader.object("observability", Observability::read)?.unwrap_or_default(),
            })
        })
    }
}

impl TlsFiles {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut file = |name| Ok::<_, Error>(reader.string(name)?.map(PathBuf::from));
        let files = Self {
            ca_certificates: file("ca_certificates")?,
            client_certificate: file("client_certificate")?,
            client_key: file("client_key")?,
        };
        if files.client_key.is_some() && files.client_certificate.is_none() {
            return Err(Error::invalid_argument("option \"client_key\": expected \"client_certificate\" beside it"));
        }
        Ok(files)
    }
}

impl Observability {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let exporters =
            [("armoriq", Exporter::Armoriq), ("external", Exporter::External), ("provider", Exporter::Provider)];
        let modes = [
            ("off", CaptureMode::Off),
            ("metadata", CaptureMode::Metadata),
            ("enhanced", CaptureMode::Enhanced),
            ("debug", CaptureMode::Debug),
        ];
        let headers = reader.map("headers", "a string", Value::as_str)?.unwrap_or_default();
        Ok(Self {
            enabled: reader.boolean("enabled")?,
            exporter: reader.choice("exporter", &exporters)?,
            endpoint: reader.string("endpoint")?,
            capture_mode: reader.choice("capture_mode", &modes)?,
            service_name: reader.string("service_name")?,
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), SecretString::from(value))).collect(),
            timeout: reader.milliseconds("timeout_ms")?,
        })
    }
}

fn proxy_endpoints(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>> {
    let endpoints = reader.map("proxy_endpoints", "a URL", Value::as_str)?.unwrap_or_default();
    let set = endpoints.into_iter().filter(|(_, url)| !url.is_empty());
    Ok(set.map(|(mcp, url)| (mcp.to_owned(), url.to_owned())).collect())
}

fn mcp_credentials(reader: &mut Reader<'_>) -> Result<McpCredentials> {
    let mut credentials = McpCredentials::default();
    let given = reader.map("mcp_credentials", "an object", |value| value.is_object().then_some(value))?;
    credentials.extend(given.unwrap_or_default());
    Ok(credentials)
}

fn iap_public_key(reader: &mut Reader<'_>) -> Result<Option<Value>> {
    match reader.value("iap_public_key") {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(key @ (Value::String(_) | Value::Object(_))) => Ok(Some(key.clone())),
        Some(_) => Err(reader.expected("iap_public_key", "a string or a JWK object")),
    }
}

fn user_context_ttl(reader: &mut Reader<'_>) -> Result<Option<Duration>> {
    let seconds = reader.whole("user_context_ttl_seconds", 0..=MAX_CONTEXT_TTL)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs())))
}
