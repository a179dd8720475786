use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Key, RepoPath, Uuid};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Described, Observations, Result, text, uuids};

/// One transaction that brings the observations from one pair of commits to the next.
///
/// Dropped without [`Update::commit`], nothing has happened.
pub(crate) struct Update<'a> {
    db: Transaction<'a>,
    /// Keys whose holders or files changed, by row id: their wanters have to be found again.
    touched: BTreeMap<i64, ()>,
    /// New holders, by row id.
    holders: BTreeMap<i64, BTreeSet<Uuid>>,
    /// Keys and bytes that classes gained or lost.
    counts: BTreeMap<i64, (i64, i64)>,
    classes: HashMap<(String, String), i64>,
}

/// A key whose wanters are to be found.
pub(crate) struct Touched {
    id: i64,
    size: i64,
    class: i64,
    pub(crate) key: Key,
    pub(crate) paths: Vec<RepoPath>,
    /// The holders before this update.
    pub(crate) had: BTreeSet<Uuid>,
    /// The holders after it.
    pub(crate) have: BTreeSet<Uuid>,
}

impl Observations {
    /// Begins an update.
    pub(crate) fn update(&mut self) -> Result<Update<'_>> {
        let db = self.db.transaction()?;
        Ok(Update {
            db,
            touched: BTreeMap::new(),
            holders: BTreeMap::new(),
            counts: BTreeMap::new(),
            classes: HashMap::new(),
        })
    }
}

impl Update<'_> {
    /// Forgets everything: the repository has lost the commits that were described.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.db
            .execute_batch("DELETE FROM about; DELETE FROM classes; DELETE FROM keys; DELETE FROM paths;")
    }

    /// The location log of a key says that these repositories have it.
    pub(crate) fn located(&mut self, key: &Key, have: BTreeSet<Uuid>) -> Result<()> {
        let id = self.key_id(key)?;
        self.touched.insert(id, ());
        self.holders.insert(id, have);
        Ok(())
    }

    /// A file of the work tree's commit now names `key`, or no key any more.
    pub(crate) fn named(&mut self, path: &RepoPath, key: Option<&Key>) -> Result<()> {
        let mut query = self.db.prepare_cached("SELECT key FROM paths WHERE path = ?1")?;
        let before: Option<i64> = query.query_row([path.as_bytes()], |row| row.get(0)).optional()?;
        drop(query);
        let after = key.map(|key| self.key_id(key)).transpose()?;
        if let Some(id) = after {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO paths VALUES (?1, ?2)")?
                .execute(params![path.as_bytes(), id])?;
        } else if before.is_some() {
            self.db
                .prepare_cached("DELETE FROM paths WHERE path = ?1")?
                .execute([path.as_bytes()])?;
        }
        self.touched.extend(before.into_iter().chain(after).map(|id| (id, ())));
        Ok(())
    }

    /// The rules changed: the wanters of every key have to be found again.
    pub(crate) fn touch_all(&mut self) -> Result<()> {
        let mut query = self.db.prepare("SELECT id FROM keys")?;
        let ids = query.query_map([], |row| row.get::<_, i64>(0))?;
        for id in ids {
            self.touched.insert(id?, ());
        }
        Ok(())
    }

    /// Gives each touched key to `wanting`, which says who wants it, and puts it into its class.
    pub(crate) fn classify(&mut self, mut wanting: impl FnMut(&Touched) -> BTreeSet<Uuid>) -> Result<()> {
        for id in std::mem::take(&mut self.touched).into_keys() {
            let Some(touched) = self.touched_key(id)? else { continue };
            let want = wanting(&touched);
            let class = self.class_id(text(&touched.have), text(&want))?;
            if class == touched.class {
                continue;
            }
            self.db
                .prepare_cached("UPDATE keys SET class = ?1 WHERE id = ?2")?
                .execute([class, touched.id])?;
            for (class, sign) in [(touched.class, -1), (class, 1)] {
                let count = self.counts.entry(class).or_default();
                *count = (count.0 + sign, count.1 + sign * touched.size);
            }
        }
        Ok(())
    }

    /// Makes it so, together with what is described now.
    pub(crate) fn commit(self, described: &Described) -> Result<()> {
        for (class, (keys, bytes)) in &self.counts {
            let mut count = self
                .db
                .prepare_cached("UPDATE classes SET keys = keys + ?2, bytes = bytes + ?3 WHERE id = ?1")?;
            count.execute([class, keys, bytes])?;
        }
        self.db.execute("DELETE FROM classes WHERE keys = 0", [])?;
        self.db.execute("DELETE FROM about", [])?;
        let (tree, annex) = (described.tree.map(|oid| oid.0), described.annex.map(|oid| oid.0));
        self.db.execute(
            "INSERT INTO about VALUES (?1, ?2, ?3)",
            params![tree, annex, described.rules],
        )?;
        self.db.commit()
    }

    fn key_id(&mut self, key: &Key) -> Result<i64> {
        let mut query = self.db.prepare_cached("SELECT id FROM keys WHERE key = ?1")?;
        if let Some(id) = query.query_row([key.as_bytes()], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        let size = i64::try_from(key.size().unwrap_or(0)).unwrap_or(i64::MAX);
        // Class 0 is none: a new key gets its class when it is classified.
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO keys (key, size, class) VALUES (?1, ?2, 0)")?;
        insert.insert(params![key.as_bytes(), size])
    }

    fn touched_key(&mut self, id: i64) -> Result<Option<Touched>> {
        let mut query = self.db.prepare_cached(
            "SELECT keys.key, size, class, have FROM keys LEFT JOIN classes ON classes.id = class WHERE keys.id = ?1",
        )?;
        let (key, size, class, had) = query.query_row([id], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        })?;
        let Ok(key) = Key::parse(&key) else { return Ok(None) };
        let had = uuids(&had.unwrap_or_default());
        let have = self.holders.remove(&id).unwrap_or_else(|| had.clone());
        let paths = paths(&self.db, id)?;
        Ok(Some(Touched {
            id,
            size,
            class,
            key,
            paths,
            had,
            have,
        }))
    }

    fn class_id(&mut self, have: String, want: String) -> Result<i64> {
        if let Some(id) = self.classes.get(&(have.clone(), want.clone())) {
            return Ok(*id);
        }
        let mut query = self
            .db
            .prepare_cached("SELECT id FROM classes WHERE have = ?1 AND want = ?2")?;
        let found: Option<i64> = query.query_row([&have, &want], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => self
                .db
                .prepare_cached("INSERT INTO classes (have, want) VALUES (?1, ?2)")?
                .insert([&have, &want])?,
        };
        self.classes.insert((have, want), id);
        Ok(id)
    }
}

fn paths(db: &Connection, key: i64) -> Result<Vec<RepoPath>> {
    let mut query = db.prepare_cached("SELECT path FROM paths WHERE key = ?1 ORDER BY path")?;
    let rows = query.query_map([key], |row| row.get::<_, Vec<u8>>(0))?;
    rows.filter_map(|row| row.map(|bytes| RepoPath::parse(&bytes).ok()).transpose())
        .collect()
}
