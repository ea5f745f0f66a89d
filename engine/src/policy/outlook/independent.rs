//! The short way to the verdicts, for rules of which no two questions are about one argument, or one inside another.
//!
//! Every combination of answers to such questions can be given. What follows on an answer is then the same however the
//! question was reached, so that one walk from the last question to the first finds what `explore` finds by following
//! every way. Which answers a test can get is known by its kind, without trying it on values.

use super::super::bundle::Policy;
use super::super::call::Segment;
use super::super::condition::{Condition, Constant, Test};
use super::super::{Budget, Verdict};
use super::questions::{MOST_ARGUMENTS, joined};
use super::rules::STEPS_FOR_KEYS;
use super::{Layer, VerdictSet, Verdicts};
use crate::json::MAX_DEPTH;

/// The rules of one tool, in the order in which a call is asked about them. The memory serves one tool after another.
#[derive(Debug, Default)]
pub(super) struct IndependentRules<'a> {
    steps: Vec<Step<'a>>,
    /// What the questions are about.
    asked: Vec<&'a [Segment]>,
}

/// A rule is its questions, and then its effect. Where one is not answered with yes, the next rule is asked.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Ask(&'a [Segment], Answers),
    Decide(Verdict),
}

/// The answers that there are to one question. That it is no is always possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    No,
    YesOrNo,
    NoOrRefused,
    /// Yes and a refusal may be possible, which is not certain.
    Unknown,
}

/// What calls that get as far as some step can come to.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    met: VerdictSet,
    is_hold_certain: bool,
}

impl<'a> IndependentRules<'a> {
    /// Takes the rules of a tool; `None` where they are not of this kind.
    pub(super) fn read(
        &mut self,
        policy: &'a Policy,
        layers: &[Layer<'a>],
        tool: &str,
        server: Option<&str>,
    ) -> Option<()> {
        self.steps.clear();
        self.asked.clear();
        // The tool on any server that it may be on: all of them have the same rules where none has rules of its own.
        let mut candidates = 0_u64;
        for candidate in policy.candidates(tool, server) {
            let capabilities = &candidate.capabilities;
            if layers.iter().any(|layer| !layer.scope.capability_statements(capabilities).is_empty()) {
                return None;
            }
            candidates = candidates.saturating_add(1);
        }
        let budget = Budget::of(STEPS_FOR_KEYS / candidates.max(1));
        for layer in layers {
            let key = layer.scope.best_key(layer.document, tool, Some(layer.now), &budget).ok()?;
            for statement in key.into_iter().flat_map(|key| key.variants()).filter_map(|index| layer.statement(index)) {
                self.ask_all(&statement.conditions)?;
                self.steps.push(Step::Decide(statement.effect));
                // What comes after a rule without conditions is never asked.
                if statement.conditions.is_empty() {
                    return Some(());
                }
            }
        }
        self.steps.push(Step::Decide(policy.document.default_verdict()));
        Some(())
    }

    fn ask_all(&mut self, conditions: &'a [Condition]) -> Option<()> {
        for condition in conditions {
            let path = condition.argument().filter(|path| (1..MAX_DEPTH).contains(&path.len()))?;
            let is_independent = |asked: &&[Segment]| !asked.starts_with(path) && !path.starts_with(asked);
            if self.asked.len() == MOST_ARGUMENTS || !self.asked.iter().all(is_independent) {
                return None;
            }
            self.asked.push(path);
            let answers = Answers::to(condition.test());
            self.steps.push(Step::Ask(path, answers));
            // What comes after a question that is never answered with yes is never asked.
            if !answers.can_be_yes() {
                break;
            }
        }
        Some(())
    }

    /// How much there is to look at.
    pub(super) fn work(&self) -> usize {
        self.steps.len()
    }

    /// What `explore` finds too; `None` where only examples can show whether a call is held.
    pub(super) fn verdicts(&self) -> Option<Verdicts<'a>> {
        let mut paths = Vec::new();
        // What follows on yes, and on no.
        let (mut then, mut next_rule) = (Outcome::default(), Outcome::default());
        for step in self.steps.iter().rev() {
            match *step {
                Step::Decide(effect) => {
                    next_rule = then;
                    then = Outcome { met: VerdictSet::of(effect), is_hold_certain: effect == Verdict::Hold };
                }
                Step::Ask(path, answers) => {
                    then = answers.lead_to(then, next_rule);
                    if answers != Answers::No && then.met.is_several() {
                        paths.push(joined(path));
                    }
                }
            }
        }
        let Outcome { met, is_hold_certain } = then;
        if met.hold && !met.allow && !is_hold_certain {
            return None;
        }
        paths.sort_unstable();
        Some(Verdicts { met, is_hold_certain, paths })
    }
}

impl Answers {
    /// The answers to a test of an argument, over all that the argument can be.
    fn to(test: &Test) -> Self {
        let yes_if = |is_possible| if is_possible { Self::YesOrNo } else { Self::No };
        match test {
            Test::Equal(Constant::Incomparable) | Test::Never => Self::No,
            // What is left out is neither equal nor unequal to anything.
            Test::Exists(_) | Test::Equal(_) | Test::NotEqual(_) | Test::NotIn(_) | Test::StartsWith(_) => {
                Self::YesOrNo
            }
            Test::Greater(bound) => yes_if(*bound < f64::INFINITY),
            Test::GreaterOrEqual(bound) | Test::LessOrEqual(bound) => yes_if(!bound.is_nan()),
            Test::Less(bound) => yes_if(*bound > f64::NEG_INFINITY),
            Test::In(set) => yes_if(!set.is_empty()),
            Test::Glob(glob) if glob.is_free() => Self::YesOrNo,
            // A text can always be so long that matching it costs more than a call may spend.
            Test::Glob(_) | Test::Matches { regex: Ok(_), .. } => Self::Unknown,
            Test::Matches { regex: Err(_), .. } | Test::UnknownOperator(_) => Self::NoOrRefused,
        }
    }

    fn can_be_yes(self) -> bool {
        matches!(self, Self::YesOrNo | Self::Unknown)
    }

    fn can_be_refused(self) -> bool {
        matches!(self, Self::NoOrRefused | Self::Unknown)
    }

    /// Before the question, from what follows on yes and on no.
    fn lead_to(self, yes: Outcome, no: Outcome) -> Outcome {
        let mut outcome = no;
        if self.can_be_yes() {
            outcome.met.join(yes.met);
            outcome.is_hold_certain |= yes.is_hold_certain && self == Self::YesOrNo;
        }
        outcome.met.block |= self.can_be_refused();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::values::{self, Subject, Values};
    use super::super::{Outlook, Outlooks};
    use super::*;
    use crate::json;
    use crate::policy::Bundle;
    use crate::policy::random::Random;

    /// Operators and constants, ordinary and odd.
    const TESTS: &[(&str, &str)] = &[
        ("exists", "true"),
        ("exists", "false"),
        ("exists", "7"),
        ("eq", "null"),
        ("eq", "true"),
        ("eq", "0"),
        ("eq", "1e400"),
        ("eq", r#""""#),
        ("eq", "[]"),
        ("ne", "null"),
        ("ne", "false"),
        ("ne", "5.5"),
        ("ne", r#""x""#),
        ("ne", "{}"),
        ("gt", "-0"),
        ("gt", "1e400"),
        ("gt", "-1e400"),
        ("gte", "1e400"),
        ("gte", "-1e400"),
        ("lt", "5000"),
        ("lt", "1e400"),
        ("lt", "-1e400"),
        ("lte", "5000"),
        ("lte", "-1e400"),
        ("lte", r#""5""#),
        ("in", "[]"),
        ("in", "[[]]"),
        ("in", "[null]"),
        ("in", "[true, false]"),
        ("in", "[1e400]"),
        ("in", r#"["EUR", "USD"]"#),
        ("in", "7"),
        ("notIn", "[]"),
        ("notIn", r#"[null, 1, "a"]"#),
        ("glob", r#""invoice""#),
        ("glob", r#""""#),
        ("glob", r#""in*.pdf""#),
        ("glob", r#""/home/**""#),
        ("glob", r#""/home/*/a?""#),
        ("regex", r#""^[a-z]+@example\\.com$""#),
        ("regex", r#""(?=a)""#),
        ("notRegex", r#""x""#),
        ("notRegex", r#""[""#),
        ("startsWith", r#""invoice ""#),
        ("startsWith", r#""""#),
        ("startsWith", "1"),
        ("like", r#""x""#),
    ];

    fn condition(field: &str, (operator, value): (&str, &str)) -> Value {
        json!({"field": field, "op": operator, "value": json::parse(value).unwrap()})
    }

    #[test]
    fn answers_are_those_that_values_give() {
        for test in TESTS {
            let condition = Condition::compile(&condition("args.a", *test)).unwrap();
            let values = Values::of(Subject::Argument(condition.argument().unwrap()), &[condition.test()]);
            let classes = |outcome| values.classes(0, outcome);
            let [yes, no, refused] = values::Outcome::ALL.map(|outcome| classes(outcome) != 0);
            let answers = Answers::to(condition.test());
            assert_eq!((answers.can_be_yes(), true, answers.can_be_refused()), (yes, no, refused), "{test:?}");
            let is_certain = |outcome| classes(outcome) & values.certain != 0;
            assert!(is_certain(values::Outcome::Fails), "{test:?}");
            assert!(answers != Answers::YesOrNo || is_certain(values::Outcome::Holds), "{test:?}");
        }
    }

    impl Random {
        fn conditions(&mut self, asked: &mut usize) -> Vec<Value> {
            let conditions = 0..self.pick(&[0, 1, 1, 2, 3, 4]);
            let field = |random: &mut Self, asked: &mut usize| {
                *asked += 1;
                match random.below(24) {
                    0 => "args.f1".to_owned(),
                    1 => "args.f1.k".to_owned(),
                    2 => random.pick(&["args", "derived.k"]).to_owned(),
                    3..10 => format!("args.f{asked}.k"),
                    _ => format!("args.f{asked}"),
                }
            };
            conditions.map(|_| condition(&field(self, asked), self.pick(TESTS))).collect()
        }

        fn statement(&mut self, id: usize, asked: &mut usize) -> Value {
            let matched = match self.below(12) {
                0 => json!({"capability": self.pick(&["pay", "read"])}),
                _ => json!({"tool": self.pick(&["t", "t", "t*", "*"]), "order": self.below(3)}),
            };
            let subject = if self.below(3) == 0 { json!({"email": "alice@x.io"}) } else { Value::Null };
            json!({
                "id": format!("s{id}"), "match": matched, "subject": subject, "conditions": self.conditions(asked),
                "effect": self.pick(&["allow", "hold", "block"]),
                "expiresAt": self.pick(&["never", "never", "never", "2020-01-01T00:00:00Z"]),
                "provenance": {"ruleKey": "k", "variant": id},
            })
        }

        fn agent(&mut self) -> Value {
            let mut asked = 0;
            let statements: Vec<_> = (0..1 + self.below(5)).map(|id| self.statement(id, &mut asked)).collect();
            let capabilities = [json!([]), json!([]), json!(["read"]), json!(["pay", "read"])];
            let tools: Vec<_> = (0..self.below(3))
                .map(|_| json!({"name": "t", "server": self.pick(&["a", "b"]), "capabilities": self.pick(&capabilities.each_ref())}))
                .collect();
            let document = json!({
                "policyId": "p", "layer": "agent", "expiresAt": "never", "statements": statements,
                "defaults": {"tools": self.pick(&["allow", "hold", "block"])},
            });
            json!({
                "agentId": "a", "tools": tools, "policy": {"policyId": "p", "document": document},
                "members": [{"email": "alice@x.io", "membershipId": "m"}],
            })
        }
    }

    #[test]
    fn both_ways_find_the_same() {
        const NOW: i64 = 1_789_732_800_000;
        let mut random = Random(20_261_124);
        let (mut always, mut hold, mut never, mut depends, mut not_walked) = (0, 0, 0, 0, 0);
        for _ in 0..6_000 {
            let agent = random.agent();
            let bundle = Bundle::compile(&json!({"agents": [agent]})).unwrap();
            let email = random.pick(&[Some("alice@x.io"), None]);
            let mut outlooks = Outlooks::new(&bundle, "a", email, NOW, Verdict::Allow).unwrap();
            for server in [None, Some("a")] {
                let Some(walked) = outlooks.walked("t", server) else {
                    not_walked += 1;
                    continue;
                };
                let walked = Outlook::from(walked);
                assert_eq!(walked, outlooks.explored("t", server).into(), "{server:?} {email:?}\n{agent}");
                match walked {
                    Outlook::Always => always += 1,
                    Outlook::Hold => hold += 1,
                    Outlook::Never => never += 1,
                    Outlook::Depends(_) => depends += 1,
                }
            }
        }
        let seen = [always, hold, never, depends, not_walked];
        assert!(seen.iter().all(|seen| *seen > 300), "hardly met: {seen:?}");
    }
}
