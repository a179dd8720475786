//! Reads lists of files and directories, one page at a time. A page of all files skips the paths before it. A search reads all
//! paths, and a list of classes that have many keys reads the rows of all files up to the page.

use std::collections::BTreeSet;

use assistant::ClassId;
use model::{Key, RepoPath};
use rusqlite::params;

use super::{Reader, Result};

/// The files to list.
pub(crate) enum Filter {
    All,
    /// Files whose path contains this lower-case text, ignoring the case of ASCII letters.
    Named(Vec<u8>),
    Classes(BTreeSet<ClassId>),
}

/// A file with its key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) path: RepoPath,
    pub(crate) key: Key,
    pub(crate) class: ClassId,
}

/// A directory, with the number and size of all files below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DirectorySum {
    pub(crate) path: RepoPath,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// True if there are directories in it.
    pub(crate) has_directories: bool,
}

/// A path, and the row of its key.
type Chosen = (Vec<u8>, i64);

/// Up to this many keys, their files are collected and sorted; above it, all files are read in order.
const FEW_KEYS: u64 = 5000;

impl Reader {
    /// A page of the files, ordered by path, and how many there are in all.
    pub(crate) fn page(&self, filter: &Filter, skip: u64, count: u64) -> Result<(u64, Vec<Row>)> {
        let (total, chosen) = match filter {
            Filter::All => self.page_of_all(skip, count)?,
            Filter::Named(part) => self.page_of_named(part, skip, count)?,
            Filter::Classes(classes) => self.page_of_classes(classes, skip, count)?,
        };
        let mut query = self.db.prepare_cached("SELECT key, class FROM keys WHERE id = ?1")?;
        let mut rows = Vec::with_capacity(chosen.len());
        for (path, key) in chosen {
            let (key, class): (Vec<u8>, u32) = query.query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let (Ok(path), Ok(key)) = (RepoPath::parse(&path), Key::parse(&key)) {
                let class = ClassId(class);
                rows.push(Row { path, key, class });
            }
        }
        Ok((total, rows))
    }

    fn page_of_all(&self, skip: u64, count: u64) -> Result<(u64, Vec<Chosen>)> {
        let total: i64 = self.db.query_row("SELECT count(*) FROM paths", [], |row| row.get(0))?;
        let mut query = self
            .db
            .prepare_cached("SELECT path, key FROM paths ORDER BY path LIMIT ?1 OFFSET ?2")?;
        let rows = query.query_map(params![number(count), number(skip)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok((total.unsigned_abs(), rows.collect::<Result<_>>()?))
    }

    fn page_of_named(&self, part: &[u8], skip: u64, count: u64) -> Result<(u64, Vec<Chosen>)> {
        let mut query = self.db.prepare_cached("SELECT path, key FROM paths ORDER BY path")?;
        let mut rows = query.query([])?;
        let (mut total, mut chosen) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let path = row.get_ref(0)?.as_blob()?;
            if !contains(path, part) {
                continue;
            }
            if total >= skip && total - skip < count {
                chosen.push((path.to_vec(), row.get(1)?));
            }
            total += 1;
        }
        Ok((total, chosen))
    }

    fn page_of_classes(&self, classes: &BTreeSet<ClassId>, skip: u64, count: u64) -> Result<(u64, Vec<Chosen>)> {
        let listed: Vec<String> = classes.iter().map(|class| class.0.to_string()).collect();
        let listed = listed.join(",");
        let keys = format!("SELECT coalesce(sum(keys), 0) FROM classes WHERE id IN ({listed})");
        let keys: i64 = self.db.query_row(&keys, [], |row| row.get(0))?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        if keys.unsigned_abs() <= FEW_KEYS {
            let mut query = self.db.prepare(&format!(
                "SELECT path, paths.key FROM keys CROSS JOIN paths ON paths.key = keys.id WHERE class IN ({listed})"
            ))?;
            let mut all = query.query_map([], row)?.collect::<Result<Vec<_>>>()?;
            all.sort_unstable();
            let total = all.len() as u64;
            let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            return Ok((total, all.into_iter().skip(index(skip)).take(index(count)).collect()));
        }
        let joined = format!("FROM paths CROSS JOIN keys ON keys.id = paths.key WHERE class IN ({listed})");
        let total: i64 = self
            .db
            .query_row(&format!("SELECT count(*) {joined}"), [], |row| row.get(0))?;
        let mut query = self.db.prepare(&format!(
            "SELECT path, paths.key {joined} ORDER BY path LIMIT ?1 OFFSET ?2"
        ))?;
        let chosen = query.query_map(params![number(count), number(skip)], row)?;
        Ok((total.unsigned_abs(), chosen.collect::<Result<_>>()?))
    }

    /// The directories directly below a directory, or below the folder itself, ordered by name.
    pub(crate) fn directories(&self, above: Option<&RepoPath>) -> Result<Vec<DirectorySum>> {
        let mut query = self.db.prepare_cached(
            "SELECT path, files, bytes, EXISTS (SELECT 1 FROM directories AS below WHERE below.above = one.path)
             FROM directories AS one WHERE above = ?1 ORDER BY path",
        )?;
        let mut rows = query.query([above.map_or(&b""[..], RepoPath::as_bytes)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            if let Ok(path) = RepoPath::parse(row.get_ref(0)?.as_blob()?) {
                all.push(DirectorySum {
                    path,
                    files: row.get::<_, i64>(1)?.unsigned_abs(),
                    bytes: row.get::<_, i64>(2)?.unsigned_abs(),
                    has_directories: row.get(3)?,
                });
            }
        }
        Ok(all)
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Compares ignoring the case of ASCII letters; `part` is in lower case.
fn contains(path: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else {
        return true;
    };
    let upper = first.to_ascii_uppercase();
    let starts = path
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == *first || **byte == upper);
    let mut after = starts.filter_map(|(at, _)| path.get(at + 1..at + 1 + rest.len()));
    after.any(|after| after.eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests;
