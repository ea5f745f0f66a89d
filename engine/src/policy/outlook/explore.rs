//! Follows every way that a call can take through its rules.
//!
//! The rules are run from the start again and again. Each run asks its questions in the order of a real evaluation.
//! Where one can be answered in several ways, the run takes the first that was not tried yet, and what the argument can
//! be is narrowed to the values that give this answer.

use super::questions::{Argument, Question};
use super::rules::{LayerRules, Rule, Rules};
use super::values::{Classes, Outcome};
use super::{VerdictSet, Verdicts};
use crate::policy::Verdict;

pub(super) struct Explorer<'r, 'a> {
    rules: &'r Rules<'a>,
    /// How many more questions may be asked.
    steps: &'r mut usize,
    /// What each argument can still be in this run.
    left: Vec<Classes>,
    /// What was answered in this run.
    answers: Vec<Option<Outcome>>,
    /// Whether the run passed over something that might have refused the call.
    may_refuse: bool,
    /// Where the run had a choice. The ones at the front were made by the runs before.
    choices: Vec<Choice>,
    made: usize,
    verdicts: Verdicts<'a>,
    /// Whether the verdict hangs on the argument, for each.
    deciding: Vec<bool>,
}

struct Choice {
    argument: usize,
    /// The answers that are not done with. The last is the one that is taken.
    options: Vec<Outcome>,
    /// The verdicts that were met after this choice.
    met: VerdictSet,
}

impl<'r, 'a> Explorer<'r, 'a> {
    pub(super) fn new(rules: &'r Rules<'a>, steps: &'r mut usize) -> Self {
        let arguments = rules.questions.arguments().len();
        Self {
            rules,
            steps,
            left: vec![0; arguments],
            answers: vec![None; rules.questions.answers()],
            may_refuse: false,
            choices: Vec::new(),
            made: 0,
            verdicts: Verdicts::default(),
            deciding: vec![false; arguments],
        }
    }

    pub(super) fn explore(mut self) -> Verdicts<'a> {
        let is_followed = !self.rules.questions.is_too_many();
        while is_followed && *self.steps > 0 {
            self.restart();
            let verdict = self.run();
            self.record(verdict);
            if !self.advance() {
                let deciding = self.arguments().iter().zip(&self.deciding).filter(|(_, deciding)| **deciding);
                let paths = deciding.filter_map(|(argument, _)| argument.path()).collect();
                return Verdicts { paths, ..self.verdicts };
            }
        }
        Verdicts { paths: self.arguments().iter().filter_map(Argument::path).collect(), ..Verdicts::unknown() }
    }

    fn arguments(&self) -> &'r [Argument<'a>] {
        self.rules.questions.arguments()
    }

    // --- One run ---

    fn restart(&mut self) {
        for (left, argument) in self.left.iter_mut().zip(self.rules.questions.arguments()) {
            *left = argument.values.all;
        }
        self.answers.fill(None);
        self.may_refuse = false;
        self.made = 0;
    }

    fn run(&mut self) -> Verdict {
        let mut strictest = Verdict::Allow;
        for layers in &self.rules.candidates {
            let decided = layers.iter().find_map(|layer| self.ask_layer(layer));
            strictest = strictest.max(decided.unwrap_or(self.rules.default));
            // A refusal is a block, and nothing is stricter: whatever comes after it changes nothing.
            if strictest == Verdict::Block {
                break;
            }
        }
        strictest
    }

    fn ask_layer(&mut self, layer: &LayerRules) -> Option<Verdict> {
        let mut decided = None;
        for rule in &layer.by_tool {
            match self.ask_all(rule) {
                Outcome::Holds => {
                    decided = Some(rule.effect);
                    break;
                }
                Outcome::Fails => {}
                Outcome::Refuses => return Some(Verdict::Block),
            }
        }
        for rule in &layer.by_capability {
            if decided >= Some(rule.effect) {
                // It would change nothing, but for a refusal.
                self.may_refuse |= decided != Some(Verdict::Block) && self.can_refuse(rule);
                continue;
            }
            match self.ask_all(rule) {
                Outcome::Holds => decided = Some(rule.effect),
                Outcome::Fails => {}
                Outcome::Refuses => return Some(Verdict::Block),
            }
        }
        decided
    }

    /// Asks until a condition does not hold.
    fn ask_all(&mut self, rule: &Rule) -> Outcome {
        for question in self.rules.questions.get(rule.questions.clone()) {
            let answer = self.ask(*question);
            if answer != Outcome::Holds {
                return answer;
            }
        }
        Outcome::Holds
    }

    fn can_refuse(&self, rule: &Rule) -> bool {
        let questions = self.rules.questions.get(rule.questions.clone());
        questions.iter().any(|question| self.classes(*question, Outcome::Refuses) != 0)
    }

    fn ask(&mut self, question: Question) -> Outcome {
        *self.steps = self.steps.saturating_sub(1);
        if let Some(Some(answer)) = self.answers.get(question.answer) {
            return *answer;
        }
        let is_possible = |outcome: &Outcome| self.can_be(question.argument, self.classes(question, *outcome));
        let mut options: Vec<_> = Outcome::ALL.into_iter().filter(is_possible).collect();
        let answer = match options.as_slice() {
            [only] => *only,
            _ => {
                if self.made == self.choices.len() {
                    options.reverse();
                    self.choices.push(Choice { argument: question.argument, options, met: VerdictSet::default() });
                }
                let choice = self.choices.get(self.made);
                self.made = self.made.saturating_add(1);
                choice.and_then(|choice| choice.options.last().copied()).unwrap_or(Outcome::Refuses)
            }
        };
        let classes = self.classes(question, answer);
        if let Some(left) = self.left.get_mut(question.argument) {
            *left = classes;
        }
        if let Some(given) = self.answers.get_mut(question.answer) {
            *given = Some(answer);
        }
        answer
    }

    /// What is left of the argument where the question is answered so.
    fn classes(&self, question: Question, answer: Outcome) -> Classes {
        let (argument, left) = (self.arguments().get(question.argument), self.left.get(question.argument));
        argument.zip(left).map_or(0, |(argument, left)| left & argument.values.classes(question.test, answer))
    }

    /// Whether the argument can be narrowed to these classes: some are left, and what is there is in an object or list.
    fn can_be(&self, narrowed: usize, classes: Classes) -> bool {
        let left = |place: usize| if place == narrowed { classes } else { self.left.get(place).copied().unwrap_or(0) };
        let arguments = self.arguments();
        classes != 0
            && arguments.iter().enumerate().all(|(place, argument)| {
                let is_there = |inner: &usize| {
                    arguments.get(*inner).is_some_and(|argument| left(*inner) & argument.values.absent == 0)
                };
                left(place) & (argument.values.objects | argument.values.lists) != 0
                    || !argument.inner.iter().any(is_there)
            })
    }

    // --- Between two runs ---

    fn record(&mut self, verdict: Verdict) {
        let mut met = VerdictSet::of(verdict);
        if self.may_refuse {
            met.join(VerdictSet::of(Verdict::Block));
        }
        if verdict == Verdict::Hold && !self.may_refuse && self.has_example() {
            self.verdicts.is_hold_certain = true;
        }
        self.verdicts.met.join(met);
        if let Some(choice) = self.choices.last_mut() {
            choice.met.join(met);
        }
    }

    /// Whether there certainly are arguments that take the way of this run.
    fn has_example(&self) -> bool {
        let arguments = self.arguments();
        let certain = |place: usize| {
            let argument = arguments.get(place)?;
            let answers = argument.first_answer..argument.first_answer.saturating_add(argument.answers());
            let is_asked = self.answers.get(answers)?.iter().any(Option::is_some);
            // What nothing was asked about can be anything, and also be left out.
            is_asked.then_some((&argument.values, self.left.get(place)? & argument.values.certain))
        };
        arguments.iter().enumerate().all(|(place, argument)| {
            let Some((values, classes)) = certain(place) else { return true };
            let mut inner = argument.inner.iter().filter_map(|inner| certain(*inner));
            let is_object = inner.any(|(values, classes)| classes & values.absent == 0);
            let wanted = match argument.inner.as_slice() {
                [] => values.all,
                _ if is_object => values.objects,
                // A list always has a length, which may not be what was assumed about it.
                _ => values.not_lists,
            };
            classes & wanted != 0
        })
    }

    /// Moves on to what was not tried yet; `false` where there is nothing.
    fn advance(&mut self) -> bool {
        while let Some(choice) = self.choices.last_mut() {
            choice.options.pop();
            if !choice.options.is_empty() {
                return true;
            }
            let Choice { argument, met, .. } = *choice;
            self.choices.pop();
            if let Some(deciding) = self.deciding.get_mut(argument) {
                *deciding |= met.is_several();
            }
            if let Some(before) = self.choices.last_mut() {
                before.met.join(met);
            }
        }
        false
    }
}
