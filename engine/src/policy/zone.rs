//! The local time zone: what the variable `TZ` names, else the system's.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jiff_core::civil::DateTime;
use jiff_core::tz::{AmbiguousOffset, posix, tzif};

/// How long a zone is kept before it is looked up again.
const FRESH: Duration = Duration::from_secs(300);
/// The largest file that is read as a zone; those that there are have a few thousand bytes.
const MAX_BYTES: u64 = 1 << 20;
const SYSTEM: &str = "/etc/localtime";
#[cfg(unix)]
const DATABASES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
#[cfg(not(unix))]
const DATABASES: [&str; 0] = [];

/// A rule for offsets from UTC.
pub(super) enum Zone {
    Utc,
    Rule(Box<posix::TimeZone>),
    Table(Box<tzif::TimeZone>),
}

struct Kept {
    zone: Arc<Zone>,
    since: Instant,
}

/// Without a lock, which a child could inherit from a thread that it does not have.
static KEPT: ArcSwapOption<Kept> = ArcSwapOption::const_empty();

impl Zone {
    /// The local zone; UTC where none can be found.
    pub(super) fn local() -> Arc<Self> {
        if let Some(kept) = &*KEPT.load()
            && kept.since.elapsed() < FRESH
        {
            return kept.zone.clone();
        }
        let zone = Arc::new(Self::look_up(std::env::var_os("TZ").as_deref()).unwrap_or(Self::Utc));
        KEPT.store(Some(Arc::new(Kept { zone: zone.clone(), since: Instant::now() })));
        zone
    }

    fn look_up(variable: Option<&OsStr>) -> Option<Self> {
        let Some(variable) = variable else { return if cfg!(unix) { Self::at(SYSTEM) } else { None } };
        if variable.is_empty() {
            return Some(Self::Utc);
        }
        let name = match posix::TzEnv::parse_os_str(variable) {
            Ok(posix::TzEnv::Rule(rule)) => return Some(Self::Rule(Box::new(rule))),
            Ok(posix::TzEnv::Implementation(name)) => name.to_string(),
            Err(_) => variable.to_str()?.to_owned(),
        };
        Self::named(name_in(&name).unwrap_or(&name)).or_else(|| Self::at(&name))
    }

    /// The zone of that name, in upper or lower case, in a database of the system's.
    fn named(name: &str) -> Option<Self> {
        if ["utc", "etc/unknown"].iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Some(Self::Utc);
        }
        let databases = std::env::var_os("TZDIR").map(PathBuf::from).into_iter().chain(DATABASES.map(PathBuf::from));
        databases.filter_map(|database| find(database, name)).find_map(|path| Self::read(&path))
    }

    /// The zone that a path leads to. A link into a database is a name.
    fn at(path: &str) -> Option<Self> {
        let target = fs::read_link(path).ok();
        let name = target.as_deref().and_then(Path::to_str).and_then(name_in);
        name.and_then(Self::named).or_else(|| Self::read(Path::new(path)))
    }

    fn read(path: &Path) -> Option<Self> {
        // A pipe or a device could go on for ever.
        if !fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        tzif::TimeZone::parse(&bytes).ok().map(|table| Self::Table(Box::new(table)))
    }

    /// How many seconds the clock on the wall is ahead of UTC when it shows this time. What a change of the clock skips
    /// or repeats is read by the time before the change.
    pub(super) fn offset_at(&self, wall: DateTime) -> i32 {
        let found = match self {
            Self::Utc => return 0,
            Self::Rule(rule) => rule.to_ambiguous_timestamp(wall),
            Self::Table(table) => table.to_ambiguous_timestamp(wall),
        };
        match found.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before.seconds(),
        }
    }
}

/// The name of the zone that a path into a database is for.
fn name_in(path: &str) -> Option<&str> {
    path.rsplit_once("zoneinfo/").map(|(_, name)| name)
}

/// The file of a zone.
fn find(database: PathBuf, name: &str) -> Option<PathBuf> {
    Path::new(name).components().try_fold(database, |directory, part| {
        let Component::Normal(part) = part else { return None };
        let path = directory.join(part);
        if path.exists() {
            return Some(path);
        }
        let mut entries = fs::read_dir(&directory).ok()?.flatten();
        entries.find(|entry| entry.file_name().eq_ignore_ascii_case(part)).map(|entry| entry.path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(variable: &str) -> Option<[i32; 2]> {
        let zone = Zone::look_up(Some(OsStr::new(variable)))?;
        Some([1, 7].map(|month| zone.offset_at(DateTime::new(2026, month, 15, 12, 0, 0, 0).unwrap())))
    }

    #[test]
    fn reads_the_variable_as_other_programs_do() {
        assert_eq!(offsets(""), Some([0, 0]));
        assert_eq!(offsets("UTC"), Some([0, 0]));
        assert_eq!(offsets("EST5"), Some([-18_000, -18_000]));
        assert_eq!(offsets("<+0530>-5:30"), Some([19_800, 19_800]));
        assert_eq!(offsets("EST5EDT,M3.2.0,M11.1.0"), Some([-18_000, -14_400]));
        for none in ["Nowhere/AtAll", ":", "/", "/dev/zero", "../../../etc/passwd", "zoneinfo/", "\u{e9}"] {
            assert_eq!(offsets(none), None, "{none}");
        }
    }

    #[test]
    fn finds_a_zone_by_name_and_by_path() {
        // Not every machine has the database.
        if !Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() {
            return;
        }
        let berlin = Some([3600, 7200]);
        for name in [
            "Europe/Berlin",
            ":Europe/Berlin",
            "europe/BERLIN",
            "/usr/share/zoneinfo/Europe/Berlin",
            "../zoneinfo/Europe/Berlin",
        ] {
            assert_eq!(offsets(name), berlin, "{name}");
        }
        assert_eq!(offsets("EST5EDT"), Some([-18_000, -14_400]));
    }

    #[test]
    fn follows_a_table_through_gaps_folds_and_the_years_after_it() {
        let Some(zone) = Zone::look_up(Some(OsStr::new("America/New_York"))) else { return };
        let offset = |year, month, day, hour| zone.offset_at(DateTime::new(year, month, day, hour, 30, 0, 0).unwrap());
        assert_eq!(offset(2026, 3, 8, 1), -18_000);
        assert_eq!(offset(2026, 3, 8, 2), -18_000);
        assert_eq!(offset(2026, 3, 8, 3), -14_400);
        assert_eq!(offset(2026, 11, 1, 1), -14_400);
        assert_eq!(offset(2026, 11, 1, 2), -18_000);
        assert_eq!(offset(9999, 7, 1, 0), -14_400);
        // Before there were zones, by the sun.
        assert_eq!(offset(1, 1, 1, 0), -17_762);
    }

    #[test]
    fn is_kept() {
        // Another test may look it up at the same moment, but not time and again.
        assert!((0..10).any(|_| Arc::ptr_eq(&Zone::local(), &Zone::local())));
    }
}
