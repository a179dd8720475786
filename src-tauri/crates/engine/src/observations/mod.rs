//! The observations of one repository: which paths and keys exist, and which repositories have and want each key.
//!
//! They are a SQLite database in `.git/anabranch/`, changed in one transaction together with the ids of the two commits
//! that it describes. An update applies the difference from those commits, so its cost is that of the change. Nothing
//! in the database is precious: if it is damaged, lost or of another format, it is made again from the repository.
//!
//! One connection writes, that of the engine. Readers open connections of their own and never wait; so do commands.
//!
//! **Invariant:** no row is a plan. [`Reader::offer`] finds the keys to transfer.

mod directories;
mod failures;
mod keys;
mod offer;
mod pages;
mod priorities;
mod reading;
mod repositories;
mod retries;
mod schema;
mod unfilled;
mod update;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assistant::{Class, ClassId, Direction, Spare};
use model::{Key, Oid, RemoteName, RepoPath, Uuid};
use rusqlite::{Connection, OptionalExtension};

use crate::clock::wall_clock;

pub(crate) use failures::{Damage, Failures};
pub(crate) use pages::{DirectorySum, Filter, Row};
pub(crate) use priorities::{Cancelled, Priorities};
pub(crate) use reading::Reader;
use repositories::Repositories;
pub(crate) use retries::Retries;
pub(crate) use update::{Demand, Touched, Update};

/// The observations of one repository.
pub(crate) struct Observations {
    db: Connection,
    /// Where the database is; none if it is in memory and stays empty.
    directory: Option<PathBuf>,
    /// True if the database could not be recreated on disk. The current one is in memory, where no reader sees it.
    is_lost: bool,
    /// The highest number that was given to a class.
    last_class: Cell<u32>,
    /// How far files are checked that were not forgotten yet.
    checked: Cell<Option<unfilled::Checked>>,
}

/// The commits that the observations describe, and the rules they were made under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) tree: Option<Oid>,
    pub(crate) annex: Option<Oid>,
    /// A digest of preferred content, groups and the repositories in question.
    pub(crate) rules: Vec<u8>,
}

/// The observations about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) key: Key,
    /// The repositories that have its content.
    pub(crate) have: BTreeSet<Uuid>,
    /// The repositories that want its content.
    pub(crate) want: BTreeSet<Uuid>,
    /// The transfers that the rules bar.
    pub(crate) barred: BTreeSet<(RemoteName, Direction)>,
}

pub(crate) type Result<T> = std::result::Result<T, rusqlite::Error>;

impl Observations {
    /// Opens the database in `directory`, or makes it again if it is missing, damaged or of another format. Only the engine of
    /// the repository may do this: another process could take a database that is just being made for a damaged one, and the engine
    /// would go on writing into one that was removed.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let path = database(directory);
        let (db, _) = schema::open(&path, wall_clock()).or_else(|error| {
            // Another process may have it open just now.
            if is_busy(&error) {
                return Err(error);
            }
            remove(&path);
            schema::open(&path, wall_clock())
        })?;
        Ok(Self::of(db, Some(directory.to_owned())))
    }

    /// Observations for a command; they stay empty.
    pub(crate) fn empty() -> Result<Self> {
        let (db, _) = schema::open(Path::new(IN_MEMORY), wall_clock())?;
        Ok(Self::of(db, None))
    }

    fn of(db: Connection, directory: Option<PathBuf>) -> Self {
        Self {
            db,
            directory,
            is_lost: false,
            last_class: Cell::default(),
            checked: Cell::default(),
        }
    }

    /// True if the database must be made again before it is used, because it cannot be read or an earlier attempt
    /// failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost || self.described().is_err_and(|error| is_lost(&error))
    }

    /// Makes the database again. Numbers of classes are not reused.
    pub(crate) fn renew(&mut self) -> Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = database(directory);
        // Close it first: otherwise it would share its state of the files with the new one, and remove the new files by
        // name.
        (self.db, _) = schema::open(Path::new(IN_MEMORY), wall_clock())?;
        self.is_lost = true;
        self.checked.set(None);
        remove(&path);
        (self.db, _) = schema::open(&path, wall_clock())?;
        self.is_lost = false;
        let last = self.last_class.get();
        self.db
            .execute("INSERT INTO sqlite_sequence VALUES ('classes', ?1)", [last])?;
        Ok(())
    }

    /// The commits and rules that the observations describe.
    pub(crate) fn described(&self) -> Result<Described> {
        described(&self.db)
    }

    /// All classes that have keys.
    pub(crate) fn classes(&self) -> Result<Vec<Class>> {
        let classes = classes(&self.db)?;
        let highest = classes.iter().map(|class| class.id.0).max().unwrap_or(0);
        self.last_class.set(self.last_class.get().max(highest));
        Ok(classes)
    }

    /// How many files are kept in several versions. If only one file named like a version is left, `is_there` tells
    /// whether the original name exists as another version.
    pub(crate) fn conflicts(&self, is_there: &dyn Fn(&RepoPath) -> bool) -> Result<u64> {
        let mut query = self
            .db
            .prepare_cached("SELECT file, count(*) FROM versions GROUP BY file")?;
        let mut rows = query.query([])?;
        let mut conflicts = 0;
        while let Some(row) = rows.next()? {
            let (file, versions): (Vec<u8>, u32) = (row.get(0)?, row.get(1)?);
            let is_several = versions > 1 || RepoPath::parse(&file).is_ok_and(|file| is_there(&file));
            conflicts += u64::from(is_several);
        }
        Ok(conflicts)
    }
}

impl Drop for Observations {
    fn drop(&mut self) {
        schema::close(&self.db);
    }
}

fn described(db: &Connection) -> Result<Described> {
    let row = db.query_row("SELECT tree, annex, rules FROM about", [], |row| {
        Ok((
            row.get::<_, Option<Vec<u8>>>(0)?,
            row.get::<_, Option<Vec<u8>>>(1)?,
            row.get::<_, Vec<u8>>(2)?,
        ))
    });
    let oid = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| bytes.try_into().ok()).map(Oid);
    Ok(row
        .optional()?
        .map_or_else(Described::default, |(tree, annex, rules)| Described {
            tree: oid(tree),
            annex: oid(annex),
            rules,
        }))
}

fn classes(db: &Connection) -> Result<Vec<Class>> {
    let repositories = Repositories::read(db)?;
    let mut query =
        db.prepare_cached("SELECT id, have, want, barred, keys, bytes, spare FROM classes WHERE keys > 0 ORDER BY id")?;
    let classes = query.query_map([], |row| {
        Ok(Class {
            id: ClassId(row.get(0)?),
            have: repositories.parse(row.get_ref(1)?.as_str()?),
            want: repositories.parse(row.get_ref(2)?.as_str()?),
            barred: ways(&row.get::<_, String>(3)?),
            spare: spare(&repositories, row.get_ref(6)?.as_str()?),
            keys: row.get::<_, i64>(4)?.unsigned_abs(),
            bytes: row.get::<_, i64>(5)?.unsigned_abs(),
        })
    })?;
    classes.collect()
}

/// Parses what is stored of content that is to be dropped.
fn spare(repositories: &Repositories, stored: &str) -> Option<Spare> {
    let (confirm, among) = stored.split_once(' ')?;
    Some(Spare {
        confirm: confirm.parse().ok()?,
        among: repositories.parse(among),
    })
}

/// Creates the directory of the database, which lies in a git directory. Refuses anything but a file in place of one of
/// its files, because SQLite would not tell which.
pub(crate) fn prepare(directory: &Path) -> std::result::Result<(), annex::Error> {
    let open = annex::Directory::make_below(directory.parent().unwrap_or(directory), directory)?;
    SUFFIXES
        .iter()
        .try_for_each(|suffix| open.refuse_other_than_file(format!("{NAME}{suffix}")))
}

const NAME: &str = "observations.db";
/// What SQLite calls a database that is on no disk.
const IN_MEMORY: &str = ":memory:";
/// The suffixes of the files that SQLite keeps beside the database.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The path of the database, without links above its directory: SQLite is told to follow no link in its path, but links
/// may lead to the git directory.
fn database(directory: &Path) -> PathBuf {
    let above = directory.parent().and_then(|above| above.canonicalize().ok());
    let real = above.zip(directory.file_name()).map(|(above, name)| above.join(name));
    real.unwrap_or_else(|| directory.to_owned()).join(NAME)
}

fn remove(path: &Path) {
    for suffix in SUFFIXES {
        let mut name = path.to_owned().into_os_string();
        name.push(suffix);
        // If this fails, the next attempt to open the database fails too, with the reason.
        let _ = std::fs::remove_file(name);
    }
}

/// True if an error means that the database is unusable and that a new one may work.
pub(crate) fn is_lost(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}

/// True if the database was removed, which who has it open does not notice.
pub(crate) fn is_gone(directory: &Path) -> bool {
    !database(directory).exists()
}

/// True if an error of a [`Reader`] means that there are no observations for it: they are missing, damaged or of another format.
pub(crate) fn are_unmade(directory: &Path, error: &rusqlite::Error) -> bool {
    let is_of_other_format = matches!(error, rusqlite::Error::InvalidQuery);
    is_gone(directory) || is_of_other_format || is_damaged(error)
}

/// True if an error means that the database is damaged.
pub(crate) fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// A remote and direction as stored: the remote's name and `>` (send) or `<` (get).
fn way(remote: &RemoteName, direction: Direction) -> String {
    match direction {
        Direction::Send => format!("{remote}>"),
        Direction::Get => format!("{remote}<"),
    }
}

/// Parses a stored set of remotes and directions, each as [`way`] writes it, separated by spaces (the name of a remote
/// has none).
fn ways(text: &str) -> BTreeSet<(RemoteName, Direction)> {
    let parse = |way: &str| {
        let (name, direction) = match way.strip_suffix('>') {
            Some(name) => (name, Direction::Send),
            None => (way.strip_suffix('<')?, Direction::Get),
        };
        Some((RemoteName::parse(name)?, direction))
    };
    text.split(' ').filter_map(parse).collect()
}

#[cfg(test)]
mod tests;
