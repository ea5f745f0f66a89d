//! The tool inventory: what tools the agent has, as it declares them. The service is told in the background, and each
//! question about a call says which inventory it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use serde_json::{Value, json};

use super::inventory_push::Pusher;
use super::{Client, Params};
use crate::config::Reader;
use crate::json::{ObjectWriter, sha256_hex, string_member};
use crate::plan::names;
use crate::tool_definition::ToolDefinition;
use crate::tool_schema::schema_hash;
use crate::{Error, Result};

/// The version of the form that the inventory is sent in.
const CONTRACT: u32 = 2;
/// Who made it: the service knows libraries by such tags.
const MADE_BY: &str = concat!("c@", env!("CARGO_PKG_VERSION"));

/// What is declared, and whether the service knows.
#[derive(Default)]
pub(super) struct Inventory {
    /// A check reads it and takes no lock.
    declared: ArcSwap<Declared>,
    pub(super) pusher: Pusher,
}

impl Inventory {
    pub(super) fn declared(&self) -> Guard<Arc<Declared>> {
        self.declared.load()
    }
}

/// The tools of the agent's own, by name, and those of MCP servers, by the servers' keys.
#[derive(Clone)]
pub(super) struct Declared {
    tools: BTreeMap<String, Tool>,
    servers: BTreeMap<String, Server>,
    snapshot_hash: String,
}

impl Default for Declared {
    fn default() -> Self {
        let tools = BTreeMap::new();
        Self { snapshot_hash: snapshot_hash(&tools), tools, servers: BTreeMap::new() }
    }
}

/// Where the schema of a tool's arguments comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemaSource {
    Framework,
    Mcp,
    None,
}

#[derive(Clone)]
struct Tool {
    description: String,
    source: SchemaSource,
    schema_hash: Option<String>,
    input_schema: Option<Value>,
    annotations: Option<Value>,
}

#[derive(Clone)]
struct Server {
    name: String,
    url: String,
    tools: BTreeMap<String, Tool>,
}

impl Client {
    /// Declares tools of the agent's and of MCP servers, besides those that were declared before. The service is told
    /// in the background.
    pub async fn declare_tools(&self, params: Params<'_>) -> Result<Value> {
        let known = Known::of(self.0.directory.known_bootstrap().as_ref());
        let additions = params.read(|reader| additions(reader, known))?;
        let inventory = &self.0.inventory;
        inventory.declared.rcu(|declared| Arc::new(declared.with(&additions)));
        let declared = inventory.declared();
        let push = self.push_inventory(false);
        Ok(json!({
            "snapshot_hash": declared.snapshot_hash,
            "tools": declared.tools.len(),
            "mcp_servers": declared.servers.len(),
            "push": push.as_str(),
        }))
    }

    /// The hash that says which inventory a call belongs to.
    pub(crate) fn tools_snapshot_hash(&self) -> String {
        self.0.inventory.declared().snapshot_hash.clone()
    }
}

impl Declared {
    pub(super) fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.servers.is_empty()
    }

    /// Equal for inventories that the service need not tell apart.
    pub(super) fn fingerprint(&self) -> String {
        let mut fingerprint = format!("{}|", self.snapshot_hash);
        for (key, server) in &self.servers {
            fingerprint.push_str(&format!("{key}={};", snapshot_hash(&server.tools)));
        }
        fingerprint
    }

    /// The inventory as it is sent.
    pub(super) fn body(&self, agent: &str) -> String {
        let servers = self.servers.values().map(|server| {
            json!({
                "name": server.name,
                "url": server.url,
                "snapshotHash": snapshot_hash(&server.tools),
                "tools": wire_tools(&server.tools),
            })
        });
        ObjectWriter::new()
            .value("contract", &CONTRACT)
            .value("agent", agent)
            .value("sdk", MADE_BY)
            .value("snapshotHash", &self.snapshot_hash)
            .value("tools", &wire_tools(&self.tools))
            .value("mcpServers", &servers.collect::<Vec<_>>())
            .finish()
    }

    fn with(&self, additions: &Additions) -> Self {
        let mut declared = self.clone();
        for (name, tool) in &additions.tools {
            add(&mut declared.tools, name, tool);
        }
        for addition in &additions.servers {
            let key = server_key(&addition.name, &addition.url);
            let server = declared.servers.entry(key).or_insert_with(|| Server {
                name: addition.name.clone(),
                url: addition.url.clone(),
                tools: BTreeMap::new(),
            });
            if server.url.is_empty() {
                server.url.clone_from(&addition.url);
            }
            for (name, tool) in &addition.tools {
                add(&mut server.tools, name, tool);
            }
        }
        declared.snapshot_hash = snapshot_hash(&declared.tools);
        declared
    }
}

/// Adds a tool. One that is there already stays, unless it came without a schema.
fn add(tools: &mut BTreeMap<String, Tool>, name: &str, tool: &Tool) {
    let known = tools.get(name).is_some_and(|known| known.source != SchemaSource::None);
    if !known {
        tools.insert(name.to_owned(), tool.clone());
    }
}

impl Tool {
    fn read(definition: ToolDefinition, source: SchemaSource) -> Result<Self> {
        let hash = definition.input_schema.as_ref().map(|schema| {
            schema_hash(schema).ok_or_else(|| {
                let name = &definition.name;
                Error::InvalidArgument(format!("the schema of the tool `{name}` is too large with its references"))
            })
        });
        Ok(Self {
            schema_hash: hash.transpose()?,
            source: if definition.input_schema.is_some() { source } else { SchemaSource::None },
            description: definition.description.unwrap_or_default(),
            input_schema: definition.input_schema,
            annotations: definition.annotations,
        })
    }

    fn to_wire(&self, name: &str) -> Value {
        let source = match self.source {
            SchemaSource::Framework => "framework",
            SchemaSource::Mcp => "mcp",
            SchemaSource::None => "none",
        };
        let mut tool = json!({
            "name": name,
            "description": self.description,
            "schemaSource": source,
            "schemaHash": self.schema_hash,
        });
        let optional = [("inputSchema", &self.input_schema), ("annotations", &self.annotations)];
        if let Value::Object(members) = &mut tool {
            members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        }
        tool
    }
}

fn wire_tools(tools: &BTreeMap<String, Tool>) -> Vec<Value> {
    tools.iter().map(|(name, tool)| tool.to_wire(name)).collect()
}

/// `v1:sha256:` and the hash over the tools' names with the hashes of their schemas.
fn snapshot_hash(tools: &BTreeMap<String, Tool>) -> String {
    let mut lines: Vec<_> =
        tools.iter().map(|(name, tool)| format!("{name}:{}", tool.schema_hash.as_deref().unwrap_or("none"))).collect();
    lines.sort_unstable();
    format!("v1:sha256:{}", sha256_hex(lines.join("\n")))
}

/// What makes two mentions of a server one.
fn server_key(name: &str, url: &str) -> String {
    let identity = if name.is_empty() { url } else { name };
    identity.trim().trim_end_matches('_').to_lowercase()
}

/// What one call declares.
#[derive(Default)]
struct Additions {
    tools: Vec<(String, Tool)>,
    servers: Vec<ServerAddition>,
}

struct ServerAddition {
    name: String,
    url: String,
    tools: Vec<(String, Tool)>,
}

/// The MCP servers and their tools that are known without being declared now.
#[derive(Default)]
struct Known {
    servers: Vec<String>,
    tool_map: Vec<(String, String)>,
}

impl Known {
    fn of(bootstrap: Option<&Value>) -> Self {
        let member = |name| bootstrap.and_then(|bootstrap| bootstrap.get(name));
        let servers = member("mcps").and_then(Value::as_array).into_iter().flatten();
        let tool_map = member("toolMap").and_then(Value::as_object).into_iter().flatten();
        Self {
            servers: servers.filter_map(|server| string_member(server, "name").map(str::to_owned)).collect(),
            tool_map: tool_map.filter_map(|(tool, server)| Some((tool.clone(), server.as_str()?.to_owned()))).collect(),
        }
    }

    /// The server that a tool of this name is on, with the tool's name there; `None` for a tool of the agent's own.
    fn place<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let mapped = || self.tool_map.iter().find(|(tool, _)| tool == name).map(|(_, server)| (server.as_str(), name));
        names::split(name).or_else(mapped).or_else(|| prefixed(name, &self.servers).map(|server| (server, name)))
    }
}

/// The server whose name some frameworks put before those of its tools: `github_search`.
fn prefixed<'a>(name: &str, servers: &'a [String]) -> Option<&'a str> {
    let of = |server: &&String| {
        let tool = name.strip_prefix(server.as_str()).and_then(|rest| rest.strip_prefix('_'));
        !server.is_empty() && tool.is_some_and(|tool| !tool.is_empty())
    };
    servers.iter().find(of).map(String::as_str)
}

fn additions(reader: &mut Reader<'_>, mut known: Known) -> Result<Additions> {
    let mut additions = Additions::default();
    for (place, server) in items(reader, "mcp_servers")? {
        let server = declared_server(server).map_err(|error| at(&place, &error))?;
        known.servers.push(server.name.clone());
        additions.servers.push(server);
    }
    for (place, tool) in items(reader, "tools")? {
        if let Some(server) = server_among_tools(tool) {
            additions.servers.push(server);
            continue;
        }
        // A tool of the model's provider, such as its web search, which has only a type.
        if tool.is_object()
            && tool.get("name").is_none()
            && tool.get("function").is_none()
            && tool.get("type").is_some()
        {
            continue;
        }
        let definition = ToolDefinition::read(tool).map_err(|error| at(&place, &error))?;
        let name = definition.name.clone();
        let server = definition.server.clone();
        let tool = Tool::read(definition, SchemaSource::Framework).map_err(|error| at(&place, &error))?;
        match known.place(&name).or(server.as_deref().map(|server| (server, name.as_str()))) {
            None => additions.tools.push((name, tool)),
            Some((server, action)) => additions.servers.push(ServerAddition {
                name: server.to_owned(),
                url: String::new(),
                tools: vec![(action.to_owned(), tool)],
            }),
        }
    }
    Ok(additions)
}

/// The items of a list, each with what it is called in a message.
fn items<'a>(reader: &mut Reader<'a>, name: &'static str) -> Result<Vec<(String, &'a Value)>> {
    let items = match reader.value(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(reader.expected(name, "a list")),
    };
    Ok(items.iter().enumerate().map(|(position, item)| (format!("{name}[{position}]"), item)).collect())
}

fn at(place: &str, error: &Error) -> Error {
    Error::InvalidArgument(format!("{place}: {error}"))
}

/// A server with its tools as MCP lists them.
fn declared_server(server: &Value) -> Result<ServerAddition> {
    let members = server.as_object().ok_or_else(|| Error::invalid_argument("expected an object"))?;
    let (name, url, tools) = Reader::read_params(members, |reader| {
        Ok((reader.string("name")?, reader.string("url")?, items(reader, "tools")?))
    })?;
    let url = url.unwrap_or_default();
    let name = name.unwrap_or_else(|| url.clone());
    if server_key(&name, &url).is_empty() {
        return Err(Error::invalid_argument("a server needs a name or a url"));
    }
    let tools = tools.into_iter().map(|(place, tool)| {
        let definition = ToolDefinition::read(tool).map_err(|error| at(&place, &error))?;
        let action = definition.action().to_owned();
        Ok((action, Tool::read(definition, SchemaSource::Mcp).map_err(|error| at(&place, &error))?))
    });
    Ok(ServerAddition { name, url, tools: tools.collect::<Result<_>>()? })
}

/// A server that is given to a model as a whole, in the form of OpenAI or Anthropic.
fn server_among_tools(tool: &Value) -> Option<ServerAddition> {
    let text = |name| string_member(tool, name).unwrap_or_default();
    let (name, url) = match text("type") {
        "mcp" => (text("server_label"), text("server_url")),
        "mcp_toolset" => (text("mcp_server_name"), ""),
        _ => return None,
    };
    let name = if name.is_empty() { url } else { name };
    if server_key(name, url).is_empty() {
        return None;
    }
    Some(ServerAddition { name: name.to_owned(), url: url.to_owned(), tools: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn vectors() -> Value {
        json::parse(include_str!("../../tests/vectors/tool_inventory.json")).unwrap()
    }

    fn declared(params: Value, bootstrap: Option<&Value>) -> Result<Declared> {
        let members = params.as_object().unwrap().clone();
        let additions = Reader::read_params(&members, |reader| additions(reader, Known::of(bootstrap)))?;
        Ok(Declared::default().with(&additions))
    }

    #[test]
    fn snapshot_hashes() {
        for case in vectors()["snapshot_hash"].as_array().unwrap() {
            let tools = case["tools"].as_array().unwrap().iter().map(|tool| {
                let schema_hash = tool["schemaHash"].as_str().map(str::to_owned);
                let source = SchemaSource::None;
                let description = String::new();
                let read = Tool { description, source, schema_hash, input_schema: None, annotations: None };
                (tool["name"].as_str().unwrap().to_owned(), read)
            });
            assert_eq!(snapshot_hash(&tools.collect()), case["hash"], "{case}");
        }
        assert_eq!(
            Declared::default().snapshot_hash,
            "v1:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn names_of_servers_tools() {
        let cases = vectors()["mcp_backed_by_name"].as_array().unwrap().clone();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let servers = case["servers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            let known = Known { servers: servers.collect(), tool_map: Vec::new() };
            assert_eq!(known.place(case["name"].as_str().unwrap()).is_some(), case["backed"], "{case}");
        }
    }

    #[test]
    fn every_form_of_a_tool_finds_its_place() {
        let schema = json!({"type": "object"});
        let bootstrap = json!({"mcps": [{"name": "known"}], "toolMap": {"mapped": "Mapper"}});
        let declared = declared(
            json!({
                "tools": [
                    {"type": "function", "function": {"name": "pay", "description": "Pays", "parameters": schema}},
                    {"type": "function", "name": "flat", "parameters": schema},
                    {"name": "anthropic", "input_schema": schema},
                    {"name": "mcp", "inputSchema": schema, "annotations": {"readOnlyHint": true}},
                    {"type": "web_search"},
                    "named",
                    {"name": "stripe__charge", "input_schema": schema},
                    {"name": "mcp__github__x"},
                    {"name": "known_look"},
                    {"name": "mapped"},
                    {"type": "mcp", "server_label": "Deep_", "server_url": "https://deep"},
                    {"type": "mcp_toolset", "mcp_server_name": "toolset"},
                ],
                "mcp_servers": [
                    {"name": "deep", "tools": [{"name": "look", "inputSchema": schema}]},
                    {"url": "https://only.url", "tools": ["a"]},
                ],
            }),
            Some(&bootstrap),
        )
        .unwrap();
        let body = json::parse(&declared.body("bot")).unwrap();
        let hash = "sha256:a2c799262a3ce3c19ef5cdd983bf3d12b43ab3c426227091b909dcb7054738c0";
        let tool = |name: &str, source: &str| {
            let mut tool = json!({"name": name, "description": "", "schemaSource": source, "schemaHash": null});
            if source != "none" {
                tool["schemaHash"] = json!(hash);
                tool["inputSchema"] = json!({"type": "object"});
            }
            tool
        };
        let mut tools = json!([
            tool("anthropic", "framework"),
            tool("flat", "framework"),
            tool("mcp", "framework"),
            tool("named", "none"),
            tool("pay", "framework"),
        ]);
        tools[2]["annotations"] = json!({"readOnlyHint": true});
        tools[4]["description"] = json!("Pays");
        assert_eq!(body["tools"], tools);
        let servers: Vec<_> = body["mcpServers"].as_array().unwrap().iter().collect();
        let seen: Vec<_> =
            servers.iter().map(|server| json!([server["name"], server["url"], server["tools"]])).collect();
        assert_eq!(
            seen,
            [
                json!(["deep", "https://deep", [tool("look", "mcp")]]),
                json!(["github", "", [tool("x", "none")]]),
                json!(["https://only.url", "https://only.url", [tool("a", "none")]]),
                json!(["known", "", [tool("known_look", "none")]]),
                json!(["Mapper", "", [tool("mapped", "none")]]),
                json!(["stripe", "", [tool("charge", "framework")]]),
                json!(["toolset", "", []]),
            ]
        );
        assert_eq!((&body["contract"], &body["agent"]), (&json!(2), &json!("bot")));
        assert_eq!(body["snapshotHash"], declared.snapshot_hash);
    }

    #[test]
    fn a_schema_that_is_known_stays() {
        let first = declared(json!({"tools": ["late", {"name": "early", "input_schema": {"a": 1}}]}), None).unwrap();
        let members = json!({"tools": [{"name": "late", "input_schema": {}}, {"name": "early", "input_schema": {}}]});
        let additions = Reader::read_params(members.as_object().unwrap(), |r| additions(r, Known::default())).unwrap();
        let second = first.with(&additions);
        assert_eq!(second.tools["early"].input_schema, Some(json!({"a": 1})));
        assert_eq!(second.tools["late"].input_schema, Some(json!({})));
        assert_ne!(second.fingerprint(), first.fingerprint());
        assert_eq!(second.with(&additions).fingerprint(), second.fingerprint());
    }

    #[test]
    fn refuses_what_is_no_inventory() {
        for (params, message) in [
            (json!({"tools": {}}), r#"parameter "tools": expected a list"#),
            (json!({"tools": [7]}), "tools[0]: a tool is neither a name nor a definition"),
            (json!({"tools": [{}]}), "tools[0]: a tool definition has no `name`"),
            (json!({"mcp_servers": [{"tools": []}]}), "mcp_servers[0]: a server needs a name or a url"),
            (json!({"mcp_servers": ["x"]}), "mcp_servers[0]: expected an object"),
            (
                json!({"mcp_servers": [{"name": "x", "tool": []}]}),
                r#"mcp_servers[0]: unknown parameter "tool"; did you mean "tools"?"#,
            ),
            (
                json!({"mcp_servers": [{"name": "x", "tools": [1]}]}),
                "mcp_servers[0]: tools[0]: a tool is neither a name nor a definition",
            ),
        ] {
            let refusal = declared(params, None).map(|_| ()).unwrap_err();
            assert_eq!(refusal, Error::InvalidArgument(message.into()));
        }
    }
}
