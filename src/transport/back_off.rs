//! How long a service that is away is left alone: longer each time, and never exactly, so that many clients do not come
//! back all at once.

use std::time::Duration;

/// The longest wait is thirty times the first.
const LONGEST: u32 = 30;

/// The wait after a number of failures: the unit after none, twice that after each further one, and up to half less.
pub(crate) fn back_off(unit: Duration, failures: u32) -> Duration {
    let doubled = 1 << failures.min(LONGEST.ilog2() + 1);
    unit.saturating_mul(LONGEST.min(doubled)).mul_f64(jitter(0.5))
}

/// A factor between `1 - width` and 1.
pub(crate) fn jitter(width: f64) -> f64 {
    let random = getrandom::u32().unwrap_or_default();
    1.0 - width * f64::from(random) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_thirty_units_and_is_never_exact() {
        for (failures, most) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (u32::MAX, 30)] {
            let most = Duration::from_secs(most);
            let waits: Vec<_> = (0..20).map(|_| back_off(Duration::from_secs(1), failures)).collect();
            assert!(waits.iter().all(|wait| (most / 2..=most).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: {waits:?}");
        }
    }
}
