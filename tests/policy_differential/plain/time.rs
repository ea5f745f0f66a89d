//! Times as milliseconds since 1970. A time without a zone is taken for UTC here: the tests run none of them where the
//! machine's own zone would count.

use serde_json::Value;

use super::Refusal;

/// `None` for what is not a text, and for a date-time that does not exist.
pub fn epoch_ms(value: Option<&Value>) -> Result<Option<i64>, Refusal> {
    match value.and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => of_text(text),
    }
}

fn of_text(text: &str) -> Result<Option<i64>, Refusal> {
    let mut rest = text;
    let (date, is_negative) = date(&mut rest).ok_or(Refusal::UnsupportedTime)?;
    let time = match rest.strip_prefix('T') {
        None => None,
        Some(after) => {
            rest = after;
            Some(time(&mut rest).ok_or(Refusal::UnsupportedTime)?)
        }
    };
    let zone = if time.is_some() { zone(&mut rest).ok_or(Refusal::UnsupportedTime)? } else { Zone::Utc };
    let [year, month, day] = date;
    if !rest.is_empty() || (is_negative && year == 0) {
        return Err(Refusal::UnsupportedTime);
    }
    let [hour, minute, second, ms] = time.unwrap_or([0; 4]);
    let is_midnight = [hour, minute, second, ms] == [24, 0, 0, 0];
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || (hour > 23 && !is_midnight)
        || minute > 59
        || second > 59
    {
        return Ok(None);
    }
    let offset_minutes = match zone {
        Zone::Utc => 0,
        Zone::Local if !(1..=9999).contains(&year) => return Err(Refusal::UnsupportedTime),
        Zone::Local => 0,
        Zone::Offset { hours, minutes, .. } if hours > 23 || minutes > 59 => return Ok(None),
        Zone::Offset { sign, hours, minutes } => sign * (hours * 60 + minutes),
    };
    let minutes = (days_to(year, month) + day - 1) * 24 * 60 + hour * 60 + minute - offset_minutes;
    let total = (minutes * 60 + second) * 1000 + ms;
    Ok(Some(total).filter(|total| total.abs() <= 8_640_000_000_000_000))
}

enum Zone {
    Utc,
    Local,
    Offset { sign: i64, hours: i64, minutes: i64 },
}

/// Year, month and day, and whether the year has a minus.
fn date(rest: &mut &str) -> Option<([i64; 3], bool)> {
    let sign = take(rest, "+").map(|()| 1).or_else(|| take(rest, "-").map(|()| -1));
    let year = sign.unwrap_or(1) * digits(rest, if sign.is_some() { 6 } else { 4 })?;
    let (mut month, mut day) = (1, 1);
    if take(rest, "-").is_some() {
        month = digits(rest, 2)?;
        if take(rest, "-").is_some() {
            day = digits(rest, 2)?;
        }
    }
    Some(([year, month, day], sign == Some(-1)))
}

/// Hour, minute, second and millisecond.
fn time(rest: &mut &str) -> Option<[i64; 4]> {
    let hour = digits(rest, 2)?;
    take(rest, ":")?;
    let minute = digits(rest, 2)?;
    let (mut second, mut ms) = (0, 0);
    if take(rest, ":").is_some() {
        second = digits(rest, 2)?;
        if take(rest, ".").is_some() {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let fraction = format!("{}000", &rest[..length]);
            *rest = &rest[length..];
            ms = if length == 0 { None } else { fraction[..3].parse().ok() }?;
        }
    }
    Some([hour, minute, second, ms])
}

fn zone(rest: &mut &str) -> Option<Zone> {
    if take(rest, "Z").is_some() {
        return Some(Zone::Utc);
    }
    let sign = if take(rest, "+").is_some() {
        1
    } else if take(rest, "-").is_some() {
        -1
    } else {
        return Some(Zone::Local);
    };
    let hours = digits(rest, 2)?;
    take(rest, ":")?;
    Some(Zone::Offset { sign, hours, minutes: digits(rest, 2)? })
}

fn take(rest: &mut &str, prefix: &str) -> Option<()> {
    *rest = rest.strip_prefix(prefix)?;
    Some(())
}

fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let digits = rest.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    *rest = &rest[count..];
    digits.parse().ok()
}

/// Days from 1970-01-01 to the first of the month. Four centuries have 146,097 days, whichever they are; what is left
/// is counted year by year and month by month.
fn days_to(year: i64, month: i64) -> i64 {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let centuries = (year - 1970).div_euclid(400);
    let start = 1970 + centuries * 400;
    let mut days = centuries * 146_097;
    for year in start..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for month in 1..month {
        days += match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    days
}
