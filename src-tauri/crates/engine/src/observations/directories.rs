//! The directories of a repository by number. The folder itself is the directory with the empty name, in none; the name of
//! any other ends with `/`, so names in one directory, of files and of directories, are ordered like whole paths.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use model::RepoPath;
use rusqlite::{Connection, OptionalExtension, params};

use super::Result;

/// What the folder itself is in.
pub(super) const NONE: i64 = 0;

/// Divides a path into its directory, which is empty or ends with `/`, and its name.
pub(super) fn split(path: &RepoPath) -> (&[u8], &[u8]) {
    let path = path.as_bytes();
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    path.split_at(end)
}

/// The number of a directory, whose path is empty or ends with `/`.
pub(super) fn find(db: &Connection, path: &[u8]) -> Result<Option<i64>> {
    let mut query = db.prepare_cached("SELECT id FROM directories WHERE above = ?1 AND name = ?2")?;
    let mut found = None;
    for name in names(path) {
        let above = found.unwrap_or(NONE);
        found = query.query_row(params![above, name], |row| row.get(0)).optional()?;
        if found.is_none() {
            break;
        }
    }
    Ok(found)
}

/// The names of the folder itself and of the directories on the way to this one.
fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::once(&path[..0]).chain(path.split_inclusive(|byte| *byte == b'/'))
}

/// What a directory is in; nothing if the database holds something else, such as a directory in itself.
fn above(db: &Connection, directory: i64) -> Result<(i64, Vec<u8>)> {
    let mut query = db.prepare_cached("SELECT above, name FROM directories WHERE id = ?1")?;
    let (above, name) = query.query_row([directory], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A directory gets the highest number, and outlives what is in it.
    Ok((if above < directory { above } else { NONE }, name))
}

/// The paths of directories that were asked for.
#[derive(Default)]
pub(super) struct Paths(HashMap<i64, Rc<[u8]>>);

impl Paths {
    /// Those of all directories.
    pub(super) fn all(db: &Connection) -> Result<Self> {
        let mut query = db.prepare_cached("SELECT id, above, name FROM directories ORDER BY id")?;
        let mut rows = query.query([])?;
        let mut all = Self::default();
        while let Some(row) = rows.next()? {
            let above = all.0.get(&row.get(1)?).map_or(&b""[..], |path| path);
            let path = [above, row.get_ref(2)?.as_blob()?].concat();
            all.0.insert(row.get(0)?, path.into());
        }
        Ok(all)
    }

    /// The path of a directory, which is empty or ends with `/`.
    pub(super) fn path(&mut self, db: &Connection, directory: i64) -> Result<Rc<[u8]>> {
        let (mut names, mut next) = (Vec::new(), directory);
        while next != NONE && !self.0.contains_key(&next) {
            let (above, name) = above(db, next)?;
            names.push((next, name));
            next = above;
        }
        let mut path = self.0.get(&next).cloned().unwrap_or_default();
        for (directory, name) in names.into_iter().rev() {
            path = [&path, &name[..]].concat().into();
            self.0.insert(directory, Rc::clone(&path));
        }
        Ok(path)
    }

    /// The path of a file in a directory; none if the database holds something else.
    pub(super) fn file(&mut self, db: &Connection, directory: i64, name: &[u8]) -> Result<Option<RepoPath>> {
        let path = [&self.path(db, directory)?, name].concat();
        Ok(RepoPath::parse(&path).ok())
    }

    /// The files of a key, ordered by path.
    pub(super) fn of_key(&mut self, db: &Connection, key: i64) -> Result<Vec<RepoPath>> {
        let mut query = db.prepare_cached("SELECT directory, name FROM paths WHERE key = ?1")?;
        let mut rows = query.query([key])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.extend(self.file(db, row.get(0)?, row.get_ref(1)?.as_blob()?)?);
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// Numbers and sums that an update adds to.
#[derive(Default)]
pub(super) struct Changes {
    numbers: HashMap<Box<[u8]>, i64>,
    /// The files and bytes that each directory gained or lost in itself.
    counts: BTreeMap<i64, Count>,
}

/// A number of files and their bytes, or how much they change.
#[derive(Default, Clone, Copy)]
struct Count {
    files: i64,
    bytes: i64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Changes {
    /// The number of a directory, whose path is empty or ends with `/`. It gets one if it has none.
    pub(super) fn number(&mut self, db: &Connection, path: &[u8]) -> Result<i64> {
        if let Some(number) = self.numbers.get(path) {
            return Ok(*number);
        }
        let mut query = db.prepare_cached("SELECT id FROM directories WHERE above = ?1 AND name = ?2")?;
        let mut insert = db.prepare_cached("INSERT INTO directories (above, name) VALUES (?1, ?2)")?;
        let mut number = NONE;
        for name in names(path) {
            let found = query.query_row(params![number, name], |row| row.get(0)).optional()?;
            number = match found {
                Some(found) => found,
                None => insert.insert(params![number, name])?,
            };
        }
        self.numbers.insert(path.into(), number);
        Ok(number)
    }

    /// Adds a file of a directory to its sums, or removes it from them.
    pub(super) fn count(&mut self, directory: i64, files: i64, size: i64) {
        let bytes = files * size;
        self.counts.entry(directory).or_default().add(Count { files, bytes });
    }

    /// Writes the sums, of directories above too, and deletes directories without files.
    pub(super) fn write(&mut self, db: &Connection) -> Result<()> {
        let mut all: BTreeMap<i64, Count> = BTreeMap::new();
        for (directory, count) in std::mem::take(&mut self.counts) {
            let mut directory = directory;
            while directory != NONE {
                all.entry(directory).or_default().add(count);
                (directory, _) = above(db, directory)?;
            }
        }
        let mut add =
            db.prepare_cached("UPDATE directories SET files = files + ?2, bytes = bytes + ?3 WHERE id = ?1")?;
        let mut delete = db.prepare_cached("DELETE FROM directories WHERE id = ?1 AND files = 0")?;
        for (directory, count) in all {
            add.execute(params![directory, count.files, count.bytes])?;
            if count.files <= 0 {
                delete.execute([directory])?;
            }
        }
        // Numbers of deleted directories may be given to others.
        self.numbers.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
