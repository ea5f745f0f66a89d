//! What a field can still be once some conditions are known to hold.
//!
//! Every answer is on the safe side: a domain may hold values that no field can have, but never lacks one that would
//! pass all the conditions. So a domain that is empty proves that they cannot hold together.

use super::view::ConditionView;
use crate::policy::Budget;
use crate::policy::call::Node;
use crate::policy::condition::{Constant, Test};

/// The values that a field can have.
#[derive(Debug, Clone)]
pub(super) struct Domain<'a> {
    absent: bool,
    null: bool,
    no: bool,
    yes: bool,
    list: bool,
    object: bool,
    numbers: Numbers,
    strings: Strings<'a>,
}

#[derive(Debug, Clone)]
struct Numbers {
    /// Both included.
    low: f64,
    high: f64,
    /// `None` is every one between the bounds.
    only: Option<Vec<f64>>,
    without: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Strings<'a> {
    /// `None` is every string that passes the tests.
    only: Option<Vec<&'a str>>,
    without: Vec<&'a str>,
    tests: Vec<StringTest<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct StringTest<'a> {
    test: &'a Test,
    /// As it was written, for the comparison of patterns.
    operand: &'a str,
}

impl<'a> Domain<'a> {
    /// Everything.
    pub(super) fn full() -> Self {
        Self {
            absent: true,
            null: true,
            no: true,
            yes: true,
            list: true,
            object: true,
            numbers: Numbers { low: f64::NEG_INFINITY, high: f64::INFINITY, only: None, without: Vec::new() },
            strings: Strings { only: None, without: Vec::new(), tests: Vec::new() },
        }
    }

    /// Everything but a field that is not there.
    pub(super) fn present() -> Self {
        Self { absent: false, ..Self::full() }
    }

    /// Leaves only what the condition holds for.
    pub(super) fn restrict(&mut self, condition: &'a ConditionView<'_>, budget: &Budget) {
        let test = condition.compiled.test();
        if gives_errors(test) {
            return;
        }
        let holds = |node| test.holds(node, budget).unwrap_or(true);
        self.absent = self.absent && holds(None);
        self.null = self.null && holds(Some(Node::Null));
        self.no = self.no && holds(Some(Node::Bool(false)));
        self.yes = self.yes && holds(Some(Node::Bool(true)));
        self.list = self.list && holds(Some(Node::Array));
        self.object = self.object && holds(Some(Node::Object));
        self.numbers.restrict(test);
        self.numbers.keep(|number| holds(Some(Node::Number(number))));
        let operand = condition.value.and_then(|value| value.as_str()).unwrap_or_default();
        self.strings.restrict(test, operand);
        self.strings.keep(|text| holds(Some(Node::String(text.into()))));
    }

    /// Leaves only what has the member: an object, or a list where lists have such a member.
    pub(super) fn require_member(&mut self, may_be_list: bool) {
        self.absent = false;
        self.null = false;
        self.no = false;
        self.yes = false;
        self.list = self.list && may_be_list;
        self.numbers.clear();
        self.strings.clear();
    }

    pub(super) fn may_be_absent(&self) -> bool {
        self.absent
    }

    pub(super) fn is_empty(&self) -> bool {
        let others = [self.absent, self.null, self.no, self.yes, self.list, self.object];
        !others.contains(&true) && self.numbers.is_empty() && self.strings.is_empty()
    }

    /// Whether the condition holds for everything that is left.
    pub(super) fn satisfies(&self, condition: &ConditionView<'_>, budget: &Budget) -> bool {
        let test = condition.compiled.test();
        if gives_errors(test) {
            return false;
        }
        let holds = |node| test.holds(node, budget).unwrap_or(false);
        let others = [
            (self.absent, None),
            (self.null, Some(Node::Null)),
            (self.no, Some(Node::Bool(false))),
            (self.yes, Some(Node::Bool(true))),
            (self.list, Some(Node::Array)),
            (self.object, Some(Node::Object)),
        ];
        let operand = condition.value.and_then(|value| value.as_str()).unwrap_or_default();
        others.into_iter().all(|(is_possible, node)| !is_possible || holds(node))
            && self.numbers.all_pass(test, |number| holds(Some(Node::Number(number))))
            && self.strings.all_pass(test, operand, budget)
    }
}

/// Whether the test can refuse to give an answer. What it would say is then not reasoned about.
fn gives_errors(test: &Test) -> bool {
    matches!(test, Test::UnknownOperator(_) | Test::Matches { regex: Err(_), .. })
}

impl Numbers {
    fn clear(&mut self) {
        self.only = Some(Vec::new());
    }

    fn restrict(&mut self, test: &Test) {
        match test {
            // There is nothing above or below an infinity.
            Test::Greater(bound) if *bound == f64::INFINITY => self.clear(),
            Test::Less(bound) if *bound == f64::NEG_INFINITY => self.clear(),
            Test::Greater(bound) => self.low = self.low.max(bound.next_up()),
            Test::GreaterOrEqual(bound) => self.low = self.low.max(*bound),
            Test::Less(bound) => self.high = self.high.min(bound.next_down()),
            Test::LessOrEqual(bound) => self.high = self.high.min(*bound),
            Test::Equal(Constant::Number(number)) => self.allow(&[*number]),
            Test::In(set) => self.allow(&set.numbers),
            Test::NotEqual(Constant::Number(number)) => self.without.push(*number),
            Test::NotIn(set) => self.without.extend(&set.numbers),
            Test::Exists(true) | Test::NotEqual(_) => {}
            Test::Exists(false)
            | Test::Equal(_)
            | Test::Glob(_)
            | Test::Matches { .. }
            | Test::StartsWith(_)
            | Test::Never
            | Test::UnknownOperator(_) => self.clear(),
        }
        let (low, high) = (self.low, self.high);
        self.keep(|number| number >= low && number <= high);
    }

    fn allow(&mut self, numbers: &[f64]) {
        if self.only.is_none() {
            let without = std::mem::take(&mut self.without);
            self.only = Some(numbers.iter().copied().filter(|number| !without.contains(number)).collect());
        }
    }

    fn keep(&mut self, keep: impl Fn(f64) -> bool) {
        if let Some(only) = &mut self.only {
            only.retain(|number| keep(*number));
        }
    }

    fn is_empty(&self) -> bool {
        match &self.only {
            Some(only) => only.is_empty(),
            None => self.low > self.high || (self.low == self.high && self.without.contains(&self.low)),
        }
    }

    fn all_pass(&self, test: &Test, holds: impl Fn(f64) -> bool) -> bool {
        if self.is_empty() {
            return true;
        }
        if let Some(only) = &self.only {
            return only.iter().all(|number| holds(*number));
        }
        let is_out = |number: &f64| *number < self.low || *number > self.high || self.without.contains(number);
        match test {
            Test::Exists(wanted) => *wanted,
            Test::Greater(bound) => self.low > *bound,
            Test::GreaterOrEqual(bound) => self.low >= *bound,
            Test::Less(bound) => self.high < *bound,
            Test::LessOrEqual(bound) => self.high <= *bound,
            Test::NotEqual(Constant::Number(number)) => is_out(number),
            Test::NotEqual(_) => true,
            Test::NotIn(set) => set.numbers.iter().all(is_out),
            Test::Equal(_) | Test::In(_) => self.low == self.high && holds(self.low),
            Test::Glob(_) | Test::Matches { .. } | Test::StartsWith(_) | Test::Never | Test::UnknownOperator(_) => {
                false
            }
        }
    }
}

impl<'a> Strings<'a> {
    fn clear(&mut self) {
        self.only = Some(Vec::new());
    }

    fn restrict(&mut self, test: &'a Test, operand: &'a str) {
        match test {
            Test::Equal(Constant::String(text)) => self.allow(vec![&**text]),
            Test::In(set) => self.allow(set.strings.iter().map(|text| &**text).collect()),
            Test::NotEqual(Constant::String(text)) => self.without.push(text),
            Test::NotIn(set) => self.without.extend(set.strings.iter().map(|text| &**text)),
            Test::Glob(glob) => match glob.literal() {
                Some(text) => self.allow(vec![text]),
                None => self.require(StringTest { test, operand }),
            },
            Test::Matches { .. } | Test::StartsWith(_) => self.require(StringTest { test, operand }),
            Test::Exists(true) | Test::NotEqual(_) => {}
            Test::Exists(false)
            | Test::Equal(_)
            | Test::Greater(_)
            | Test::GreaterOrEqual(_)
            | Test::Less(_)
            | Test::LessOrEqual(_)
            | Test::Never
            | Test::UnknownOperator(_) => self.clear(),
        }
    }

    fn require(&mut self, test: StringTest<'a>) {
        // Tests are compared each with each; to forget one is on the safe side.
        const MOST: usize = 64;
        if self.tests.len() < MOST {
            self.tests.push(test);
        }
    }

    /// Leaves these only, of which each must have passed what came before.
    fn allow(&mut self, texts: Vec<&'a str>) {
        if self.only.is_none() {
            self.only = Some(texts);
            let (tests, without) = (std::mem::take(&mut self.tests), std::mem::take(&mut self.without));
            let budget = Budget::new();
            self.keep(|text| {
                let passes = |test: &StringTest<'_>| test.passes(text, &budget).unwrap_or(true);
                !without.contains(&text) && tests.iter().all(passes)
            });
        }
    }

    fn keep(&mut self, keep: impl Fn(&'a str) -> bool) {
        if let Some(only) = &mut self.only {
            only.retain(|text| keep(text));
        }
    }

    fn is_empty(&self) -> bool {
        match &self.only {
            Some(only) => only.is_empty(),
            None => {
                let mut rest = self.tests.as_slice();
                while let Some((first, others)) = rest.split_first() {
                    if others.iter().any(|other| first.excludes(other)) {
                        return true;
                    }
                    rest = others;
                }
                false
            }
        }
    }

    fn all_pass(&self, test: &Test, operand: &str, budget: &Budget) -> bool {
        if self.is_empty() {
            return true;
        }
        if let Some(only) = &self.only {
            let passes = |text: &&str| test.holds(Some(Node::String((*text).into())), budget).unwrap_or(false);
            return only.iter().all(passes);
        }
        let refused = |text: &str| self.tests.iter().any(|it| it.passes(text, budget) == Some(false));
        let is_out = |text: &str| self.without.contains(&text) || refused(text);
        match test {
            Test::Exists(wanted) => *wanted,
            Test::NotEqual(Constant::String(text)) => is_out(text),
            Test::NotEqual(_) => true,
            Test::NotIn(set) => set.strings.iter().all(|text| is_out(text)),
            Test::StartsWith(prefix) => self.tests.iter().any(|it| it.prefix().starts_with(&**prefix)),
            Test::Glob(_) | Test::Matches { .. } => self.tests.iter().any(|it| it.is_same(test, operand)),
            _ => false,
        }
    }
}

impl StringTest<'_> {
    /// `None` where the test gives no answer.
    fn passes(&self, text: &str, budget: &Budget) -> Option<bool> {
        self.test.holds(Some(Node::String(text.into())), budget).ok()
    }

    /// What every string begins with that passes.
    fn prefix(&self) -> &str {
        match self.test {
            Test::Glob(glob) => glob.prefix(),
            Test::StartsWith(prefix) => prefix,
            _ => "",
        }
    }

    /// What every string ends with that passes.
    fn suffix(&self) -> &str {
        if let Test::Glob(glob) = self.test { glob.suffix() } else { "" }
    }

    /// Whether nothing can pass both.
    fn excludes(&self, other: &Self) -> bool {
        let (a, b) = (self.prefix(), other.prefix());
        let (x, y) = (self.suffix(), other.suffix());
        let opposite = match (self.test, other.test) {
            (Test::Matches { wanted: a, .. }, Test::Matches { wanted: b, .. }) => a != b,
            _ => false,
        };
        !(a.starts_with(b) || b.starts_with(a))
            || !(x.ends_with(y) || y.ends_with(x))
            || (opposite && self.operand == other.operand)
    }

    fn is_same(&self, test: &Test, operand: &str) -> bool {
        let is_same_operator = match (self.test, test) {
            (Test::Glob(_), Test::Glob(_)) => true,
            (Test::Matches { wanted: a, .. }, Test::Matches { wanted: b, .. }) => a == b,
            _ => false,
        };
        is_same_operator && self.operand == operand
    }
}
