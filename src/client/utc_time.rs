//! Times as the programs write them that keep transcripts.

use jiff_core::civil::{Date, DateTime, Time};

/// Reads an ISO 8601 time, with or without its separators, to the second; one without a zone is UTC. `None` for
/// everything else.
pub(super) fn read(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let date = read_date(date)?;
    let Some(time) = time else { return Some(DateTime::from_parts(date, Time::MIN)) };
    let (time, zone) = time.split_at(time.find(['Z', 'z', '+', '-']).unwrap_or(time.len()));
    let (time, fraction) = time.split_once(['.', ',']).map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let is_fraction = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fraction.is_none_or(is_fraction) {
        return None;
    }
    let wall = DateTime::from_parts(date, read_time(time)?);
    wall.checked_add_seconds(-seconds_ahead(zone)?).ok()
}

/// `YYYY-MM-DD` or `YYYYMMDD`, of a day that there is.
pub(super) fn read_date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let [century, year] = two_digit_numbers(year, '-')?[..] else { return None };
    let [month, day] = two_digit_numbers(rest.strip_prefix('-').unwrap_or(rest), '-')?[..] else { return None };
    Date::new(i16::from(century) * 100 + i16::from(year), month, day).ok()
}

/// `HH`, `HH:MM`, `HH:MM:SS`, or the same without the colons.
fn read_time(text: &str) -> Option<Time> {
    let (hour, minute, second) = match two_digit_numbers(text, ':')?[..] {
        [hour] => (hour, 0, 0),
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

/// How far a zone is ahead of UTC.
fn seconds_ahead(zone: &str) -> Option<i32> {
    let seconds = |offset| Some(read_time(offset)?.to_second().second());
    match zone.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => Some(0),
        Some(("+", offset)) => seconds(offset),
        Some(("-", offset)) => seconds(offset).map(|seconds| -seconds),
        Some(_) => None,
    }
}

fn two_digit_numbers(text: &str, separator: char) -> Option<Vec<i8>> {
    let parts: Vec<&[u8]> = if text.contains(separator) {
        text.split(separator).map(str::as_bytes).collect()
    } else {
        text.as_bytes().chunks(2).collect()
    };
    let digit = |byte: u8| i8::try_from(char::from(byte).to_digit(10)?).ok();
    let number = |part: &[u8]| match part {
        [tens, ones] => Some(digit(*tens)? * 10 + digit(*ones)?),
        _ => None,
    };
    parts.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_in_all_their_forms() {
        let expected = DateTime::new(2026, 1, 2, 9, 59, 58, 0).ok();
        for text in [
            "2026-01-02T09:59:58Z",
            "2026-01-02T09:59:58",
            "2026-01-02t09:59:58.123456789z",
            "2026-01-02 09:59:58,5",
            "2026-01-02T09:59:58.25+00:00",
            "2026-01-02T11:29:58+01:30",
            "2026-01-01T23:59:58-10:00",
            "2026-01-02T10:59:58+01",
            "20260102T095958Z",
            "20260102T105958+0100",
            "2026-01-02T10:00:08+00:00:10",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("2026-01-02"), DateTime::new(2026, 1, 2, 0, 0, 0, 0).ok());
        assert_eq!(read("2026-01-02T10"), DateTime::new(2026, 1, 2, 10, 0, 0, 0).ok());
        assert_eq!(read("2024-02-29T23:30-01:00"), DateTime::new(2024, 3, 1, 0, 30, 0, 0).ok());
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "bad",
            "2026",
            "2026-01",
            "2026-01-02T",
            "2026-01-02TZ",
            "2026-01-02T10:",
            "2026-01-02T10:00:00.Z",
            "2026-01-02T10:00:00.5.5Z",
            "2026-01-02T10:00:00Z+01:00",
            "2026-01-02T10:00:00ZZ",
            "2026-01-02T10:00:00+",
            "2026-01-02T10:00:00+24:00",
            "2026-01-02T24:00:00Z",
            "2026-01-02T10:60:00Z",
            "2026-01-02T10:00:00:00Z",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-1-2T10:00:00Z",
            "+026-01-02T10:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "\u{662}\u{660}26-01-02",
            "202\u{e9}-01-02",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
