//! The values that an argument can have, in as few classes as the tests on it can tell apart.

use super::super::Budget;
use super::super::call::{Node, Segment};
use super::super::condition::{Constant, Test};
use crate::json::MAX_DEPTH;

/// A set of classes, by their places.
pub(super) type Classes = u64;

/// More tests on one argument, or more values to try, are not told apart.
const MOST_TESTS: usize = 64;
const MOST_SAMPLES: usize = 512;
/// The product of lengths up to which a glob is tried on a text. It is so little that no call can run out of steps.
const CHEAP_GLOB: usize = 1 << 12;

/// How a test can turn out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Holds,
    Fails,
    /// It gives no answer, and the call is refused.
    Refuses,
}

impl Outcome {
    pub(super) const ALL: [Self; 3] = [Self::Holds, Self::Fails, Self::Refuses];
    const UNKNOWN: &[Self] = &Self::ALL;
    const HOLDS_OR_FAILS: &[Self] = &[Self::Holds, Self::Fails];
}

/// One set for each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByOutcome {
    holds: u64,
    fails: u64,
    refuses: u64,
}

impl ByOutcome {
    pub(super) fn of(self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Holds => self.holds,
            Outcome::Fails => self.fails,
            Outcome::Refuses => self.refuses,
        }
    }

    fn add(&mut self, outcome: Outcome, set: u64) {
        match outcome {
            Outcome::Holds => self.holds |= set,
            Outcome::Fails => self.fails |= set,
            Outcome::Refuses => self.refuses |= set,
        }
    }

    /// What is in more than one of the sets.
    fn ambiguous(self) -> u64 {
        (self.holds & self.fails) | (self.holds & self.refuses) | (self.fails & self.refuses)
    }
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Subject<'a> {
    Argument(&'a [Segment]),
    /// A field that the calls of a session do not have.
    Absent,
}

/// The values that an argument can have, as classes that no test on it tells apart.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// For each class the tests that can turn out in each way.
    tests: Vec<ByOutcome>,
    /// For each test the classes in which it can turn out in each way.
    classes: Vec<ByOutcome>,
    pub all: Classes,
    /// The classes in which each test turns out in one way, and which have values that a call can really bring.
    pub certain: Classes,
    /// The classes with something that is not there, with an object, with a list, with anything but a list.
    pub absent: Classes,
    pub objects: Classes,
    pub lists: Classes,
    pub not_lists: Classes,
    /// How many times a test was tried on a value.
    pub work: usize,
}

/// A value, or all those that are alike.
enum Sample<'a> {
    Absent,
    One(Node<'a>),
    /// Texts that only a pattern can tell from this one.
    TextsLike(&'a str),
}

impl Values {
    /// The values of an argument that these tests are made on.
    pub(super) fn of(subject: Subject<'_>, tests: &[&Test]) -> Self {
        let is_within_reach = !matches!(subject, Subject::Argument(path) if path.len() >= MAX_DEPTH);
        let told_apart = if is_within_reach { Self::told_apart(subject, tests) } else { None };
        told_apart.unwrap_or_else(|| Self::lumped_together(tests))
    }

    /// The classes of a test in which it can turn out so.
    pub(super) fn classes(&self, test: usize, outcome: Outcome) -> Classes {
        self.classes.get(test).map_or(0, |classes| classes.of(outcome))
    }

    /// `None` where there would be too many.
    fn told_apart(subject: Subject<'_>, tests: &[&Test]) -> Option<Self> {
        if tests.len() > MOST_TESTS {
            return None;
        }
        let mut values = Self { classes: vec![ByOutcome::default(); tests.len()], ..Self::default() };
        match subject {
            Subject::Absent => values.add(tests, &Sample::Absent)?,
            Subject::Argument([]) => values.add(tests, &Sample::One(Node::Object))?,
            Subject::Argument(_) => values.add_all(tests)?,
        }
        Some(values)
    }

    /// One class for all values, in which each test can turn out as it can for any value.
    fn lumped_together(tests: &[&Test]) -> Self {
        let mut values = Self { all: 1, absent: 1, objects: 1, lists: 1, not_lists: 1, ..Self::default() };
        let anywhere = [Segment::new("")];
        for test in tests {
            let alone = Self::told_apart(Subject::Argument(&anywhere), &[test]);
            let mut classes = ByOutcome::default();
            for outcome in Outcome::ALL {
                let is_possible = alone.as_ref().is_none_or(|alone| alone.classes(0, outcome) != 0);
                classes.add(outcome, u64::from(is_possible));
            }
            values.classes.push(classes);
        }
        values
    }

    fn add_all(&mut self, tests: &[&Test]) -> Option<()> {
        let Constants { numbers, texts, prefixes, examples } = Constants::of(tests)?;
        self.add(tests, &Sample::Absent)?;
        for node in [Node::Null, Node::Bool(false), Node::Bool(true), Node::Array, Node::Object, Node::Number(0.0)] {
            self.add(tests, &Sample::One(node))?;
        }
        // Between two neighbours among these numbers, no test tells one number from another.
        for number in numbers.iter().flat_map(|number| [*number, number.next_up(), number.next_down()]) {
            self.add(tests, &Sample::One(Node::Number(number)))?;
        }
        let known = || texts.iter().chain(&prefixes).copied().chain(examples.iter().map(String::as_str));
        for text in known() {
            self.add(tests, &Sample::One(Node::String(text.into())))?;
        }
        // Every other text begins with one of the prefixes, or none, and goes on in a way that no test knows.
        let unknown = ('\u{E000}'..).find(|char| !known().any(|text| text.contains(*char)))?;
        for prefix in prefixes.iter().chain(&[""]) {
            let other = format!("{prefix}{unknown}");
            self.add(tests, &Sample::TextsLike(&other))?;
        }
        Some(())
    }

    fn add(&mut self, tests: &[&Test], sample: &Sample<'_>) -> Option<()> {
        self.work = self.work.saturating_add(tests.len());
        let mut outcomes = ByOutcome::default();
        for (index, test) in tests.iter().enumerate() {
            for outcome in test.outcomes(sample) {
                outcomes.add(*outcome, 1 << index);
            }
        }
        let known = self.tests.iter().position(|class| *class == outcomes);
        let index = known.unwrap_or(self.tests.len());
        let class = 1_u64.checked_shl(u32::try_from(index).ok()?)?;
        if known.is_none() {
            self.tests.push(outcomes);
            self.all |= class;
            self.certain |= if outcomes.ambiguous() == 0 { class } else { 0 };
            for (index, classes) in self.classes.iter_mut().enumerate() {
                for outcome in Outcome::ALL {
                    classes.add(outcome, if outcomes.of(outcome) >> index & 1 == 1 { class } else { 0 });
                }
            }
        }
        match sample {
            Sample::Absent => self.absent |= class,
            Sample::One(Node::Object) => self.objects |= class,
            Sample::One(Node::Array) => {
                self.lists |= class;
                return Some(());
            }
            Sample::One(_) | Sample::TextsLike(_) => {}
        }
        self.not_lists |= class;
        Some(())
    }
}

/// The values that tests compare with.
#[derive(Default)]
struct Constants<'a> {
    numbers: Vec<f64>,
    texts: Vec<&'a str>,
    prefixes: Vec<&'a str>,
    /// Texts that match a glob.
    examples: Vec<String>,
}

impl<'a> Constants<'a> {
    /// `None` where there are too many.
    fn of(tests: &[&'a Test]) -> Option<Self> {
        let mut constants = Self::default();
        // Where there is one test, one text that is equal to a constant is as good as any.
        let most = if tests.len() == 1 { 1 } else { MOST_SAMPLES };
        for test in tests {
            match test {
                Test::Equal(constant) | Test::NotEqual(constant) => match constant {
                    Constant::Number(number) => constants.numbers.push(*number),
                    Constant::String(text) => constants.texts.push(text),
                    Constant::Null | Constant::Bool(_) | Constant::Incomparable => {}
                },
                Test::Greater(bound) | Test::GreaterOrEqual(bound) | Test::Less(bound) | Test::LessOrEqual(bound) => {
                    constants.numbers.push(*bound);
                }
                Test::In(set) | Test::NotIn(set) => {
                    constants.numbers.extend(set.numbers.iter().take(most));
                    constants.texts.extend(set.strings.iter().take(most).map(|text| &**text));
                }
                Test::Glob(glob) => constants.examples.push(glob.example()),
                Test::StartsWith(prefix) => constants.prefixes.push(prefix),
                Test::Exists(_) | Test::Matches { .. } | Test::Never | Test::UnknownOperator(_) => {}
            }
        }
        let Self { numbers, texts, prefixes, examples } = &constants;
        let count = [numbers.len(), texts.len(), prefixes.len(), examples.len()].into_iter().sum::<usize>();
        (count <= MOST_SAMPLES).then_some(constants)
    }
}

impl Test {
    /// The ways in which the test can turn out for the values.
    fn outcomes(&self, sample: &Sample<'_>) -> &'static [Outcome] {
        let node = match sample {
            Sample::Absent => None,
            Sample::One(node) => Some(node.clone()),
            Sample::TextsLike(text) => Some(Node::String((*text).into())),
        };
        match (self, sample, &node) {
            // On a long text it may cost more than a call may spend, and then it refuses.
            (Self::Matches { regex: Ok(_), .. }, _, Some(Node::String(_))) => return Outcome::UNKNOWN,
            (Self::Glob(glob), Sample::TextsLike(_), _) if glob.literal().is_none() => {
                return if glob.is_free() { Outcome::HOLDS_OR_FAILS } else { Outcome::UNKNOWN };
            }
            (Self::Glob(glob), _, Some(Node::String(text))) if glob.cost(text) > CHEAP_GLOB => return Outcome::UNKNOWN,
            _ => {}
        }
        match self.holds(node, &Budget::new()) {
            Ok(true) => &[Outcome::Holds],
            Ok(false) => &[Outcome::Fails],
            Err(_) => &[Outcome::Refuses],
        }
    }
}
