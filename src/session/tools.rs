//! What the session's user may ever do with the agent's tools, before a model sees them.

use std::borrow::Cow;

use super::Session;
use crate::clock::{in_millis, since_1970};
use crate::json::{Kind, ObjectWriter, Tape, push_text};
use crate::plan::names;
use crate::policy::{Outlook, Outlooks, Verdict};
use crate::tool_definition::ToolName;
use crate::{Error, Result};

/// A tool and what its calls can come to, `None` where that is not known.
type Answer<'a> = (&'a str, Option<Outlook<'a>>);

impl Session {
    /// Tells for each tool of a list, of names or of definitions, whether its calls can ever be allowed.
    ///
    /// Asks the service for the policy where it is not at hand; what is not known then is `unknown`. The answer is JSON.
    pub fn tools(&self, tools: &str) -> Result<String> {
        self.client().open()?;
        let tape = parse(tools)?;
        let tools = read(&tape)?;
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
        let now = in_millis(since_1970());
        let outlooks = bundle.and_then(|bundle| Outlooks::new(bundle, agent, user_email, now, ungoverned));
        Ok(report(match outlooks {
            Some(outlooks) => answers(&tools, self.0.options.default_mcp_name.as_deref(), outlooks),
            None => unknown(&tools),
        }))
    }
}

fn parse(tools: &str) -> Result<Tape<'_>> {
    Tape::value(tools).map_err(|error| Error::InvalidArgument(format!("tools: {error}")))
}

fn read<'t>(tools: &'t Tape<'_>) -> Result<Vec<ToolName<'t>>> {
    let tools = tools.root().filter(|tools| tools.kind() == Kind::Array);
    let tools = tools.ok_or_else(|| Error::invalid_argument("tools must be a list"))?;
    let read = |(position, tool)| {
        ToolName::read(tool).map_err(|error| Error::InvalidArgument(format!("tools[{position}]: {error}")))
    };
    tools.items().enumerate().map(read).collect()
}

fn unknown<'a>(tools: &'a [ToolName<'_>]) -> Vec<Answer<'a>> {
    tools.iter().map(|tool| (&*tool.name, None)).collect()
}

fn answers<'a>(
    tools: &'a [ToolName<'_>],
    default_mcp_name: Option<&str>,
    mut outlooks: Outlooks<'a>,
) -> Vec<Answer<'a>> {
    let outlook = |tool: &'a ToolName<'_>| match place(tool, default_mcp_name) {
        Some((server, action)) => outlooks.of(action, server),
        None => Outlook::Never,
    };
    tools.iter().map(outlook).zip(tools).map(|(outlook, tool)| (&*tool.name, Some(outlook))).collect()
}

/// The server, where a check would know it, and the action that a check of the tool's name is about; `None` for a name
/// that no plan can give a meaning.
fn place<'a>(tool: &'a ToolName<'_>, default_mcp_name: Option<&str>) -> Option<(Option<&'a str>, &'a str)> {
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
fn report(mut answers: Vec<Answer<'_>>) -> String {
    answers.sort_by_key(|(name, _)| *name);
    let [mut always, mut depends, mut hold, mut never, mut unknown] = [const { List(String::new()) }; 5];
    let mut rest = answers.into_iter().peekable();
    while let Some((name, mut outlook)) = rest.next() {
        while let Some((_, other)) = rest.next_if(|(next, _)| *next == name) {
            outlook = outlook.zip(other).map(|(one, other)| one.join(other));
        }
        match outlook {
            Some(Outlook::Always) => always.push(name),
            Some(Outlook::Hold) => hold.push(name),
            Some(Outlook::Never) => never.push(name),
            Some(Outlook::Depends(paths)) => depends.push_tool(name, &paths),
            None => unknown.push(name),
        }
    }
    let mut report = ObjectWriter::new();
    report.raw("always", always.finish()).raw("depends", depends.finish()).raw("hold", hold.finish());
    report.raw("never", never.finish()).raw("unknown", unknown.finish()).finish()
}

/// The text of a JSON list, without the bracket that ends it, and empty where nothing is in it.
struct List(String);

impl List {
    fn push(&mut self, text: &str) {
        push_text(self.item(), &[text]);
    }

    fn push_tool(&mut self, name: &str, paths: &[Cow<'_, str>]) {
        let json = self.item();
        json.push_str(r#"{"tool":"#);
        push_text(json, &[name]);
        json.push_str(r#","paths":["#);
        for (place, path) in paths.iter().enumerate() {
            json.push_str(if place == 0 { "" } else { "," });
            push_text(json, &[path]);
        }
        json.push_str("]}");
    }

    /// The text, ready for one more item.
    fn item(&mut self) -> &mut String {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        &mut self.0
    }

    fn finish(&mut self) -> &str {
        self.0.push_str(if self.0.is_empty() { "[]" } else { "]" });
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            let text = json!([definition]).to_string();
            let tape = parse(&text).unwrap();
            assert_eq!(place(&read(&tape).unwrap()[0], Some("home")), expected, "{definition}");
        }
    }

    #[test]
    fn answers_are_sorted_and_each_name_has_one() {
        let depends = |path: &'static str| Some(Outlook::Depends(vec![path.into()]));
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
            ("\"\n", depends("\\")),
        ];
        assert_eq!(
            report(answers),
            r#"{"always":["a","z"],"depends":[{"tool":"\"\n","paths":["\\"]},{"tool":"v","paths":[]},{"tool":"x","paths":["amount","n"]}],"hold":["b"],"never":[],"unknown":["u"]}"#
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
            let read = parse(tools).and_then(|tools| read(&tools).map(drop));
            assert_eq!(read, Err(Error::InvalidArgument(message.into())), "{tools}");
        }
    }
}
