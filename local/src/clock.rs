//! Wall-clock time: the one place that asks for it and writes it down.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    pub fn now() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    #[cfg(test)]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    /// Moves by seconds; what does not fit stays at the end of time.
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1000.0).round() as i64))
    }

    /// Seconds since 1970, exact to the millisecond.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    pub fn whole_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The first whole second that is not before this instant.
    pub fn whole_seconds_up(self) -> i64 {
        self.0.saturating_add(999).div_euclid(1000)
    }

    /// `2026-11-24T04:16:56.123Z`.
    pub fn iso(self) -> String {
        let (days, millis) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Howard Hinnant's proleptic Gregorian calendar: days since 1970 to year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates_of_leap_years_and_before_1970() {
        assert_eq!(Instant(0).iso(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Instant(1_709_164_800_001).iso(), "2024-02-29T00:00:00.001Z");
        assert_eq!(Instant(-1).iso(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Instant(4_102_444_800_000).iso(), "2100-01-01T00:00:00.000Z");
    }

    #[test]
    fn rounds_up_to_whole_seconds() {
        assert_eq!(Instant(1000).whole_seconds_up(), 1);
        assert_eq!(Instant(1001).whole_seconds_up(), 2);
    }
}
