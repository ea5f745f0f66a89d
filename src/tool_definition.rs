//! Tools as agents declare them to a model, in the forms that MCP, OpenAI and Anthropic give them.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::json::{self, Kind};
use crate::plan::names::split;

/// One tool: what it is called and what it takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolDefinition {
    /// The name as it was written, which may be qualified by a server (`data-mcp__fetch_sales`).
    pub name: String,
    /// The server, where the definition or its qualified name tells it.
    pub server: Option<String>,
    /// The JSON schema of the arguments.
    pub input_schema: Option<Value>,
    /// What it says about itself to a model.
    pub description: Option<String>,
    /// MCP's hints about it, an object.
    pub annotations: Option<Value>,
}

/// What a tool is called, which is all that a policy asks about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolName<'t> {
    /// As it was written, like that of a [`ToolDefinition`].
    pub name: Cow<'t, str>,
    /// The server, where the definition tells it beside the name.
    pub server: Option<Cow<'t, str>>,
}

/// A value that tells of a tool, however it is kept.
trait Source<'t>: Copy {
    fn is_null(self) -> bool;
    fn is_object(self) -> bool;
    fn member(self, key: &str) -> Option<Self>;
    /// What a string says, `None` for what is no string.
    fn text(self) -> Option<Cow<'t, str>>;
}

impl<'t> Source<'t> for &'t Value {
    fn is_null(self) -> bool {
        self.is_null()
    }

    fn is_object(self) -> bool {
        self.is_object()
    }

    fn member(self, key: &str) -> Option<Self> {
        self.get(key)
    }

    fn text(self) -> Option<Cow<'t, str>> {
        self.as_str().map(Cow::Borrowed)
    }
}

impl<'t> Source<'t> for json::Node<'t> {
    fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    fn member(self, key: &str) -> Option<Self> {
        self.member(key)
    }

    fn text(self) -> Option<Cow<'t, str>> {
        self.text()
    }
}

/// Where a definition has the schema of its arguments: MCP, Anthropic, OpenAI.
const SCHEMA_MEMBERS: [&str; 3] = ["inputSchema", "input_schema", "parameters"];

impl ToolDefinition {
    /// Reads a tool's name (a string), or its definition: MCP's `{name, inputSchema}`, Anthropic's
    /// `{name, input_schema}`, OpenAI's `{type, function: {name, parameters}}` or `{type, name, parameters}`. Members
    /// that say nothing about the name, the server or the arguments are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] where there is no name, or the schema is not an object.
    pub fn read(tool: &Value) -> Result<Self> {
        let (ToolName { name, server }, schema) = read(tool)?;
        let server = server.or_else(|| split(&name).map(|(server, _)| server.to_owned().into()));
        let definition = tool.get("function").unwrap_or(tool);
        Ok(Self {
            server: server.map(Cow::into_owned),
            name: name.into_owned(),
            input_schema: schema.cloned(),
            description: definition.get("description").and_then(Value::as_str).map(str::to_owned),
            annotations: definition.get("annotations").filter(|annotations| annotations.is_object()).cloned(),
        })
    }

    /// The name without its server, as policies know the tool.
    pub fn action(&self) -> &str {
        split(&self.name).map_or(&self.name, |(_, action)| action)
    }
}

impl<'t> ToolName<'t> {
    /// Reads it from what [`ToolDefinition::read`] takes.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn read(tool: json::Node<'t>) -> Result<Self> {
        read(tool).map(|(tool, _)| tool)
    }

    fn new(name: Cow<'t, str>, server: Option<Cow<'t, str>>) -> Result<Self> {
        if name.is_empty() {
            return Err(invalid("a tool's name is empty"));
        }
        Ok(Self { name, server: server.filter(|server| !server.is_empty()) })
    }
}

/// What a tool is called, and the schema of its arguments.
fn read<'t, S: Source<'t>>(tool: S) -> Result<(ToolName<'t>, Option<S>)> {
    if let Some(name) = tool.text() {
        return Ok((ToolName::new(name, None)?, None));
    }
    if !tool.is_object() {
        return Err(invalid("a tool is neither a name nor a definition"));
    }
    let definition = tool.member("function").unwrap_or(tool);
    if !definition.is_object() {
        return Err(invalid("a tool's `function` is not an object"));
    }
    let name = definition.member("name").ok_or_else(|| invalid("a tool definition has no `name`"))?;
    let name = name.text().ok_or_else(|| invalid("a tool's `name` is not a string"))?;
    let schema = schema(definition, &name)?;
    Ok((ToolName::new(name, definition.member("server").and_then(S::text))?, schema))
}

fn schema<'t, S: Source<'t>>(definition: S, name: &str) -> Result<Option<S>> {
    let found = SCHEMA_MEMBERS.into_iter().find_map(|member| Some((member, definition.member(member)?)));
    match found {
        Some((_, schema)) if schema.is_object() => Ok(Some(schema)),
        Some((member, schema)) if !schema.is_null() => {
            Err(invalid(format!("`{member}` of the tool `{name}` is not an object")))
        }
        _ => Ok(None),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidArgument(message.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(tool: Value) -> ToolDefinition {
        ToolDefinition::read(&tool).unwrap()
    }

    #[test]
    fn reads_every_form_alike() {
        let schema = json!({"type": "object", "properties": {"amount": {"type": "number"}}});
        for tool in [
            json!({"name": "pay", "description": "Pays", "inputSchema": schema, "annotations": {}}),
            json!({"name": "pay", "description": "Pays", "input_schema": schema}),
            json!({"type": "function", "function": {"name": "pay", "parameters": schema, "strict": true}}),
            json!({"type": "function", "name": "pay", "parameters": schema}),
        ] {
            let read = read(tool);
            assert_eq!((read.name.as_str(), read.server, read.input_schema.as_ref()), ("pay", None, Some(&schema)));
        }
    }

    #[test]
    fn a_schema_may_be_missing() {
        for tool in [
            json!("pay"),
            json!({"name": "pay"}),
            json!({"name": "pay", "inputSchema": null}),
            json!({"type": "function", "function": {"name": "pay"}}),
        ] {
            assert_eq!(read(tool), ToolDefinition { name: "pay".into(), ..ToolDefinition::default() });
        }
    }

    #[test]
    fn reads_what_a_tool_says_about_itself() {
        let read = read(json!({"name": "pay", "description": "Pays", "annotations": {"readOnlyHint": true}}));
        assert_eq!(read.description.as_deref(), Some("Pays"));
        assert_eq!(read.annotations, Some(json!({"readOnlyHint": true})));
        let odd = ToolDefinition::read(&json!({"name": "pay", "description": 1, "annotations": []})).unwrap();
        assert_eq!((odd.description, odd.annotations), (None, None));
    }

    #[test]
    fn finds_the_server() {
        for (tool, server, action) in [
            (json!("data-mcp__fetch_sales"), Some("data-mcp"), "fetch_sales"),
            (json!("mcp__data-mcp__fetch_sales"), Some("data-mcp"), "fetch_sales"),
            (json!({"name": "fetch_sales", "server": "data-mcp"}), Some("data-mcp"), "fetch_sales"),
            (json!({"name": "fetch_sales", "server": ""}), None, "fetch_sales"),
            (json!({"type": "function", "function": {"name": "a__b"}}), Some("a"), "b"),
            (json!("__b"), None, "__b"),
        ] {
            let tool = read(tool);
            assert_eq!((tool.server.as_deref(), tool.action()), (server, action), "{tool:?}");
        }
    }

    #[test]
    fn refuses_what_names_no_tool() {
        for (tool, message) in [
            (json!(7), "a tool is neither a name nor a definition"),
            (json!(""), "a tool's name is empty"),
            (json!({"type": "web_search"}), "a tool definition has no `name`"),
            (json!({"name": null}), "a tool's `name` is not a string"),
            (json!({"type": "function", "function": "pay"}), "a tool's `function` is not an object"),
            (json!({"name": "pay", "input_schema": []}), "`input_schema` of the tool `pay` is not an object"),
        ] {
            assert_eq!(ToolDefinition::read(&tool), Err(Error::InvalidArgument(message.into())));
        }
    }
}
