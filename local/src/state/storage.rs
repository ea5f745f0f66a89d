//! Where the stores keep what they know beyond the life of the process: in an SQLite file, or nowhere.
//!
//! A store writes a change here before it makes the change in memory, so that nothing was ever answered that a crash
//! could take back, and what cannot be written does not happen.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lock;

/// The file in the directory of `--data`.
const FILE: &str = "armoriq-local.sqlite3";
/// The version of the table below; a file of another version is refused.
const FORMAT: i64 = 1;

/// How long to wait for another process that is about to end.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a record is about.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Audit,
    Delegation,
    Inventory,
    Plan,
    Reply,
    SigningKey,
    UsageReset,
    UsageRevision,
    UsageRow,
    UsageRun,
    UsageStream,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Delegation => "delegation",
            Self::Inventory => "inventory",
            Self::Plan => "plan",
            Self::Reply => "reply",
            Self::SigningKey => "signing-key",
            Self::UsageReset => "usage-reset",
            Self::UsageRevision => "usage-revision",
            Self::UsageRow => "usage-row",
            Self::UsageRun => "usage-run",
            Self::UsageStream => "usage-stream",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    #[error("{0} is in use by another armoriq-local")]
    InUse(String),
    #[error("{0} was written by another version of armoriq-local")]
    Format(String),
    #[error("the data cannot be read or written: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for StorageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The default keeps nothing.
#[derive(Default)]
pub struct Storage {
    connection: Option<Mutex<Connection>>,
}

impl Storage {
    /// Opens the file in a directory, which is made where it is missing. Nobody else may read either: the file holds
    /// the signing key.
    pub fn open(directory: &Path) -> Result<Self, StorageError> {
        let failed = |error: std::io::Error| StorageError::Failed(format!("{}: {error}", directory.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let path = directory.join(FILE);
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        let connection = Connection::open(&path)?;
        connection.busy_timeout(PATIENCE)?;
        prepare(&connection, &path)?;
        Ok(Self { connection: Some(Mutex::new(connection)) })
    }

    /// Every record of a kind with its id, in the order of the ids.
    pub fn load<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<(String, T)>, StorageError> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        let connection = lock(connection);
        let mut statement = connection.prepare("SELECT id, body FROM records WHERE kind = ?1 ORDER BY id")?;
        let mut rows = statement.query(params![kind.as_str()])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let body: String = row.get(1)?;
            records.push((row.get(0)?, serde_json::from_str(&body)?));
        }
        Ok(records)
    }

    /// Changes that are made together or not at all.
    pub fn batch(&self) -> Batch<'_> {
        Batch { storage: self, changes: Vec::new() }
    }

    /// One record, new or in the place of the one with its id.
    pub fn put(&self, kind: Kind, id: &str, record: &impl Serialize) -> Result<(), StorageError> {
        let mut batch = self.batch();
        batch.put(kind, id, record)?;
        batch.commit()
    }
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), StorageError> {
    let named = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::InUse(path.display().to_string()),
        _ => StorageError::Failed(format!("{}: {error}", path.display())),
    };
    // The lock is taken by the first statement that reads or writes, and kept for as long as the process lives. With
    // `NORMAL` a commit survives the end of the process; a power cut may undo the last ones, but harms nothing else.
    connection
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        .map_err(named)?;
    connection
        .execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS records (
                 kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
             ) WITHOUT ROWID;
             COMMIT;",
        )
        .map_err(named)?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).map_err(named)? {
        FORMAT => Ok(()),
        0 => connection.execute_batch(&format!("PRAGMA user_version = {FORMAT}")).map_err(named),
        _ => Err(StorageError::Format(path.display().to_string())),
    }
}

enum Change {
    Put { kind: Kind, id: String, body: String },
    Remove { kind: Kind, id: String },
}

pub struct Batch<'a> {
    storage: &'a Storage,
    changes: Vec<Change>,
}

impl Batch<'_> {
    pub fn put(&mut self, kind: Kind, id: &str, record: &impl Serialize) -> Result<(), StorageError> {
        if self.storage.connection.is_some() {
            let body = serde_json::to_string(record)?;
            self.changes.push(Change::Put { kind, id: id.to_owned(), body });
        }
        Ok(())
    }

    pub fn remove(&mut self, kind: Kind, id: &str) {
        if self.storage.connection.is_some() {
            self.changes.push(Change::Remove { kind, id: id.to_owned() });
        }
    }

    pub fn commit(self) -> Result<(), StorageError> {
        let Some(connection) = &self.storage.connection else { return Ok(()) };
        let mut connection = lock(connection);
        let transaction = connection.transaction()?;
        for change in &self.changes {
            match change {
                Change::Put { kind, id, body } => transaction.execute(
                    "INSERT OR REPLACE INTO records (kind, id, body) VALUES (?1, ?2, ?3)",
                    params![kind.as_str(), id, body],
                )?,
                Change::Remove { kind, id } => transaction
                    .execute("DELETE FROM records WHERE kind = ?1 AND id = ?2", params![kind.as_str(), id])?,
            };
        }
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
impl Storage {
    /// A storage that can be told to refuse every change from now on.
    pub fn that_may_fail() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection, Path::new("memory")).unwrap();
        Self { connection: Some(Mutex::new(connection)) }
    }

    pub fn fail(&self) {
        lock(self.connection.as_ref().unwrap()).execute_batch("PRAGMA query_only = ON").unwrap();
    }
}

/// An id that sorts as its number does.
pub fn numbered(number: u64) -> String {
    format!("{number:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_together_or_not_at_all() {
        let storage = Storage::that_may_fail();
        storage.put(Kind::Plan, "b", &1).unwrap();
        let mut batch = storage.batch();
        batch.remove(Kind::Plan, "b");
        batch.put(Kind::Plan, "a", &2).unwrap();
        batch.put(Kind::Audit, "a", &3).unwrap();
        assert_eq!(storage.load::<u32>(Kind::Plan).unwrap(), [("b".into(), 1)]);
        batch.commit().unwrap();
        assert_eq!(storage.load::<u32>(Kind::Plan).unwrap(), [("a".into(), 2)]);
        storage.fail();
        assert!(storage.put(Kind::Plan, "a", &4).is_err());
        assert_eq!(storage.load::<u32>(Kind::Plan).unwrap(), [("a".into(), 2)]);
    }

    #[test]
    fn data_of_another_version_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        assert_eq!(prepare(&connection, Path::new("f")), Err(StorageError::Format("f".into())));
    }

    #[test]
    fn numbers_sort_as_texts() {
        assert!(numbered(9) < numbered(10) && numbered(u64::MAX) > numbered(u64::MAX / 10));
    }
}
