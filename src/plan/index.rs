use std::collections::HashSet;

use foldhash::quality::RandomState;

use super::calls::ToolCall;
use super::{Step, names};

/// What a tool name means under a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// A tool of the plan. `qualified` says whether the name itself named the server.
    Planned { server: &'a str, action: &'a str, qualified: bool },
    /// No tool of the plan: not declared, declared for another server, or no tool name at all.
    NotInPlan,
    /// A tool that these servers have, in the order of the plan, where nothing says which one is meant.
    Ambiguous { servers: Vec<&'a str> },
}

impl Resolution<'_> {
    /// Why a call of `name` is refused, or `None` where it is planned.
    pub fn refusal(&self, name: &str) -> Option<String> {
        match self {
            Self::Planned { .. } => None,
            Self::NotInPlan => Some(format!("tool-not-in-plan: '{name}' was not declared in the captured plan")),
            Self::Ambiguous { servers } => Some(format!("tool-ambiguous: '{name}' is on {}", enumerate(servers))),
        }
    }
}

fn enumerate(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Every name that a plan gives a meaning, so that a check needs one look-up and no parsing.
#[derive(Debug, Clone)]
pub(super) struct Index {
    targets: Targets,
}

/// By hashes that cost little and that nobody outside can tell: the names are a language model's.
type Targets = std::collections::HashMap<String, Target, RandomState>;

/// The steps that a name may mean, by their positions: at least one, each of them another tool.
#[derive(Debug, Clone)]
struct Target {
    steps: Vec<usize>,
    qualified: bool,
}

impl Index {
    pub fn new(calls: &[ToolCall<'_>], default_mcp_name: Option<&str>) -> Self {
        let mut targets = Targets::default();
        let mut known = HashSet::new();
        for (position, call) in calls.iter().enumerate() {
            for name in names_of(call) {
                if known.insert((name.clone(), call.server, call.action)) {
                    let qualified = name != call.action;
                    let target = targets.entry(name).or_insert_with(|| Target { steps: Vec::new(), qualified });
                    target.steps.push(position);
                }
            }
        }
        for target in targets.values_mut().filter(|target| !target.qualified) {
            prefer(default_mcp_name, target, calls);
        }
        Self { targets }
    }

    pub fn resolve<'a>(&'a self, name: &str, steps: &'a [Step]) -> Resolution<'a> {
        let Some(target) = self.targets.get(name) else { return Resolution::NotInPlan };
        let mut meant = target.steps.iter().filter_map(|position| steps.get(*position));
        match (meant.next(), meant.next()) {
            (Some(Step { server, action }), None) => {
                Resolution::Planned { server, action, qualified: target.qualified }
            }
            (None, _) => Resolution::NotInPlan,
            _ => {
                let steps = target.steps.iter().filter_map(|position| steps.get(*position));
                Resolution::Ambiguous { servers: steps.map(|step| step.server.as_str()).collect() }
            }
        }
    }
}

/// The names of a planned tool: as the plan wrote it, and qualified with and without the prefix, but only where
/// splitting the name gives this very tool (`mcp__b__c` is never the tool `b__c` of a server called `mcp`). Last its
/// bare name, unless that would read as a qualified one.
fn names_of(call: &ToolCall<'_>) -> Vec<String> {
    let qualified = [call.server, names::SEPARATOR, call.action].concat();
    let prefixed = [names::PREFIX, &qualified].concat();
    let mut found = vec![call.name.clone().into_owned()];
    found.extend(
        [qualified, prefixed].into_iter().filter(|name| names::split(name) == Some((call.server, call.action))),
    );
    if !call.action.contains(names::SEPARATOR) {
        found.push(call.action.to_owned());
    }
    found
}

/// Where several servers have a tool, the default server's is meant.
fn prefer(server: Option<&str>, target: &mut Target, calls: &[ToolCall<'_>]) {
    let on_server = |position: &usize| calls.get(*position).map(|call| call.server) == server;
    if let Some(position) = target.steps.iter().copied().find(on_server) {
        target.steps = vec![position];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::plan::Plan;

    fn plan(calls: &str, default_mcp_name: Option<&str>) -> Plan {
        Plan::build(&json::parse(calls).unwrap(), None, default_mcp_name).unwrap()
    }

    fn planned<'a>(server: &'a str, action: &'a str, qualified: bool) -> Resolution<'a> {
        Resolution::Planned { server, action, qualified }
    }

    #[test]
    fn finds_a_tool_under_each_of_its_names() {
        for calls in [
            r#"[{"name":"data-mcp__fetch_sales"}]"#,
            r#"[{"name":"mcp__data-mcp__fetch_sales"}]"#,
            r#"[{"mcp":"data-mcp","action":"fetch_sales"}]"#,
        ] {
            let plan = plan(calls, None);
            for name in ["data-mcp__fetch_sales", "mcp__data-mcp__fetch_sales"] {
                assert_eq!(plan.resolve(name), planned("data-mcp", "fetch_sales", true), "{calls} {name}");
            }
            assert_eq!(plan.resolve("fetch_sales"), planned("data-mcp", "fetch_sales", false), "{calls}");
        }
    }

    #[test]
    fn a_qualified_name_is_planned_for_its_server_only() {
        let plan = plan(r#"[{"name":"Stripe__charge"},{"name":"GitHub__merge"}]"#, None);
        for name in ["GitHub__charge", "stripe__charge", "mcp__GitHub__charge", "", "__", "__charge", "charge__", "x"] {
            assert_eq!(plan.resolve(name), Resolution::NotInPlan, "{name}");
        }
        assert_eq!(
            plan.resolve("GitHub__charge").refusal("GitHub__charge").unwrap(),
            "tool-not-in-plan: 'GitHub__charge' was not declared in the captured plan"
        );
    }

    #[test]
    fn a_tool_of_two_servers_needs_a_server_or_a_default() {
        let calls = r#"[{"name":"a__t"},{"name":"b__t"},{"name":"b__t","args":{"n":2}}]"#;
        let without = plan(calls, None);
        assert_eq!(without.resolve("t"), Resolution::Ambiguous { servers: vec!["a", "b"] });
        assert_eq!(without.resolve("t").refusal("t").unwrap(), "tool-ambiguous: 't' is on a and b");
        assert_eq!(without.resolve("b__t"), planned("b", "t", true));
        assert_eq!(plan(calls, Some("b")).resolve("t"), planned("b", "t", false));
        assert!(matches!(plan(calls, Some("c")).resolve("t"), Resolution::Ambiguous { .. }));
    }

    #[test]
    fn three_servers_are_listed() {
        let plan = plan(r#"[{"name":"a__t"},{"name":"b__t"},{"name":"c__t"}]"#, None);
        assert_eq!(plan.resolve("t").refusal("t").unwrap(), "tool-ambiguous: 't' is on a, b and c");
        assert_eq!(plan.resolve("a__t").refusal("a__t"), None);
    }

    #[test]
    fn an_unqualified_name_of_the_plan_is_on_the_default_server() {
        let plan = plan(r#"[{"name":"t"},{"name":"other__t"}]"#, Some("main"));
        assert_eq!(plan.resolve("t"), planned("main", "t", false));
        assert_eq!(plan.resolve("main__t"), planned("main", "t", true));
        assert_eq!(plan.resolve("mcp__other__t"), planned("other", "t", true));
    }

    #[test]
    fn a_name_never_means_a_tool_that_it_does_not_split_into() {
        let plan = plan(r#"[{"name":"mcp__mcp__b__c"},{"name":"data__b__c"}]"#, None);
        assert_eq!(plan.resolve("mcp__mcp__b__c"), planned("mcp", "b__c", true));
        assert_eq!(plan.resolve("mcp__b__c"), Resolution::NotInPlan);
        assert_eq!(plan.resolve("b__c"), Resolution::NotInPlan);
    }

    #[test]
    fn fields_that_read_as_another_tools_name_are_ambiguous() {
        let alone = plan(r#"[{"mcp":"mcp","action":"b__c"}]"#, None);
        assert_eq!(alone.resolve("mcp__b__c"), planned("mcp", "b__c", true));
        let both = plan(r#"[{"mcp":"mcp","action":"b__c"},{"name":"b__c"}]"#, None);
        assert_eq!(both.resolve("mcp__b__c"), Resolution::Ambiguous { servers: vec!["mcp", "b"] });
        assert_eq!(both.resolve("b__c"), planned("b", "c", true));
    }
}
