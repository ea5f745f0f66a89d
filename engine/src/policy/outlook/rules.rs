//! The statements that can decide about a tool.

use std::cmp::Reverse;
use std::ops::Range;

use super::super::bundle::Policy;
use super::super::document::Statement;
use super::super::{Budget, EvaluationError, Verdict};
use super::Layer;
use super::questions::Questions;

/// Half of what a call may spend, on finding its rule and on its conditions: where finding the rule takes no more,
/// enough is left for conditions that cost little.
pub(super) const STEPS_FOR_KEYS: u64 = 1 << 29;

/// All that is asked about a call, in the order in which it is asked.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    /// One for each tool that the name may mean. The strictest of their verdicts counts.
    pub candidates: Vec<Vec<LayerRules>>,
    pub default: Verdict,
    pub questions: Questions<'a>,
}

/// What one layer says about one tool.
#[derive(Debug)]
pub(super) struct LayerRules {
    /// The statements under the best key. The first that holds counts.
    pub by_tool: Vec<Rule>,
    /// The statements about the tool's capabilities, the strictest first. The first that holds counts.
    pub by_capability: Vec<Rule>,
}

/// A statement: its effect if all its questions are answered with yes.
#[derive(Debug)]
pub(super) struct Rule {
    pub questions: Range<usize>,
    pub effect: Verdict,
}

impl<'a> Rules<'a> {
    /// Fails where it takes so much to find the rules that a call could not be decided.
    pub(super) fn of(
        policy: &'a Policy,
        layers: &[Layer<'a>],
        tool: &str,
        server: Option<&str>,
    ) -> Result<Self, EvaluationError> {
        let default = policy.document.default_verdict();
        let mut rules = Self { candidates: Vec::new(), default, questions: Questions::default() };
        let mut capabilities: Vec<&[String]> = Vec::new();
        for candidate in policy.candidates(tool, server) {
            if !capabilities.contains(&candidate.capabilities.as_slice()) {
                capabilities.push(&candidate.capabilities);
            }
        }
        if capabilities.is_empty() {
            capabilities.push(&[]);
        }
        let budget = Budget::of(STEPS_FOR_KEYS);
        for capabilities in capabilities {
            let layers = layers.iter().map(|layer| rules.questions.rules(layer, tool, capabilities, &budget));
            let layers = layers.collect::<Result<_, _>>()?;
            rules.candidates.push(layers);
        }
        rules.questions.seal();
        Ok(rules)
    }
}

impl Rules<'_> {
    /// What it took to find and prepare them.
    pub(super) fn work(&self) -> usize {
        let layers = self.candidates.iter().flatten();
        let rules: usize = layers.map(|layer| layer.by_tool.len().saturating_add(layer.by_capability.len())).sum();
        let values: usize = self.questions.arguments().iter().map(|argument| argument.values.work).sum();
        rules.saturating_add(values)
    }
}

impl<'a> Questions<'a> {
    fn rules(
        &mut self,
        layer: &Layer<'a>,
        tool: &str,
        capabilities: &[String],
        budget: &Budget,
    ) -> Result<LayerRules, EvaluationError> {
        let key = layer.scope.best_key(layer.document, tool, Some(layer.now), budget)?;
        let mut by_tool = Vec::new();
        for statement in key.into_iter().flat_map(|key| key.variants()).filter_map(|index| layer.statement(index)) {
            by_tool.push(self.rule(statement));
            // What comes after a rule without conditions is never asked.
            if statement.conditions.is_empty() {
                break;
            }
        }
        let statements = layer.scope.capability_statements(capabilities);
        let mut statements: Vec<_> = statements.iter().filter_map(|&index| layer.statement(index)).collect();
        statements.sort_by_key(|statement| Reverse(statement.effect));
        let by_capability = statements.into_iter().map(|statement| self.rule(statement)).collect();
        Ok(LayerRules { by_tool, by_capability })
    }

    fn rule(&mut self, statement: &'a Statement) -> Rule {
        Rule { questions: self.add(&statement.conditions), effect: statement.effect }
    }
}
