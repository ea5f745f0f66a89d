//! Tool names: `server__tool`, `mcp__server__tool`, or only `tool`.

use crate::error::{Error, Result};

/// What separates a server from its tool, and the `mcp` prefix of some frameworks from both.
pub(crate) const SEPARATOR: &str = "__";
pub(super) const PREFIX: &str = "mcp__";

/// The server and the tool that a qualified name means, or `None` where the name is not qualified or malformed.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SEPARATOR)).unwrap_or(name);
    name.split_once(SEPARATOR).filter(|(server, tool)| !server.is_empty() && !tool.is_empty())
}

/// The server and the tool that a name means where `default_mcp_name`, unless it is empty, serves unqualified names.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a name with an empty server or tool, and for an unqualified one without a default.
pub fn parse<'a>(name: &'a str, default_mcp_name: Option<&'a str>) -> Result<(&'a str, &'a str)> {
    if let Some(names) = split(name) {
        return Ok(names);
    }
    if name.contains(SEPARATOR) {
        return Err(Error::InvalidArgument(format!("Tool \"{name}\" has a malformed MCP prefix.")));
    }
    match default_mcp_name.filter(|server| !server.is_empty()) {
        Some(server) => Ok((server, name)),
        None => Err(Error::InvalidArgument(format!(
            "Tool \"{name}\" is not namespaced as <MCP>__<action> and no default_mcp_name was set on the session."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_separator_after_one_prefix() {
        for (name, expect) in [
            ("stripe__pay", Some(("stripe", "pay"))),
            ("mcp__stripe__create__refund", Some(("stripe", "create__refund"))),
            ("mcp__x", Some(("mcp", "x"))),
            ("a____b", Some(("a", "__b"))),
            ("mcp__mcp__a", Some(("mcp", "a"))),
            ("mcp___a__b", Some(("_a", "b"))),
            ("A__b__", Some(("A", "b__"))),
            ("mcp__a__", None),
            ("mcp____x", None),
            ("__x", None),
            ("x__", None),
            ("__", None),
            ("___a", None),
            ("pay", None),
            ("", None),
        ] {
            assert_eq!(split(name), expect, "{name}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_name() {
        assert_eq!(parse("__x", Some("stripe")).unwrap_err().to_string(), "Tool \"__x\" has a malformed MCP prefix.");
        for default in [None, Some("")] {
            assert_eq!(
                parse("pay", default).unwrap_err().to_string(),
                "Tool \"pay\" is not namespaced as <MCP>__<action> and no default_mcp_name was set on the session."
            );
        }
    }
}
