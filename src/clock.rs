//! A clock that only goes forward, and goes on while the machine sleeps; and the wall clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff_core::Timestamp;
use jiff_core::civil::DateTime;
use jiff_core::tz::Offset;

/// A point in time, comparable with others of the same machine since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// How much later this is than an earlier moment; none where it is not.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A clock that a test can let run ahead.
#[derive(Default)]
pub(crate) struct Clock {
    #[cfg(test)]
    ahead_ms: std::sync::atomic::AtomicU64,
}

impl Clock {
    #[cfg(not(test))]
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment(since_boot())
    }

    #[cfg(test)]
    pub(crate) fn now(&self) -> Moment {
        let ahead = self.ahead_ms.load(std::sync::atomic::Ordering::SeqCst);
        Moment(since_boot() + Duration::from_millis(ahead))
    }

    #[cfg(test)]
    pub(crate) fn pass(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap();
        self.ahead_ms.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

/// `CLOCK_BOOTTIME` counts the time that the machine was suspended; the standard library's clock does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Elsewhere the wall clock stands in: it counts suspended time too. When it is set, what was confirmed before may
/// look older than it is, and is confirmed anew.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Duration {
    since_1970()
}

/// The time by the wall clock.
#[inline]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time since 1970 as a date and a time of day, in UTC.
pub(crate) fn in_utc(time: Duration) -> DateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_datetime(Offset::UTC)
}

/// A time as policies compare it: in whole milliseconds.
#[inline]
pub(crate) fn in_millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// When something that starts now has to be over; never without a limit.
pub(crate) fn deadline_after(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}
