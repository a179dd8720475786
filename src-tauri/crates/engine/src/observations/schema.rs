use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Result;

/// Raised when the tables change: a database of another format is made anew.
const FORMAT: i64 = 3;

const TABLES: &str = "
CREATE TABLE about (tree BLOB, annex BLOB, rules BLOB NOT NULL);
CREATE TABLE classes (
    -- Never used again for another class: an assistant may still hold the number of one that is gone.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    have TEXT NOT NULL,
    want TEXT NOT NULL,
    barred TEXT NOT NULL,
    keys INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (have, want, barred)
);
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    class INTEGER NOT NULL
);
CREATE INDEX keys_by_class ON keys (class, (size >= 1048576), id DESC);
CREATE TABLE paths (path BLOB PRIMARY KEY, key INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX paths_by_key ON paths (key);
-- Files, annexed or not, whose names say that they are one of several versions of a file.
CREATE TABLE versions (path BLOB PRIMARY KEY, file BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX versions_by_file ON versions (file);
";

/// Failures are remembered for as long as the program runs: a new start tries everything again.
const FAILURES: &str = "
CREATE TEMP TABLE failures (
    key BLOB NOT NULL,
    way TEXT NOT NULL,
    count INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    PRIMARY KEY (key, way)
) WITHOUT ROWID;
";

pub(super) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(path, flags)?;
    // Else each new value of a parameter makes SQLite plan the statement anew, which takes longer than running it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Power loss may damage the database, which is then made anew; waiting for the disk would buy nothing.
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;")?;
    let format: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == 0 {
        db.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
    } else if format != FORMAT {
        return Err(rusqlite::Error::InvalidQuery);
    }
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(rusqlite::Error::InvalidQuery);
    }
    db.execute_batch(FAILURES)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}
