use std::collections::BTreeMap;
use std::path::Path;

use assistant::{Class, ClassId};
use model::{Key, RepoPath};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::directories::{self, Paths};
use super::{Described, FileFacts, Repositories, Result, classes, described, keys, schema, ways};

/// A snapshot of the observations, read while the writer goes on.
pub(crate) struct Reader {
    pub(super) db: Connection,
}

impl Reader {
    /// Opens the observations in `directory`, which must exist and have our format.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let db = Connection::open_with_flags(super::database(directory), flags)?;
        // Everything is read from one snapshot.
        db.execute_batch("BEGIN")?;
        schema::check_format(&db)?;
        Ok(Self { db })
    }

    /// One without any observations.
    pub(crate) fn empty() -> Result<Self> {
        let (db, _) = schema::open(Path::new(super::IN_MEMORY), 0)?;
        Ok(Self { db })
    }

    /// All classes that have keys.
    pub(crate) fn classes(&self) -> Result<BTreeMap<ClassId, Class>> {
        let classes = classes(&self.db)?;
        Ok(classes.into_iter().map(|class| (class.id, class)).collect())
    }

    /// The commits and rules that the observations describe.
    pub(crate) fn described(&self) -> Result<Described> {
        described(&self.db)
    }

    /// The observations about a file; none if it is not annexed.
    pub(crate) fn file(&self, path: &RepoPath) -> Result<Option<FileFacts>> {
        let (directory, name) = directories::split(path);
        let Some(directory) = directories::find(&self.db, directory)? else {
            return Ok(None);
        };
        let repositories = Repositories::read(&self.db)?;
        let mut query = self.db.prepare_cached(
            "SELECT keys.key, keys.size, classes.have, classes.want, classes.barred FROM paths
             JOIN keys ON keys.id = paths.key JOIN classes ON classes.id = keys.class
             WHERE directory = ?1 AND name = ?2",
        )?;
        let found = query.query_row(params![directory, name], |row| {
            let key = keys::parse(row.get_ref(0)?.as_blob()?, row.get(1)?);
            let (have, want) = (row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?);
            let barred = ways(row.get_ref(4)?.as_str()?);
            Ok(key.map(|key| FileFacts {
                key,
                have: repositories.parse(have),
                want: repositories.parse(want),
                barred,
            }))
        });
        Ok(found.optional()?.flatten())
    }

    /// The files that use `key`.
    pub(crate) fn paths_of(&self, key: &Key) -> Result<Vec<RepoPath>> {
        match keys::find(&self.db, key)? {
            Some((row, _)) => Paths::default().of_key(&self.db, row),
            None => Ok(Vec::new()),
        }
    }

    /// Reports the keys of a class, each with a way to look up its files, until `found` returns false: large before small, old
    /// before recent.
    pub(crate) fn each_of_class(
        &self,
        class: ClassId,
        mut found: impl FnMut(Key, &mut dyn FnMut() -> Result<Vec<RepoPath>>) -> Result<bool>,
    ) -> Result<()> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, size, key FROM keys WHERE class = ?1 ORDER BY size >= 1048576 DESC, id")?;
        let mut rows = query.query([class.0])?;
        let mut paths = Paths::default();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if let Some(key) = keys::parse(row.get_ref(2)?.as_blob()?, row.get(1)?)
                && !found(key, &mut || paths.of_key(&self.db, id))?
            {
                break;
            }
        }
        Ok(())
    }

    /// Reports all keys that files use: the key, its class, its size, and the files.
    pub(crate) fn each_key(&self, mut found: impl FnMut(&Key, ClassId, u64, &[RepoPath])) -> Result<()> {
        let mut query = self.db.prepare(
            "SELECT keys.id, class, size, keys.key, directory, name FROM paths JOIN keys ON keys.id = paths.key
             ORDER BY paths.key",
        )?;
        let mut paths = Paths::default();
        let mut rows = query.query([])?;
        let mut one: Option<(i64, Key, ClassId, u64)> = None;
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if one.as_ref().is_none_or(|(before, ..)| *before != id) {
                if let Some((_, key, class, size)) = &one {
                    found(key, *class, *size, &files);
                }
                files.clear();
                let size: i64 = row.get(2)?;
                let key = keys::parse(row.get_ref(3)?.as_blob()?, size);
                let class = ClassId(row.get(1)?);
                one = key.map(|key| (id, key, class, size.unsigned_abs()));
            }
            files.extend(paths.file(&self.db, row.get(4)?, row.get_ref(5)?.as_blob()?)?);
        }
        if let Some((_, key, class, size)) = &one {
            found(key, *class, *size, &files);
        }
        Ok(())
    }
}
