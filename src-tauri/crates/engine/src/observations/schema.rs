use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Result;

/// Raised whenever the tables change: a database of another format is made again.
const FORMAT: i64 = 8;

const TABLES: &str = "
-- When it was last checked for damage, in seconds since the epoch, and whether nobody has opened it since it was closed.
CREATE TABLE soundness (checked_at INTEGER NOT NULL, is_closed INTEGER NOT NULL);
CREATE TABLE about (tree BLOB, annex BLOB, rules BLOB NOT NULL);
CREATE TABLE repositories (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE);
CREATE TABLE classes (
    -- Never used again for another class: an assistant may still hold the number of one that is gone.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Sets of repositories, by number.
    have TEXT NOT NULL,
    want TEXT NOT NULL,
    barred TEXT NOT NULL,
    -- If this repository has them, and would not want them if it had dropped them: how many copies must be confirmed for that,
    -- and in which repositories they may be.
    spare TEXT NOT NULL,
    keys INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (have, want, barred, spare)
);
-- `keys.rs` tells how a key is stored. An index of whole digests would take as much space as the table; a few bytes of
-- them are enough to find the row. Keys that are stored as text often have the same first bytes.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    class INTEGER NOT NULL
);
CREATE INDEX keys_by_digest ON keys (substr(key, 1, 6)) WHERE key >= x'01';
CREATE UNIQUE INDEX keys_by_text ON keys (key) WHERE key < x'01';
CREATE INDEX keys_by_class ON keys (class, (size >= 1048576), id DESC);
-- With the number and total size of all files below each directory, which is too slow to sum up for each view.
CREATE TABLE directories (
    id INTEGER PRIMARY KEY,
    above INTEGER NOT NULL,
    name BLOB NOT NULL,
    files INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (above, name)
);
CREATE TABLE paths (
    directory INTEGER NOT NULL,
    name BLOB NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (directory, name)
) WITHOUT ROWID;
CREATE INDEX paths_by_key ON paths (key);
-- Files that were placeholders when the content of this key came here, and were not seen with it since.
CREATE TABLE unfilled (path BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
-- Whether files after this one have their content was not looked at since the database was made. At most one row.
CREATE TABLE unchecked (
    -- Numbers are never reused: a check that is still running must not take a new row for its own.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The repository whose work tree it is, by number.
    here INTEGER NOT NULL,
    directory INTEGER NOT NULL,
    name BLOB NOT NULL
);
-- Files, annexed or not, whose names say that they are one of several versions of a file.
CREATE TABLE versions (path BLOB PRIMARY KEY, file BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX versions_by_file ON versions (file);
";

/// How often a database that was always closed properly is checked, in seconds.
pub(super) const WEEK: u64 = 7 * 24 * 3600;

/// Opens or creates the database. Also returns whether it was checked for damage, which reads all of it: that happens
/// if it was not closed properly, and once a week. `now` is in seconds since the epoch.
pub(super) fn open(path: &Path, now: u64) -> Result<(Connection, bool)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(path, flags)?;
    // Otherwise SQLite plans the statement again for each new value of a parameter, which takes longer than running it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Power loss may damage the database, which is then made again; waiting for the disk would gain nothing.
    // The first update fills a log as large as the database; later ones shorten it again.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;
         PRAGMA journal_size_limit = 8388608;",
    )?;
    if format(&db)? == 0 {
        db.execute_batch(&format!(
            "BEGIN; {TABLES} INSERT INTO soundness VALUES ({now}, 1); PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?;
    }
    check_format(&db)?;
    let is_recent = |checked_at: u64| checked_at <= now && now - checked_at <= WEEK;
    let trusted = db.query_row("SELECT checked_at, is_closed FROM soundness", [], |row| {
        Ok(is_recent(row.get::<_, i64>(0)?.unsigned_abs()) && row.get(1)?)
    })?;
    if !trusted {
        let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        db.execute("UPDATE soundness SET checked_at = ?1", [now])?;
    }
    // Write this to disk, in the database itself, before anything that follows.
    db.execute_batch(
        "PRAGMA synchronous = FULL; UPDATE soundness SET is_closed = 0; PRAGMA wal_checkpoint (TRUNCATE);
         PRAGMA synchronous = OFF;",
    )?;
    db.set_prepared_statement_cache_capacity(64);
    Ok((db, !trusted))
}

fn format(db: &Connection) -> Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a database whose tables are not those of this program.
pub(super) fn check_format(db: &Connection) -> Result<()> {
    match format(db)? {
        FORMAT => Ok(()),
        _ => Err(rusqlite::Error::InvalidQuery),
    }
}

/// Records that the database is about to be closed properly.
pub(super) fn close(db: &Connection) {
    // Everything else is synced to disk first. If this fails, the next open checks the database.
    let _ = db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint (TRUNCATE); UPDATE soundness SET is_closed = 1;",
    );
}
