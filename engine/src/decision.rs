//! Decisions: what a check answers.

use std::borrow::Cow;

use crate::json;
pub use crate::policy::Verdict;

/// Whose fault a refusal is, so that an outage never looks like a strict policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A rule, a default, or an inactive agent.
    Policy,
    /// The tool is not in the plan, is ambiguous, or there is no plan yet.
    Plan,
    /// The intent token expired, was forged or revoked, or is another plan's.
    Token,
    /// A human has to approve first.
    Approval,
    /// No answer, or none that decides.
    Unavailable,
    /// The policy bundle was not confirmed for too long.
    Stale,
    /// The program or the agent is set up wrongly.
    Config,
    /// An answer or a policy that cannot be read or contradicts itself.
    Invalid,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Plan => "plan",
            Self::Token => "token",
            Self::Approval => "approval",
            Self::Unavailable => "unavailable",
            Self::Stale => "stale",
            Self::Config => "config",
            Self::Invalid => "invalid",
        }
    }

    /// What a language model may be told as the tool's result: what happened, whether trying again can help, and what
    /// to do instead.
    fn advice(self) -> &'static str {
        match self {
            Self::Policy => {
                "was refused by policy. Trying again will not help. Do not call it again; choose another \
                             way or stop and tell the user."
            }
            Self::Plan => {
                "was refused because it is not part of the declared plan. Trying again will not help. \
                           Replan with this tool declared, or use a tool that the plan has."
            }
            Self::Token => {
                "was refused because the plan's authorization is no longer valid. Trying again will not \
                            help until the plan is started anew."
            }
            Self::Approval => {
                "needs a person's approval first. Wait for the approval, then call it again; do not \
                               work around it."
            }
            Self::Unavailable => {
                "could not be checked because the policy service is unavailable, so it was not run. \
                                  Trying again later may help."
            }
            Self::Stale => {
                "could not be checked because the policy is out of date, so it was not run. Trying again \
                            later may help."
            }
            Self::Config => {
                "was refused because this agent is not set up correctly. Trying again will not help. \
                             Stop and tell the user."
            }
            Self::Invalid => {
                "could not be checked because the policy or its answer is not valid, so it was not run. \
                              Trying again will not help. Stop and tell the user."
            }
        }
    }
}

/// What a check decided, with the official SDK's fields and a cause. It borrows from the policy that decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<'a> {
    pub verdict: Verdict,
    pub reason: Option<Cow<'a, str>>,
    pub cause: Option<Cause>,
    pub delegation_id: Option<String>,
    pub policy: PolicyIdentity<'a>,
    /// A JSON list, as text: as trees, those of a hostile answer would take many times its size.
    pub obligations: Cow<'a, str>,
}

/// Which policy and rule a decision came from, as far as the decider said so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyIdentity<'a> {
    pub name: Option<Cow<'a, str>>,
    pub id: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
    pub rule_id: Option<Cow<'a, str>>,
}

impl<'a> Decision<'a> {
    pub fn allow(reason: Option<Cow<'a, str>>) -> Self {
        Self {
            verdict: Verdict::Allow,
            reason,
            cause: None,
            delegation_id: None,
            policy: PolicyIdentity::default(),
            obligations: Cow::Borrowed("[]"),
        }
    }

    pub fn block(cause: Cause, reason: impl Into<Cow<'a, str>>) -> Self {
        Self { verdict: Verdict::Block, cause: Some(cause), ..Self::allow(Some(reason.into())) }
    }

    pub fn to_json(&self, tool: &str) -> String {
        let mut json = String::new();
        self.write_json(tool, &mut json);
        json
    }

    /// Appends the decision as JSON. `tool` is the name that the caller asked about; `for_model` speaks of it.
    pub fn write_json(&self, tool: &str, json: &mut String) {
        json.reserve(512);
        json.push_str(match self.verdict {
            Verdict::Allow => r#"{"allowed":true,"action":"allow""#,
            Verdict::Hold => r#"{"allowed":false,"action":"hold""#,
            Verdict::Block => r#"{"allowed":false,"action":"block""#,
        });
        // A member and the same without a value are texts of their own: the fewer pieces, the faster.
        macro_rules! text {
            ($name:literal, $text:expr) => {
                match $text {
                    Some(text) => {
                        json.push_str(concat!(",\"", $name, "\":"));
                        json::push_text(json, &[text]);
                    }
                    None => json.push_str(concat!(",\"", $name, "\":null")),
                }
            };
        }
        text!("reason", self.reason.as_deref());
        text!("delegation_id", self.delegation_id.as_deref());
        text!("matched_policy", self.policy.name.as_deref());
        text!("policy_id", self.policy.id.as_deref());
        text!("policy_version", self.policy.version.as_deref());
        text!("rule_id", self.policy.rule_id.as_deref());
        json.push_str(r#","obligations":"#);
        json.push_str(&self.obligations);
        match self.cause {
            None => json.push_str(r#","cause":null,"for_model":null}"#),
            Some(cause) => {
                json.push_str(r#","cause":"#);
                json::push_text(json, &[cause.as_str()]);
                json.push_str(r#","for_model":"#);
                json::push_text(json, &["The call to ", tool, " ", cause.advice()]);
                json.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there_even_when_empty() {
        let decision = json::parse(&Decision::allow(None).to_json("pay")).unwrap();
        assert_eq!(
            decision,
            json::json!({
                "allowed": true, "action": "allow", "reason": null, "delegation_id": null, "matched_policy": null,
                "policy_id": null, "policy_version": null, "rule_id": null, "obligations": [], "cause": null,
                "for_model": null,
            })
        );
    }

    #[test]
    fn obligations_are_written_as_they_are() {
        let decision = Decision { obligations: Cow::Borrowed(r#"[1.0, {"a":2}]"#), ..Decision::allow(None) };
        assert!(decision.to_json("pay").contains(r#","obligations":[1.0, {"a":2}],"cause":null"#));
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        let text = Decision::block(Cause::Plan, "tool-not-in-plan").to_json("a\"b");
        let decision = json::parse(&text).unwrap();
        assert_eq!(decision["cause"], "plan");
        assert!(decision["for_model"].as_str().unwrap().starts_with("The call to a\"b was refused"));
    }

    #[test]
    fn the_strictest_is_the_greatest() {
        assert_eq!([Verdict::Hold, Verdict::Block, Verdict::Allow].into_iter().max(), Some(Verdict::Block));
    }
}
