//! Guards the ABI: `tests/abi/armoriq.json` is a snapshot of what `include/armoriq.h` declares, and no change of it
//! passes without a new `ARMORIQ_ABI_VERSION`.

mod clang;
mod compare;
mod model;

use std::path::{Path, PathBuf};

use compare::Verdict;
use model::Abi;

use crate::header;

/// The header, and the snapshot of its ABI.
pub struct Files {
    header: PathBuf,
    snapshot: PathBuf,
}

impl Files {
    pub fn committed() -> Self {
        Self { header: header::path(), snapshot: header::root().join("tests/abi/armoriq.json") }
    }

    pub fn named(header: &str, snapshot: &str) -> Self {
        Self { header: header.into(), snapshot: snapshot.into() }
    }

    /// Writes the snapshot anew, unless the header changed in a way that its version does not allow.
    pub fn write(&self) -> Result<String, String> {
        let mut now = clang::describe(&self.header)?;
        if self.snapshot.exists() {
            let before = read(&self.snapshot)?;
            let comparison = compare::compare(&before, &now);
            match comparison.verdict {
                Verdict::Same => return Ok(format!("{} is up to date", self.snapshot.display())),
                Verdict::Refused(reason) => return Err(self.refusal(&comparison.changes, &reason)),
                Verdict::Allowed => {}
            }
            now.retire_numbers_of(&before);
        }
        let text = serde_json::to_string_pretty(&now).map_err(|error| error.to_string())?;
        std::fs::write(&self.snapshot, text + "\n").map_err(|error| format!("{}: {error}", self.snapshot.display()))?;
        Ok(format!("wrote {}: {now}", self.snapshot.display()))
    }

    /// Compares the header with the snapshot.
    pub fn check(&self) -> Result<String, String> {
        let (before, now) = (read(&self.snapshot)?, clang::describe(&self.header)?);
        let comparison = compare::compare(&before, &now);
        match comparison.verdict {
            Verdict::Same => Ok(format!("{} is up to date: {now}", self.snapshot.display())),
            Verdict::Refused(reason) => Err(self.refusal(&comparison.changes, &reason)),
            Verdict::Allowed => Err(format!(
                "{}ABI {} has the number for that, and {} does not have it yet: run `cargo xtask abi`",
                comparison.changes,
                now.version,
                self.snapshot.display()
            )),
        }
    }

    fn refusal(&self, changes: &str, reason: &str) -> String {
        format!("{} is not the ABI of {}:\n{changes}{reason}", self.header.display(), self.snapshot.display())
    }
}

fn read(snapshot: &Path) -> Result<Abi, String> {
    let text = std::fs::read_to_string(snapshot).map_err(|error| format!("{}: {error}", snapshot.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", snapshot.display()))
}
