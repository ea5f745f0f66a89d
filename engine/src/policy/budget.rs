use std::cell::Cell;

use super::EvaluationError;

/// The steps that one decision may take in its matchers, at most a few nanoseconds each.
const STEPS: u64 = 1 << 30;

/// What an evaluation, or all evaluations of one call, may still spend on regular expressions and globs.
///
/// Matching is linear in the text, but a large pattern on a large text still multiplies. The budget is counted from
/// sizes alone, so that the same call always gets the same answer on every machine.
#[derive(Debug)]
pub struct Budget(Cell<u64>);

impl Default for Budget {
    fn default() -> Self {
        Self::of(STEPS)
    }
}

impl Budget {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn of(steps: u64) -> Self {
        Self(Cell::new(steps))
    }

    pub(crate) fn spend(&self, pattern_size: usize, text_size: usize) -> Result<(), EvaluationError> {
        let steps = (pattern_size as u64).saturating_mul(text_size as u64);
        let left = self.0.get().checked_sub(steps);
        let left = left.ok_or_else(|| EvaluationError::malformed("matching these arguments would take too long"))?;
        self.0.set(left);
        Ok(())
    }
}
