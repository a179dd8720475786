use std::collections::BTreeMap;
use std::path::Path;

use assistant::{Class, ClassId};
use model::{Key, RepoPath};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Described, FileFacts, Result, classes, described, uuids, ways};

/// A snapshot of the observations, read while the writer goes on.
pub(crate) struct Reader {
    pub(super) db: Connection,
}

impl Reader {
    /// Opens the observations in `directory`, which must exist.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let db = Connection::open_with_flags(super::database(directory), flags)?;
        // Everything is read from one snapshot.
        db.execute_batch("BEGIN")?;
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
        let mut query = self.db.prepare_cached(
            "SELECT keys.key, classes.have, classes.want, classes.barred FROM paths
             JOIN keys ON keys.id = paths.key JOIN classes ON classes.id = keys.class WHERE path = ?1",
        )?;
        let row = query.query_row([path.as_bytes()], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        let Some((key, have, want, barred)) = row.optional()? else {
            return Ok(None);
        };
        Ok(Key::parse(&key).ok().map(|key| FileFacts {
            key,
            have: uuids(&have),
            want: uuids(&want),
            barred: ways(&barred),
        }))
    }

    /// The files that use `key`.
    pub(crate) fn paths_of(&self, key: &Key) -> Result<Vec<RepoPath>> {
        let mut query = self
            .db
            .prepare_cached("SELECT path FROM paths WHERE key = (SELECT id FROM keys WHERE key = ?1) ORDER BY path")?;
        let rows = query.query_map([key.as_bytes()], |row| row.get::<_, Vec<u8>>(0))?;
        rows.filter_map(|row| row.map(|bytes| RepoPath::parse(&bytes).ok()).transpose())
            .collect()
    }

    /// Reports all keys that files use: the key, its class, its size, and the files.
    pub(crate) fn each_key(&self, mut found: impl FnMut(&Key, ClassId, u64, &[RepoPath])) -> Result<()> {
        let mut query = self.db.prepare(
            "SELECT keys.id, class, size, path, keys.key FROM paths JOIN keys ON keys.id = paths.key ORDER BY paths.key",
        )?;
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
                let key = Key::parse(row.get_ref(4)?.as_blob()?).ok();
                let (class, size) = (ClassId(row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs());
                one = key.map(|key| (id, key, class, size));
            }
            files.extend(RepoPath::parse(row.get_ref(3)?.as_blob()?));
        }
        if let Some((_, key, class, size)) = &one {
            found(key, *class, *size, &files);
        }
        Ok(())
    }
}
