//! Files that may be placeholders although their content is here. They are listed until they were seen with it.
//!
//! A database made again knows of no file whether it has its content. Instead of a row for each file, it then has one row
//! of how far the files have been checked, in the order of their table.

use std::collections::HashSet;

use model::{Key, RepoPath};
use rusqlite::{Connection, OptionalExtension, params};

use super::directories::Paths;
use super::{Observations, Result, keys, repositories};

/// How far the files have been checked: the number of this check, and the directory and name of the last file.
#[derive(Debug)]
pub(super) struct Checked {
    id: i64,
    directory: i64,
    name: Vec<u8>,
}

/// Records that all files have to be checked, by the number of this repository.
pub(super) fn check_all(db: &Connection, here: i64) -> Result<()> {
    db.execute("DELETE FROM unchecked", [])?;
    let what = "INSERT INTO unchecked (here, directory, name) VALUES (?1, 0, x'')";
    db.execute(what, [here]).map(drop)
}

impl Observations {
    /// Adds files that are placeholders whose content is here.
    pub(crate) fn add_unfilled(&mut self, files: &[(RepoPath, Key)]) -> Result<()> {
        let change = self.db.transaction()?;
        let mut insert = change.prepare_cached("INSERT OR REPLACE INTO unfilled VALUES (?1, ?2)")?;
        for (path, key) in files {
            insert.execute([path.as_bytes(), key.as_bytes()])?;
        }
        drop(insert);
        change.commit()
    }

    /// The first of these files: at most this many, and this many bytes except for the last file.
    pub(crate) fn unfilled(&self, most: u32, most_bytes: u64) -> Result<Vec<(RepoPath, Key)>> {
        self.checked.set(None);
        let mut query = self
            .db
            .prepare_cached("SELECT path, key FROM unfilled ORDER BY path LIMIT ?1")?;
        let mut rows = query.query([most])?;
        let (mut files, mut bytes) = (Vec::new(), 0u64);
        while bytes < most_bytes
            && let Some(row) = rows.next()?
        {
            let path = RepoPath::parse(row.get_ref(0)?.as_blob()?);
            if let (Ok(path), Ok(key)) = (path, Key::parse(row.get_ref(1)?.as_blob()?)) {
                bytes = bytes.saturating_add(key.size().unwrap_or(0));
                files.push((path, key));
            }
        }
        drop(rows);
        drop(query);
        match files.is_empty() {
            true => self.unchecked(most, most_bytes),
            false => Ok(files),
        }
    }

    /// The next files to check of those whose content is here.
    fn unchecked(&self, most: u32, most_bytes: u64) -> Result<Vec<(RepoPath, Key)>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, here, directory, name FROM unchecked")?;
        let found = query.query_row([], |row| {
            let (id, directory, name) = (row.get(0)?, row.get(2)?, row.get(3)?);
            Ok((row.get(1)?, Checked { id, directory, name }))
        });
        let Some((here, mut checked)) = found.optional()? else {
            return Ok(Vec::new());
        };
        let here: HashSet<i64> = classes_with(&self.db, here)?;
        let mut query = self.db.prepare_cached(
            "SELECT directory, name, keys.key, size, class FROM paths CROSS JOIN keys ON keys.id = paths.key
             WHERE (directory, name) > (?1, ?2) ORDER BY directory, name",
        )?;
        let mut rows = query.query(params![checked.directory, checked.name])?;
        let (mut files, mut bytes, mut paths) = (Vec::new(), 0u64, Paths::default());
        while files.len() < most as usize
            && bytes < most_bytes
            && let Some(row) = rows.next()?
        {
            let (directory, name) = (row.get(0)?, row.get_ref(1)?.as_blob()?);
            checked.directory = directory;
            checked.name.clear();
            checked.name.extend_from_slice(name);
            if !here.contains(&row.get(4)?) {
                continue;
            }
            let path = paths.file(&self.db, directory, name)?;
            let key = keys::parse(row.get_ref(2)?.as_blob()?, row.get(3)?);
            if let (Some(path), Some(key)) = (path, key) {
                bytes = bytes.saturating_add(key.size().unwrap_or(0));
                files.push((path, key));
            }
        }
        drop(rows);
        drop(query);
        match files.is_empty() {
            true => drop(self.db.execute("DELETE FROM unchecked", [])?),
            false => self.checked.set(Some(checked)),
        }
        Ok(files)
    }

    /// True if any such files may be left.
    pub(crate) fn has_unfilled(&self) -> Result<bool> {
        let what = "SELECT EXISTS (SELECT 1 FROM unfilled) OR EXISTS (SELECT 1 FROM unchecked)";
        self.db.query_row(what, [], |row| row.get(0))
    }

    /// Forgets these files: they were seen with their content, or will be checked again.
    pub(crate) fn forget_unfilled(&mut self, files: &[(RepoPath, Key)]) -> Result<()> {
        let change = self.db.transaction()?;
        let mut delete = change.prepare_cached("DELETE FROM unfilled WHERE path = ?1 AND key = ?2")?;
        for (path, key) in files {
            delete.execute([path.as_bytes(), key.as_bytes()])?;
        }
        drop(delete);
        if let Some(Checked { id, directory, name }) = self.checked.take() {
            // If the observations were made again meanwhile, that check has another number.
            let go_on = "UPDATE unchecked SET directory = ?2, name = ?3 WHERE id = ?1";
            change.execute(go_on, params![id, directory, name])?;
        }
        change.commit()
    }
}

/// The classes of keys that a repository has.
fn classes_with(db: &Connection, repository: i64) -> Result<HashSet<i64>> {
    let mut query = db.prepare_cached("SELECT id, have FROM classes")?;
    let mut rows = query.query([])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        if repositories::numbers(row.get_ref(1)?.as_str()?).any(|number| number == repository) {
            found.insert(row.get(0)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
