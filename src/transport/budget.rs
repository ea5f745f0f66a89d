use std::sync::atomic::{AtomicU32, Ordering};

/// What one retry costs; a call earns one of these.
const RETRY: u32 = 10;
/// Ten retries: those of a few calls in a row that a service fails.
const RESERVE: u32 = 10 * RETRY;

/// How many retries a client may still send: in a long outage one for ten calls, so that the calls of many clients do
/// not come down on a service that is overloaded several times over. There is a small reserve for the first ones.
pub(super) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub fn new() -> Self {
        Self(AtomicU32::new(RESERVE))
    }

    /// A call that needed no retry earns a tenth of one.
    pub fn earn(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < RESERVE).then_some(held + 1));
    }

    /// Takes one retry, if there is one left.
    pub fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| held.checked_sub(RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_earn_one_retry_up_to_the_reserve() {
        let budget = RetryBudget::new();
        budget.earn();
        assert_eq!((0..20).filter(|_| budget.spend()).count(), 10);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..20).filter(|_| budget.spend()).count(), 10);
    }
}
