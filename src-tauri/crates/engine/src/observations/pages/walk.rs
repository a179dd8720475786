//! Finds the files of a page in the order of their paths, and goes only into directories that have some of them.

use std::collections::HashMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use model::RepoPath;
use rusqlite::{Connection, params};

use super::{Chosen, Listed};
use crate::observations::Result;
use crate::observations::directories::NONE;

pub(super) struct Walk<'a> {
    db: &'a Connection,
    listed: &'a Listed<'a>,
    /// The number of listed files below each directory, or of those that are not listed.
    below: HashMap<i64, u64>,
    /// The number of listed files that are still to be left out.
    skip: u64,
    count: usize,
    chosen: Vec<Chosen>,
}

/// A directory on the way to the current file.
struct Level {
    directory: i64,
    /// The length of its path.
    length: usize,
    /// The name of its last file that was seen.
    after: Vec<u8>,
    /// The number of listed files in it that were not seen.
    files: u64,
    /// The directories in it that were not seen, in order.
    directories: Peekable<IntoIter<Directory>>,
}

struct Directory {
    id: i64,
    name: Vec<u8>,
    files: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        db: &'a Connection,
        listed: &'a Listed<'a>,
        below: HashMap<i64, u64>,
        skip: u64,
        count: u64,
    ) -> Self {
        Self {
            db,
            listed,
            below,
            skip,
            count: usize::try_from(count).unwrap_or(usize::MAX),
            chosen: Vec::new(),
        }
    }

    /// The number of listed files, and those of the page.
    pub(super) fn page(mut self) -> Result<(u64, Vec<Chosen>)> {
        let top = self.directories_in(NONE)?;
        let total = top.iter().map(|top| top.files).sum();
        let mut path = Vec::new();
        let mut levels = vec![Level {
            directory: NONE,
            length: 0,
            after: Vec::new(),
            files: 0,
            directories: top.into_iter().peekable(),
        }];
        while let Some(level) = levels.last_mut()
            && self.chosen.len() < self.count
        {
            path.truncate(level.length);
            match self.advance(level, &path)? {
                Some(directory) => {
                    path.extend_from_slice(&directory.name);
                    levels.push(self.level(&directory, path.len())?);
                }
                None => drop(levels.pop()),
            }
        }
        Ok((total, self.chosen))
    }

    fn level(&self, directory: &Directory, length: usize) -> Result<Level> {
        let directories = self.directories_in(directory.id)?;
        let in_them = directories.iter().map(|directory| directory.files).sum();
        Ok(Level {
            directory: directory.id,
            length,
            after: Vec::new(),
            files: directory.files.saturating_sub(in_them),
            directories: directories.into_iter().peekable(),
        })
    }

    /// The directories in this one that have listed files.
    fn directories_in(&self, above: i64) -> Result<Vec<Directory>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, name, files FROM directories WHERE above = ?1 ORDER BY name")?;
        let mut rows = query.query([above])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            let counted = self.below.get(&id).copied().unwrap_or(0);
            let files = match self.listed {
                Listed::Named(_) | Listed::Keys(_) => counted,
                Listed::Others(_) => row.get::<_, i64>(2)?.unsigned_abs().saturating_sub(counted),
            };
            if files > 0 {
                let name = row.get(1)?;
                found.push(Directory { id, name, files });
            }
        }
        Ok(found)
    }

    /// Goes on in a directory, up to the next directory to go into or to the end of the page or of the directory.
    fn advance(&mut self, level: &mut Level, path: &[u8]) -> Result<Option<Directory>> {
        let mut query = self
            .db
            .prepare_cached("SELECT name, key FROM paths WHERE directory = ?1 AND name > ?2 ORDER BY name")?;
        let mut rows = query.query(params![level.directory, level.after])?;
        while self.chosen.len() < self.count {
            let row = if level.files > 0 { rows.next()? } else { None };
            let file = match row {
                Some(row) => Some((row.get_ref(0)?.as_blob()?, row.get(1)?)),
                None => None,
            };
            let is_before = |directory: &Directory| file.is_none_or(|(name, _)| directory.name.as_slice() < name);
            while let Some(directory) = level.directories.next_if(is_before) {
                if directory.files > self.skip {
                    return Ok(Some(directory));
                }
                self.skip -= directory.files;
            }
            let Some((name, key)) = file else {
                return Ok(None);
            };
            level.after.clear();
            level.after.extend_from_slice(name);
            if self.listed.has(path, name, key) {
                level.files -= 1;
                self.take(path, name, key);
            }
        }
        Ok(None)
    }

    fn take(&mut self, path: &[u8], name: &[u8], key: i64) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if let Ok(path) = RepoPath::parse(&[path, name].concat()) {
            self.chosen.push((path, key));
        }
    }
}
