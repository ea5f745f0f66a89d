//! What the rules of a tool ask about a call.

use std::borrow::Cow;
use std::ops::Range;

use super::super::call::Segment;
use super::super::condition::{Condition, Test};
use super::values::{Subject, Values};

/// More arguments than this in the rules of one tool are not followed.
pub(super) const MOST_ARGUMENTS: usize = 64;

/// One test of one argument, by their places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub argument: usize,
    pub test: usize,
    /// Where the answer is among those to all questions.
    pub answer: usize,
}

/// The conditions of statements as questions.
#[derive(Debug, Default)]
pub(super) struct Questions<'a> {
    arguments: Vec<Argument<'a>>,
    asked: Vec<Question>,
    is_too_many: bool,
}

/// An argument, the tests on it, and what it can be.
#[derive(Debug)]
pub(super) struct Argument<'a> {
    subject: Subject<'a>,
    tests: Vec<&'a Test>,
    pub values: Values,
    /// The arguments that are inside this one, by their places.
    pub inner: Vec<usize>,
    /// Where the answers about this argument begin among those about all.
    pub first_answer: usize,
}

impl<'a> Questions<'a> {
    /// Adds the conditions of a statement; the result is where their questions are.
    pub(super) fn add(&mut self, conditions: &'a [Condition]) -> Range<usize> {
        let start = self.asked.len();
        for condition in conditions {
            let subject = condition.argument().map_or(Subject::Absent, Subject::Argument);
            let known = self.arguments.iter().position(|argument| argument.subject == subject);
            let argument = known.unwrap_or(self.arguments.len());
            if known.is_none() {
                if argument == MOST_ARGUMENTS {
                    self.is_too_many = true;
                    break;
                }
                self.arguments.push(Argument::new(subject));
            }
            if let Some(asked) = self.arguments.get_mut(argument) {
                self.asked.push(Question { argument, test: asked.add(condition.test()), answer: 0 });
            }
        }
        start..self.asked.len()
    }

    /// Divides the values of the arguments into classes, after the last question was added.
    pub(super) fn seal(&mut self) {
        let mut first_answer = 0_usize;
        let subjects: Vec<_> = self.arguments.iter().map(|argument| argument.subject).collect();
        for argument in &mut self.arguments {
            argument.values = Values::of(argument.subject, &argument.tests);
            argument.first_answer = first_answer;
            first_answer = first_answer.saturating_add(argument.tests.len());
            let inner = subjects.iter().enumerate().filter(|(_, subject)| argument.subject.has_inside(subject));
            argument.inner = inner.map(|(place, _)| place).collect();
        }
        for question in &mut self.asked {
            let first = self.arguments.get(question.argument).map_or(0, |argument| argument.first_answer);
            question.answer = first.saturating_add(question.test);
        }
    }

    /// Whether there is more to ask than can be followed.
    pub(super) fn is_too_many(&self) -> bool {
        self.is_too_many
    }

    pub(super) fn arguments(&self) -> &[Argument<'a>] {
        &self.arguments
    }

    pub(super) fn get(&self, places: Range<usize>) -> &[Question] {
        self.asked.get(places).unwrap_or_default()
    }

    /// How many different answers there are to give.
    pub(super) fn answers(&self) -> usize {
        self.arguments.iter().map(Argument::answers).sum()
    }
}

impl<'a> Argument<'a> {
    fn new(subject: Subject<'a>) -> Self {
        Self { subject, tests: Vec::new(), values: Values::default(), inner: Vec::new(), first_answer: 0 }
    }

    /// The place of a test, which is added unless it is known.
    fn add(&mut self, test: &'a Test) -> usize {
        let known = self.tests.iter().position(|known| std::ptr::eq(*known, test));
        known.unwrap_or_else(|| {
            self.tests.push(test);
            self.tests.len().saturating_sub(1)
        })
    }

    /// How many different questions there are about it.
    pub(super) fn answers(&self) -> usize {
        self.tests.len()
    }

    /// Where it is in the arguments, `None` for what is not one of them.
    pub(super) fn path(&self) -> Option<Cow<'a, str>> {
        match self.subject {
            Subject::Argument(path) => Some(joined(path)),
            Subject::Absent => None,
        }
    }
}

/// A path as it is written, without the leading `args`.
pub(super) fn joined(path: &[Segment]) -> Cow<'_, str> {
    match path {
        [segment] => segment.key().into(),
        _ => path.iter().map(Segment::key).collect::<Vec<_>>().join(".").into(),
    }
}

impl Subject<'_> {
    fn has_inside(self, other: &Subject<'_>) -> bool {
        match (self, other) {
            (Self::Argument(outer), Subject::Argument(inner)) => inner.len() > outer.len() && inner.starts_with(outer),
            _ => false,
        }
    }
}
