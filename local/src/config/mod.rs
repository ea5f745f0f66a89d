//! The configuration: read from YAML, checked, and compiled into what the routes use.

mod file;
mod policy;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use armoriq::json::sha256_hex;
use armoriq::tool_schema::schema_hash;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use url::Url;

pub use policy::Policy;

use file::{AgentEntry, File, MemberEntry, ServerEntry, ToolEntry};

/// What `armoriq-local init` writes, and what is served where there is no file.
pub const DEMO: &str = include_str!("demo.yaml");
/// The file that `serve` looks for in the working directory.
pub const DEFAULT_FILE: &str = "armoriq-local.yaml";

/// How long a call of an MCP server may take that says nothing about it.
const DEFAULT_CALL_SECONDS: f64 = 60.0;

/// A fault of the file, with the place that it is in.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {message}", place(*line, *column))]
pub struct ConfigError {
    pub file: String,
    /// From 1; 0 where the place is not known.
    pub line: u64,
    pub column: u64,
    pub message: String,
}

fn place(line: u64, column: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}:{column}") }
}

/// A fault before it is known which file it is in.
struct Fault {
    at: Location,
    message: String,
}

impl Fault {
    fn new(at: Location, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

pub struct Config {
    pub organisation: String,
    pub api_keys: Vec<ApiKey>,
    pub agents: Vec<Agent>,
    /// An index into `agents`.
    default_agent: usize,
    pub members: Vec<Member>,
    pub servers: Vec<Server>,
    pub max_token_ttl_seconds: f64,
    pub delegation_ttl_seconds: f64,
    pub signing_seed: Option<[u8; 32]>,
}

/// A key that clients may use. The key itself is not kept.
pub struct ApiKey {
    pub id: String,
    pub digest: String,
}

pub struct Agent {
    pub id: String,
    pub name: String,
    pub inactive: bool,
    pub policy: Option<Policy>,
}

pub struct Member {
    /// Lower-case.
    pub email: String,
    pub membership_id: Option<String>,
    pub role: String,
    pub limit: f64,
}

pub struct Server {
    pub id: String,
    pub name: String,
    /// Where it answers over streamable HTTP.
    pub url: Option<Url>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Whether the proxy answers its calls as server-sent events.
    pub stream: bool,
    pub role_mapping: serde_json::Map<String, Value>,
    pub tools: Vec<Tool>,
}

pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    pub schema: Option<Value>,
    /// The schema's hash, as policies may be bound to it.
    pub schema_hash: Option<String>,
    pub capabilities: Vec<String>,
    pub financial: Option<file::FinancialEntry>,
}

impl Config {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: file.clone(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse(&text, &file)
    }

    /// Reads the text of a file; `file` is its name in messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        read(text).and_then(compile).map_err(|fault| ConfigError {
            file: file.to_owned(),
            line: fault.at.line(),
            column: fault.at.column(),
            message: fault.message,
        })
    }

    /// The agent of that id or name; `None` where there is no such agent.
    pub fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == id || agent.name == id)
    }

    pub fn default_agent(&self) -> Option<&Agent> {
        self.agents.get(self.default_agent)
    }

    /// The member with that email, in any case and with spaces around it.
    pub fn member(&self, email: &str) -> Option<&Member> {
        let email = normalised_email(email);
        self.members.iter().find(|member| member.email == email)
    }

    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The exact tool names that rules are about although no server has such a tool: often misspelt ones.
    pub fn rules_without_a_tool(&self) -> Vec<(&str, &str)> {
        let tools: HashSet<&str> =
            self.servers.iter().flat_map(|server| &server.tools).map(|tool| &*tool.name).collect();
        let policies = self.agents.iter().filter_map(|agent| Some((&*agent.id, agent.policy.as_ref()?)));
        policies
            .flat_map(|(agent, policy)| policy.exact_tool_names().map(move |tool| (agent, tool)))
            .filter(|(_, tool)| !tools.contains(tool))
            .collect()
    }
}

/// Emails are compared in this form.
pub fn normalised_email(email: &str) -> String {
    email.trim().to_lowercase()
}

fn read(text: &str) -> Result<File, Fault> {
    serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        Fault::new(at, redact_keys(&describe(&error)))
    })
}

/// What the YAML reader says in its own terms, and what it means to whoever wrote the file.
const PLAIN_WORDS: [(&str, &str); 7] = [
    ("expected sequence start", "expected a list"),
    ("expected mapping start", "expected a mapping"),
    ("invalid floating point", "expected a number"),
    ("unexpected end of input", "expected a mapping, found nothing"),
    (", set DuplicateKeyPolicy in Options if acceptable", ""),
    (
        "multiple YAML documents detected; use from_str_multiple or from_str_multiple_with_options",
        "expected one YAML document, found a second one",
    ),
    ("unknown variant", "unknown value"),
];

/// The reader's message without the place, which is said once by [`ConfigError`].
fn describe(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    let text = match place {
        Some(place) => error.to_string().replace(&place, ""),
        None => error.to_string(),
    };
    PLAIN_WORDS.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// A message may quote what it found in the wrong place; an API key is never shown.
fn redact_keys(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find("ak_") {
        let (before, key) = rest.split_at(start);
        let end = key.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(key.len());
        shown.push_str(before);
        shown.push_str("ak_[redacted]");
        rest = key.get(end..).unwrap_or_default();
    }
    shown + rest
}

fn compile(file: File) -> Result<Config, Fault> {
    let servers = unique(file.mcp_servers, "MCP server", |server: &ServerEntry| server.name.clone(), compile_server)?;
    let server_names: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
    if file.agents.value.is_empty() {
        return Err(Fault::new(file.agents.referenced, "expected at least one agent"));
    }
    let agents = unique(
        file.agents.value,
        "agent",
        |agent: &AgentEntry| agent.id.clone(),
        |entry| compile_agent(entry, &server_names),
    )?;
    let default_agent = match &file.default_agent {
        None => 0,
        Some(id) => agents
            .iter()
            .position(|agent| agent.id == id.value)
            .ok_or_else(|| Fault::new(id.referenced, format!("no agent has the id `{}`", id.value)))?,
    };
    let members =
        unique(file.members, "member", |member: &MemberEntry| normalised_email(&member.email), compile_member)?;
    Ok(Config {
        organisation: file.organisation,
        api_keys: compile_keys(file.api_keys)?,
        agents,
        default_agent,
        members,
        servers,
        max_token_ttl_seconds: file.token.max_ttl_seconds.checked("token.max_ttl_seconds")?,
        delegation_ttl_seconds: file.delegation.ttl_seconds.checked("delegation.ttl_seconds")?,
        signing_seed: file.signing_key.map(compile_seed).transpose()?,
    })
}

trait Positive {
    fn checked(self, name: &str) -> Result<f64, Fault>;
}

impl Positive for Spanned<f64> {
    fn checked(self, name: &str) -> Result<f64, Fault> {
        if self.value > 0.0 && self.value <= 1e9 {
            return Ok(self.value);
        }
        Err(Fault::new(self.referenced, format!("expected `{name}` to be a number of seconds above 0")))
    }
}

/// Compiles a list whose entries must differ in their name.
fn unique<E, T>(
    entries: Vec<Spanned<E>>,
    what: &str,
    name: impl Fn(&E) -> String,
    mut compile: impl FnMut(Spanned<E>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut seen = HashSet::new();
    let mut compiled = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = name(&entry.value);
        if name.trim().is_empty() {
            return Err(Fault::new(entry.referenced, format!("expected a name for the {what}, found an empty one")));
        }
        if !seen.insert(name.clone()) {
            return Err(Fault::new(entry.referenced, format!("a second {what} `{name}`")));
        }
        compiled.push(compile(entry)?);
    }
    Ok(compiled)
}

fn compile_keys(keys: Spanned<Vec<Spanned<String>>>) -> Result<Vec<ApiKey>, Fault> {
    if keys.value.is_empty() {
        return Err(Fault::new(keys.referenced, "expected at least one API key"));
    }
    keys.value
        .into_iter()
        .map(|key| {
            if !["ak_test_", "ak_live_", "ak_claw_"].iter().any(|prefix| key.value.starts_with(prefix)) {
                return Err(Fault::new(
                    key.referenced,
                    "expected an API key that starts with ak_test_, ak_live_ or ak_claw_",
                ));
            }
            let digest = sha256_hex(&key.value);
            let id = format!("key-{}", digest.get(..12).unwrap_or_default());
            Ok(ApiKey { id, digest })
        })
        .collect()
}

fn compile_agent(entry: Spanned<AgentEntry>, servers: &[&str]) -> Result<Agent, Fault> {
    let AgentEntry { id, name, inactive, policy } = entry.value;
    let policy = policy.map(|policy| policy::compile(policy, &id, servers)).transpose()?;
    Ok(Agent { name: name.unwrap_or_else(|| id.clone()), id, inactive, policy })
}

fn compile_member(entry: Spanned<MemberEntry>) -> Result<Member, Fault> {
    let MemberEntry { email, membership_id, role, limit } = entry.value;
    if !email.contains('@') {
        return Err(Fault::new(entry.referenced, format!("expected the member's email, found `{email}`")));
    }
    if !limit.is_finite() || limit < 0.0 {
        return Err(Fault::new(entry.referenced, "expected the member's limit to be a number from 0"));
    }
    Ok(Member { email: normalised_email(&email), membership_id, role, limit })
}

fn compile_server(entry: Spanned<ServerEntry>) -> Result<Server, Fault> {
    let ServerEntry { name, id, url, timeout_seconds, stream, role_mapping, tools } = entry.value;
    if name.contains("__") {
        return Err(Fault::new(
            entry.referenced,
            format!("the server `{name}` cannot be named in a call: `__` separates a server from its tool"),
        ));
    }
    let tools = unique(tools, "tool", |tool: &ToolEntry| tool.name.clone(), |tool| Ok(compile_tool(tool.value)))?;
    let url = url.map(compile_url).transpose()?;
    let timeout = timeout_seconds.map_or(Ok(DEFAULT_CALL_SECONDS), |seconds| seconds.checked("timeout_seconds"))?;
    let id = id.unwrap_or_else(|| format!("mcp-{name}"));
    Ok(Server { id, name, url, timeout: Duration::from_secs_f64(timeout), stream, role_mapping, tools })
}

fn compile_url(url: Spanned<String>) -> Result<Url, Fault> {
    Url::parse(&url.value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        // Clients are told the URL, and bring the credentials for it.
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| Fault::new(url.referenced, "expected `url` to be an http or https URL without a user's name"))
}

fn compile_tool(entry: ToolEntry) -> Tool {
    let ToolEntry { name, description, schema, capabilities, financial } = entry;
    let schema_hash = schema.as_ref().and_then(schema_hash);
    Tool { name, description, schema, schema_hash, capabilities, financial }
}

fn compile_seed(seed: Spanned<String>) -> Result<[u8; 32], Fault> {
    let fault = || Fault::new(seed.referenced, "expected `signing_key` to be 64 hex digits");
    if seed.value.len() != 64 || !seed.value.is_ascii() {
        return Err(fault());
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = seed.value.get(index * 2..index * 2 + 2).unwrap_or_default();
        // from_str_radix would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(fault());
        }
        *byte = u8::from_str_radix(digits, 16).map_err(|_| fault())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
