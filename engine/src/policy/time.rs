use std::sync::Arc;

use jiff_core::civil::{DateTime, TimeSecond, UnixEpochDay};

use super::EvaluationError;
use super::zone::Zone;
use crate::json::quoted;

/// The largest distance from 1970 that a date may have, in milliseconds.
const MAX_MS: i64 = 8_640_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// The time that an ISO-8601 text names, in milliseconds since 1970.
///
/// `None` is a date-time of the right form that does not exist (a 13th month). A time without a zone is local time.
pub fn epoch_ms(text: &str) -> Result<Option<i64>, EvaluationError> {
    epoch_ms_in(text, Zone::local)
}

fn epoch_ms_in(text: &str, local_zone: impl FnOnce() -> Arc<Zone>) -> Result<Option<i64>, EvaluationError> {
    let fields = Fields::read(text)
        .ok_or_else(|| EvaluationError::UnsupportedTime(format!("not an ISO-8601 date-time: {}", quoted(text))))?;
    if fields.is_negative && fields.year == 0 {
        return Err(EvaluationError::UnsupportedTime("year -000000".to_owned()));
    }
    let Some(ms) = fields.local_ms() else { return Ok(None) };
    let utc = match fields.zone {
        Designator::Utc => Some(ms),
        Designator::Offset { minutes } => minutes.map(|minutes| ms.saturating_sub(minutes.saturating_mul(60_000))),
        Designator::Local => Some(local_to_utc(fields.signed_year(), ms, &local_zone())?),
    };
    Ok(utc.filter(|ms| ms.abs() <= MAX_MS))
}

fn local_to_utc(year: i64, ms: i64, zone: &Zone) -> Result<i64, EvaluationError> {
    let unsupported = || EvaluationError::UnsupportedTime("a local time outside years 1 to 9999".to_owned());
    if !(1..=9999).contains(&year) {
        return Err(unsupported());
    }
    let wall = wall_clock(ms).ok_or_else(unsupported)?;
    Ok(ms.saturating_sub(i64::from(zone.offset_at(wall)).saturating_mul(1000)))
}

/// What a clock shows, to the second, so many milliseconds after the start of 1970.
fn wall_clock(ms: i64) -> Option<DateTime> {
    let day = UnixEpochDay::new(i32::try_from(ms.div_euclid(DAY_MS)).ok()?).ok()?;
    let second = TimeSecond::new(i32::try_from(ms.rem_euclid(DAY_MS) / 1000).ok()?).ok()?;
    Some(DateTime::from_parts(day.to_date(), second.to_time()))
}

/// What a time says of its zone.
enum Designator {
    Utc,
    /// `None` where the offset is out of range.
    Offset {
        minutes: Option<i64>,
    },
    Local,
}

struct Fields {
    is_negative: bool,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    ms: i64,
    zone: Designator,
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        let mut scan = Scan(text.as_bytes());
        let sign = scan.take_any(b"+-");
        let year = scan.digits(if sign.is_some() { 6 } else { 4 })?;
        let mut fields = Self {
            is_negative: sign == Some(b'-'),
            year,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            ms: 0,
            zone: Designator::Utc,
        };
        if scan.take(b'-') {
            fields.month = scan.digits(2)?;
            if scan.take(b'-') {
                fields.day = scan.digits(2)?;
            }
        }
        if scan.take(b'T') {
            fields.read_time(&mut scan)?;
        }
        scan.0.is_empty().then_some(fields)
    }

    fn read_time(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        self.hour = scan.digits(2)?;
        scan.take(b':').then_some(())?;
        self.minute = scan.digits(2)?;
        if scan.take(b':') {
            self.second = scan.digits(2)?;
            if scan.take(b'.') {
                self.ms = scan.milliseconds()?;
            }
        }
        self.zone = match scan.take_any(b"Z+-") {
            None => Designator::Local,
            Some(b'Z') => Designator::Utc,
            Some(sign) => {
                let hours = scan.digits(2)?;
                scan.take(b':').then_some(())?;
                let minutes = scan.digits(2)?;
                let offset = if hours <= 23 && minutes <= 59 { Some(hours * 60 + minutes) } else { None };
                Designator::Offset { minutes: offset.map(|offset| if sign == b'-' { -offset } else { offset }) }
            }
        };
        Some(())
    }

    fn signed_year(&self) -> i64 {
        if self.is_negative { -self.year } else { self.year }
    }

    /// Milliseconds since 1970 by the clock on the wall, `None` where a field is out of range. The sums cannot
    /// overflow: no field has more than six digits.
    fn local_ms(&self) -> Option<i64> {
        let is_end_of_day = self.hour == 24 && self.minute == 0 && self.second == 0 && self.ms == 0;
        let is_valid = (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && (self.hour <= 23 || is_end_of_day)
            && self.minute <= 59
            && self.second <= 59;
        let time = ((self.hour * 60 + self.minute) * 60 + self.second) * 1000 + self.ms;
        is_valid.then(|| (days_before_month(self.signed_year(), self.month) + self.day - 1) * DAY_MS + time)
    }
}

/// Days from 1970-01-01 to the first of the month, in the proleptic Gregorian calendar.
fn days_before_month(year: i64, month: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970: i64 = 719_468;
    year * 365 + leap_days + day_of_year - DAYS_FROM_MARCH_OF_YEAR_0_TO_1970
}

struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn take(&mut self, byte: u8) -> bool {
        self.take_any(&[byte]).is_some()
    }

    fn take_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn digit(&mut self) -> Option<i64> {
        self.take_any(b"0123456789").map(|digit| i64::from(digit - b'0'))
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let mut value = 0;
        for _ in 0..count {
            value = value * 10 + self.digit()?;
        }
        Some(value)
    }

    /// The digits of a fraction, of which there is at least one; those after the third are dropped.
    fn milliseconds(&mut self) -> Option<i64> {
        let mut ms = self.digit()? * 100;
        for weight in [10, 1] {
            ms += self.digit().unwrap_or(0) * weight;
        }
        while self.digit().is_some() {}
        Some(ms)
    }
}

#[cfg(test)]
mod tests {
    use jiff_core::tz::posix;
    use serde_json::Value;

    use super::*;

    fn utc(text: &str) -> Result<Option<i64>, EvaluationError> {
        epoch_ms_in(text, || Arc::new(Zone::Utc))
    }

    #[test]
    fn agrees_with_the_golden_vectors() {
        let cases = crate::json::parse(include_str!("../../../tests/vectors/policy_time.json")).unwrap();
        let cases = cases.as_array().unwrap();
        println!("policy_time: {} cases", cases.len());
        assert!(!cases.is_empty());
        for case in cases {
            let actual = utc(case["value"].as_str().unwrap());
            match case.get("error") {
                Some(error) => assert!(actual.unwrap_err().to_string().starts_with(error.as_str().unwrap()), "{case}"),
                None => {
                    assert_eq!(actual.unwrap().map_or(Value::Null, Value::from).to_string(), case["expect"].to_string())
                }
            }
        }
    }

    #[test]
    fn a_time_without_a_zone_is_local() {
        let rule = posix::TimeZone::parse("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let new_york = Arc::new(Zone::Rule(Box::new(rule)));
        let local = |text| epoch_ms_in(text, || new_york.clone()).unwrap();
        assert_eq!(local("2026-01-15T12:00"), utc("2026-01-15T17:00Z").unwrap());
        assert_eq!(local("2026-07-15T12:00:00.250"), utc("2026-07-15T16:00:00.250Z").unwrap());
        assert_eq!(local("2026-07-15T24:00"), utc("2026-07-16T04:00Z").unwrap());
        // The hour that spring skips counts from before the change, the one that autumn repeats is the first of both.
        assert_eq!(local("2026-03-08T02:30"), utc("2026-03-08T07:30Z").unwrap());
        assert_eq!(local("2026-11-01T01:30"), utc("2026-11-01T05:30Z").unwrap());
        assert_eq!(local("2026-07-15"), utc("2026-07-15T00:00Z").unwrap());
    }

    #[test]
    fn a_local_time_needs_a_year_that_calendars_agree_on() {
        for text in ["0000-06-01T00:00", "-000001-06-01T00:00", "+010000-01-01T00:00", "9999-12-31T24:00"] {
            let error = utc(text).unwrap_err();
            assert_eq!(error.to_string(), "UnsupportedTime: a local time outside years 1 to 9999", "{text}");
        }
        assert!(utc("0001-01-01T00:00").unwrap().is_some());
        assert_eq!(utc("9999-12-31T23:59").unwrap(), utc("9999-12-31T23:59Z").unwrap());
    }

    #[test]
    fn quotes_what_it_refuses() {
        for (text, quoted) in
            [("x'y", "\"x'y\""), ("x\"y", "'x\"y'"), ("'\"\n", "'\\'\"\\n'"), ("\u{1}\\", "'\\x01\\\\'")]
        {
            assert_eq!(utc(text).unwrap_err().message(), format!("not an ISO-8601 date-time: {quoted}"));
        }
    }

    #[test]
    fn digits_of_other_scripts_are_no_digits() {
        assert!(utc("\u{0662}\u{0660}\u{0662}\u{0666}").is_err());
    }
}
