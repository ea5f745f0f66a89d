//! What the session's user may ever do with the agent's tools, before a model sees them.

use serde_json::{Value, json};

use super::{Session, since_1970};
use crate::plan::names;
use crate::policy::{Outlook, Outlooks, Verdict};
use crate::tool_definition::ToolDefinition;
use crate::{Error, Result, json};

/// A tool and what its calls can come to, `None` where that is not known.
type Answer<'a> = (&'a str, Option<Outlook>);

impl Session {
    /// Tells for each tool of a list, of names or of definitions, whether its calls can ever be allowed.
    ///
    /// Asks the service for the policy where it is not at hand; what is not known then is `unknown`.
    pub fn tools(&self, tools: &str) -> Result<Value> {
        self.client().open()?;
        let tools = read(tools)?;
        let config = self.client().config();
        let Some(agent) = config.named_agent() else { return Ok(report(unknown(&tools))) };
        let policies = self.client().policies();
        if policies.bundle().is_none() || policies.is_stale() {
            self.client().run(async {
                self.client().revalidate_policies().await;
                Ok(())
            })?;
        }
        let policies = self.client().policies();
        let bundle = policies.bundle().filter(|_| !policies.is_stale());
        let ungoverned = if config.require_policy { Verdict::Block } else { Verdict::Allow };
        let user_email = self.email_of(None);
        let now = i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX);
        let outlooks = bundle.and_then(|bundle| Outlooks::new(bundle, agent, user_email, now, ungoverned));
        Ok(report(match outlooks {
            Some(outlooks) => answers(&tools, self.0.options.default_mcp_name.as_deref(), outlooks),
            None => unknown(&tools),
        }))
    }
}

fn read(tools: &str) -> Result<Vec<ToolDefinition>> {
    let tools = json::parse(tools).map_err(|error| Error::InvalidArgument(format!("tools: {error}")))?;
    let tools = tools.as_array().ok_or_else(|| Error::invalid_argument("tools must be a list"))?;
    let read = |(position, tool)| {
        ToolDefinition::read(tool).map_err(|error| Error::InvalidArgument(format!("tools[{position}]: {error}")))
    };
    tools.iter().enumerate().map(read).collect()
}

fn unknown(tools: &[ToolDefinition]) -> Vec<Answer<'_>> {
    tools.iter().map(|tool| (tool.name.as_str(), None)).collect()
}

fn answers<'a>(
    tools: &'a [ToolDefinition],
    default_mcp_name: Option<&str>,
    mut outlooks: Outlooks<'_>,
) -> Vec<Answer<'a>> {
    let outlook = |tool: &'a ToolDefinition| match place(tool, default_mcp_name) {
        Some((server, action)) => outlooks.of(action, server),
        None => Outlook::Never,
    };
    tools.iter().map(outlook).zip(tools).map(|(outlook, tool)| (tool.name.as_str(), Some(outlook))).collect()
}

/// The server, where a check would know it, and the action that a check of the tool's name is about; `None` for a name
/// that no plan can give a meaning.
fn place<'a>(tool: &'a ToolDefinition, default_mcp_name: Option<&str>) -> Option<(Option<&'a str>, &'a str)> {
    if let Some((server, action)) = names::split(&tool.name) {
        return Some((Some(server), action));
    }
    if tool.name.contains(names::SEPARATOR) {
        return None;
    }
    let is_known = |server: &&str| Some(*server) != default_mcp_name && *server != "unknown";
    Some((tool.server.as_deref().filter(is_known), &tool.name))
}

/// The answers by their kinds, each sorted. What is asked twice, for two servers, is answered for both together.
fn report(mut answers: Vec<Answer<'_>>) -> Value {
    answers.sort_by_key(|(name, _)| *name);
    let (mut always, mut depends, mut hold, mut never, mut unknown) = (vec![], vec![], vec![], vec![], vec![]);
    let mut rest = answers.into_iter().peekable();
    while let Some((name, mut outlook)) = rest.next() {
        while let Some((_, other)) = rest.next_if(|(next, _)| *next == name) {
            outlook = outlook.zip(other).map(|(one, other)| one.join(other));
        }
        match outlook {
            Some(Outlook::Always) => always.push(name),
            Some(Outlook::Hold) => hold.push(name),
            Some(Outlook::Never) => never.push(name),
            Some(Outlook::Depends(paths)) => depends.push(json!({ "tool": name, "paths": paths })),
            None => unknown.push(name),
        }
    }
    json!({ "always": always, "depends": depends, "hold": hold, "never": never, "unknown": unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(definition: Value) -> ToolDefinition {
        ToolDefinition::read(&definition).unwrap()
    }

    #[test]
    fn a_name_is_placed_as_a_check_places_it() {
        for (definition, expected) in [
            (json!("bank__pay"), Some((Some("bank"), "pay"))),
            (json!("mcp__bank__pay"), Some((Some("bank"), "pay"))),
            (json!("home__pay"), Some((Some("home"), "pay"))),
            (json!("pay"), Some((None, "pay"))),
            (json!({"name": "pay", "server": "bank"}), Some((Some("bank"), "pay"))),
            (json!({"name": "pay", "server": "home"}), Some((None, "pay"))),
            (json!({"name": "pay", "server": "unknown"}), Some((None, "pay"))),
            (json!({"name": "bank__pay", "server": "other"}), Some((Some("bank"), "pay"))),
            (json!("__pay"), None),
            (json!("bank__"), None),
        ] {
            assert_eq!(place(&tool(definition.clone()), Some("home")), expected, "{definition}");
        }
    }

    #[test]
    fn answers_are_sorted_and_each_name_has_one() {
        let depends = |path: &str| Some(Outlook::Depends(vec![path.into()]));
        let answers = vec![
            ("z", Some(Outlook::Always)),
            ("b", Some(Outlook::Never)),
            ("x", depends("n")),
            ("b", Some(Outlook::Hold)),
            ("a", Some(Outlook::Always)),
            ("x", depends("amount")),
            ("u", None),
            ("v", Some(Outlook::Always)),
            ("v", Some(Outlook::Never)),
            ("a", Some(Outlook::Always)),
        ];
        assert_eq!(
            report(answers).to_string(),
            r#"{"always":["a","z"],"depends":[{"tool":"v","paths":[]},{"tool":"x","paths":["amount","n"]}],"hold":["b"],"never":[],"unknown":["u"]}"#
        );
    }

    #[test]
    fn says_which_tool_cannot_be_read() {
        for (tools, message) in [
            ("{}", "tools must be a list"),
            ("[", "tools: unexpected end of the JSON text at line 1 column 2"),
            (r#"["a",7]"#, "tools[1]: a tool is neither a name nor a definition"),
            (r#"[{"name":"a","inputSchema":1}]"#, "tools[0]: `inputSchema` of the tool `a` is not an object"),
        ] {
            assert_eq!(read(tools), Err(Error::InvalidArgument(message.into())), "{tools}");
        }
    }
}
