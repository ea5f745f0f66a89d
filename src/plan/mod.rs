//! The plan that an agent declares, and which tool a name means under it.

mod calls;
mod index;
pub mod names;

use crate::error::{Error, Result};
use crate::json::{Value, json};
use calls::ToolCall;
use index::Index;
pub use index::Resolution;

const DEFAULT_GOAL: &str = "agent task";

/// A declared plan: the tool calls that an agent intends to make, in order.
#[derive(Debug, Clone)]
pub struct Plan {
    steps: Vec<Step>,
    json: Value,
    hash: String,
    index: Index,
}

/// One planned call: which tool, on which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub server: String,
    pub action: String,
}

impl Plan {
    /// Reads the tool calls of a plan: a list of `{"name", "args"}` and `{"action", "mcp", "params"}` entries, each
    /// with an optional `id`. Unqualified names are on `default_mcp_name`; an empty goal is `agent task`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an empty list, an entry of another shape, and a name that names no server.
    pub fn build(tool_calls: &Value, goal: Option<&str>, default_mcp_name: Option<&str>) -> Result<Self> {
        let entries = tool_calls.as_array().ok_or_else(|| Error::invalid_argument("tool_calls must be a list"))?;
        if entries.is_empty() {
            return Err(Error::invalid_argument("start_plan called with no tool calls."));
        }
        let calls = entries.iter().enumerate().map(|(at, entry)| ToolCall::read(at, entry, default_mcp_name));
        let calls = calls.collect::<Result<Vec<_>>>()?;
        let goal = goal.filter(|goal| !goal.is_empty()).unwrap_or(DEFAULT_GOAL);
        let steps: Vec<_> = calls.iter().map(ToolCall::step).collect();
        Ok(Self {
            json: json!({ "goal": goal, "steps": calls.iter().map(ToolCall::step_json).collect::<Vec<_>>() }),
            hash: calls::hash(&calls),
            index: Index::new(&calls, default_mcp_name),
            steps,
        })
    }

    /// The planned calls, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The plan object as it is sent: `{"goal", "steps"}`.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// SHA-256 over the canonical tool calls, in hex. It never leaves the process: it tells a changed plan from an
    /// unchanged one.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether both plans declare the same calls of the same tools. The hash alone does not say so: `a__b__c` means
    /// one tool as a name, and another one as the action `c` of the server `a__b`.
    pub fn declares_the_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.steps == other.steps
    }

    /// What a tool name, as a program or a language model wrote it, means under this plan.
    pub fn resolve(&self, name: &str) -> Resolution<'_> {
        self.index.resolve(name, &self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn build(calls: &str) -> Result<Plan> {
        Plan::build(&json::parse(calls).unwrap(), None, None)
    }

    #[test]
    fn builds_both_forms_into_the_same_plan() {
        let names = build(r#"[{"id":"1","name":"data-mcp__fetch","args":{"q":1.0}},{"name":"s__t","args":null}]"#);
        let fields =
            build(r#"[{"action":"fetch","mcp":"data-mcp","params":{"q":1.0},"id":7},{"action":"t","mcp":"s"}]"#);
        let (names, fields) = (names.unwrap(), fields.unwrap());
        assert_eq!(names.json(), fields.json());
        assert!(names.declares_the_same(&fields));
        assert_eq!(
            names.json().to_string(),
            r#"{"goal":"agent task","steps":[{"action":"fetch","tool":"fetch","mcp":"data-mcp","params":{"q":1.0},"description":"Call fetch on data-mcp"},{"action":"t","tool":"t","mcp":"s","params":{},"description":"Call t on s"}]}"#
        );
        let canonical = r#"[{"args":{"q":1.0},"name":"data-mcp__fetch"},{"args":{},"name":"s__t"}]"#;
        assert_eq!(names.hash(), json::sha256_hex(canonical));
    }

    #[test]
    fn the_goal_is_the_callers_unless_it_is_empty() {
        let calls = json!([{ "name": "s__t" }]);
        let goal = |goal| Plan::build(&calls, goal, None).unwrap().json()["goal"].clone();
        assert_eq!(goal(Some("Q4 report")), "Q4 report");
        assert_eq!(goal(Some("")), "agent task");
    }

    #[test]
    fn equal_names_of_different_tools_are_different_plans() {
        let name = build(r#"[{"name":"a__b__c"}]"#).unwrap();
        let fields = build(r#"[{"mcp":"a__b","action":"c"}]"#).unwrap();
        assert_eq!(name.hash(), fields.hash());
        assert!(!name.declares_the_same(&fields));
    }

    #[test]
    fn refuses_what_is_no_plan() {
        for (calls, message) in [
            ("{}", "tool_calls must be a list"),
            ("[]", "start_plan called with no tool calls."),
            ("[{\"name\":\"s__t\"},7]", "tool call 1 must be an object"),
            ("[{}]", "tool call 0 has neither 'name' nor 'action'"),
            (r#"[{"name":7}]"#, "'name' of tool call 0 must be a string"),
            (r#"[{"name":"s__t","params":{}}]"#, "tool call 0 has an unknown key 'params'"),
            (r#"[{"action":"t","mcp":"s","args":{}}]"#, "tool call 0 has an unknown key 'args'"),
            (r#"[{"action":"t","mcp":"s","name":"s__t"}]"#, "tool call 0 has an unknown key 'action'"),
            (r#"[{"action":"t"}]"#, "'mcp' of tool call 0 must be a string"),
            (r#"[{"action":"","mcp":"s"}]"#, "'action' of tool call 0 must not be empty"),
            (r#"[{"action":"t","mcp":""}]"#, "'mcp' of tool call 0 must not be empty"),
            (r#"[{"name":"s__t","args":[]}]"#, "'args' of tool call 0 must be an object"),
            (r#"[{"action":"t","mcp":"s","params":"x"}]"#, "'params' of tool call 0 must be an object"),
            (r#"[{"name":"__x"}]"#, "Tool \"__x\" has a malformed MCP prefix."),
        ] {
            assert_eq!(build(calls).unwrap_err(), Error::InvalidArgument(message.into()), "{calls}");
        }
    }
}
