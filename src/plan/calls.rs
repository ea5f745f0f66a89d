use super::{Step, names};
use crate::error::{Error, Result};
use crate::json::{self, Map, Value, json};
use std::borrow::Cow;

const NAME_FORM: [&str; 3] = ["name", "args", "id"];
const FIELD_FORM: [&str; 4] = ["action", "mcp", "params", "id"];

/// One entry of the tool calls that a plan is made of.
pub(super) struct ToolCall<'a> {
    pub name: Cow<'a, str>,
    pub server: &'a str,
    pub action: &'a str,
    arguments: Cow<'a, Value>,
}

impl<'a> ToolCall<'a> {
    pub fn read(position: usize, entry: &'a Value, default_mcp_name: Option<&'a str>) -> Result<Self> {
        let entry = Entry { position, members: members(position, entry)? };
        if entry.members.contains_key("name") {
            entry.check_keys(&NAME_FORM)?;
            let name = entry.text("name")?;
            let (server, action) = names::parse(name, default_mcp_name)?;
            return Ok(Self { name: name.into(), server, action, arguments: entry.object("args")? });
        }
        if !entry.members.contains_key("action") {
            return Err(Error::InvalidArgument(format!("tool call {position} has neither 'name' nor 'action'")));
        }
        entry.check_keys(&FIELD_FORM)?;
        let (server, action) = (entry.filled_text("mcp")?, entry.filled_text("action")?);
        let name = [server, names::SEPARATOR, action].concat().into();
        Ok(Self { name, server, action, arguments: entry.object("params")? })
    }

    pub fn step(&self) -> Step {
        Step { server: self.server.into(), action: self.action.into() }
    }

    pub fn step_json(&self) -> Value {
        let Self { server, action, arguments, .. } = self;
        json!({
            "action": action,
            "tool": action,
            "mcp": server,
            "params": arguments,
            "description": format!("Call {action} on {server}"),
        })
    }
}

/// The hash that tells a changed plan from an unchanged one.
pub(super) fn hash(calls: &[ToolCall<'_>]) -> String {
    let calls = calls.iter().map(|call| json!({ "name": call.name, "args": call.arguments })).collect();
    json::sha256_hex(json::canonical(&Value::Array(calls)))
}

fn members(position: usize, entry: &Value) -> Result<&Map<String, Value>> {
    entry.as_object().ok_or_else(|| Error::InvalidArgument(format!("tool call {position} must be an object")))
}

struct Entry<'a> {
    position: usize,
    members: &'a Map<String, Value>,
}

impl<'a> Entry<'a> {
    fn check_keys(&self, known: &[&str]) -> Result<()> {
        match self.members.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::InvalidArgument(format!("tool call {} has an unknown key '{key}'", self.position))),
            None => Ok(()),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        self.members.get(key).and_then(Value::as_str).ok_or_else(|| self.refuse(key, "must be a string"))
    }

    fn filled_text(&self, key: &str) -> Result<&'a str> {
        match self.text(key)? {
            "" => Err(self.refuse(key, "must not be empty")),
            text => Ok(text),
        }
    }

    fn object(&self, key: &str) -> Result<Cow<'a, Value>> {
        match self.members.get(key) {
            None | Some(Value::Null) => Ok(Cow::Owned(Value::Object(Map::new()))),
            Some(object @ Value::Object(_)) => Ok(Cow::Borrowed(object)),
            Some(_) => Err(self.refuse(key, "must be an object")),
        }
    }

    fn refuse(&self, key: &str, message: &str) -> Error {
        Error::InvalidArgument(format!("'{key}' of tool call {} {message}", self.position))
    }
}
