use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use assistant::{Direction, Spare};
use model::{Key, RemoteName, RepoPath, Uuid};
use rusqlite::{OptionalExtension, Transaction, params};

use super::directories::{self, Changes, Paths};
use super::keys::{self, size};
use super::repositories::Repositories;
use super::{Described, Observations, Result, unfilled, way};

/// When this many keys were touched, they are classified and written before more are read. Low in tests, to cover that.
const MOST_TOUCHED: usize = if cfg!(test) { 3 } else { 10_000 };

/// One transaction that brings the observations from one pair of commits to the next.
///
/// If it is dropped without [`Update::commit`], nothing changes, and readers see all of it or nothing. However long it
/// takes, it keeps nobody waiting: readers go on with what was there before, and nobody else writes. It needs little memory,
/// as SQLite writes pages to the log when its cache is full; the log becomes as large as the database. New keys are written once, when everything about them
/// is known: most updates are about new files. To bound memory, a large update classifies keys in parts.
pub(crate) struct Update<'a> {
    db: Transaction<'a>,
    /// Keys whose holders or files changed, by row. The repositories that want them have to be determined again.
    touched: BTreeMap<i64, Change>,
    /// The distinct sets of holders, shared by keys.
    holders: HashSet<Arc<BTreeSet<Uuid>>>,
    /// True if the database was empty, so that it is unknown which files have their content.
    from_nothing: bool,
    /// True if it is recorded that all files have to be checked for their content.
    checks_all: bool,
    rows: HashMap<Key, i64>,
    last_row: i64,
    /// The keys and bytes that each class gained or lost.
    counts: BTreeMap<i64, (i64, i64)>,
    classes: HashMap<[String; 4], i64>,
    repositories: Repositories,
    /// The holders of each class.
    had: HashMap<i64, Arc<BTreeSet<Uuid>>>,
    directories: Changes,
    paths: Paths,
}

/// Which repositories want a key, which of its transfers rules bar, and whether it is to be dropped here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    pub(crate) want: BTreeSet<Uuid>,
    pub(crate) barred: BTreeSet<(RemoteName, Direction)>,
    pub(crate) spare: Option<Spare>,
}

/// The changes of one key.
#[derive(Default)]
struct Change {
    /// The key, if it has no row yet.
    new: Option<Key>,
    /// The holders, if they changed.
    have: Option<Arc<BTreeSet<Uuid>>>,
    /// The files that use it, if it has no row yet.
    paths: Vec<RepoPath>,
}

/// A key for which to determine the repositories that want it.
pub(crate) struct Touched {
    row: i64,
    is_new: bool,
    size: i64,
    class: i64,
    pub(crate) key: Key,
    pub(crate) paths: Vec<RepoPath>,
    /// The holders before this update.
    pub(crate) had: Arc<BTreeSet<Uuid>>,
    /// The holders after it.
    pub(crate) have: Arc<BTreeSet<Uuid>>,
}

impl Observations {
    /// Begins an update.
    pub(crate) fn update(&mut self) -> Result<Update<'_>> {
        let db = self.db.transaction()?;
        let last_row: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM keys", [], |row| row.get(0))?;
        Ok(Update {
            repositories: Repositories::read(&db)?,
            db,
            touched: BTreeMap::new(),
            holders: HashSet::new(),
            from_nothing: last_row == 0,
            checks_all: false,
            rows: HashMap::new(),
            last_row,
            counts: BTreeMap::new(),
            classes: HashMap::new(),
            had: HashMap::new(),
            directories: Changes::default(),
            paths: Paths::default(),
        })
    }
}

impl Update<'_> {
    /// Deletes everything, because the repository no longer has the described commits.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.from_nothing = true;
        self.checks_all = false;
        self.repositories = Repositories::default();
        self.db.execute_batch(
            "DELETE FROM about; DELETE FROM repositories; DELETE FROM classes; DELETE FROM keys; DELETE FROM paths;
             DELETE FROM unfilled; DELETE FROM unchecked; DELETE FROM versions; DELETE FROM directories;",
        )
    }

    /// Records that, by the location log, these repositories have a key.
    pub(crate) fn located(&mut self, key: &Key, have: BTreeSet<Uuid>) -> Result<()> {
        let have = match self.holders.get(&have) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::new(have);
                self.holders.insert(Arc::clone(&new));
                new
            }
        };
        self.change(key)?.1.have = Some(have);
        Ok(())
    }

    /// True if the touched keys should be classified now, to bound memory.
    pub(crate) fn is_full(&self) -> bool {
        self.touched.len() >= MOST_TOUCHED
    }

    /// Records that a file of the work tree's commit now uses `key`, or none. `was_annexed` tells whether it used a key
    /// before.
    pub(crate) fn named(&mut self, path: &RepoPath, was_annexed: bool, key: Option<&Key>) -> Result<()> {
        let (above, name) = directories::split(path);
        if was_annexed && let Some(directory) = directories::find(&self.db, above)? {
            let mut query = self
                .db
                .prepare_cached("SELECT key FROM paths WHERE directory = ?1 AND name = ?2")?;
            let before: Option<i64> = query.query_row(params![directory, name], |row| row.get(0)).optional()?;
            drop(query);
            if let Some(row) = before {
                let size = self.size_of(row)?;
                self.directories.count(directory, -1, size);
                let change = self.touched.entry(row).or_default();
                change.paths.retain(|other| other != path);
                if key.is_none() {
                    self.db
                        .prepare_cached("DELETE FROM paths WHERE directory = ?1 AND name = ?2")?
                        .execute(params![directory, name])?;
                }
            }
        }
        if let Some(key) = key {
            let (row, change) = self.change(key)?;
            if change.new.is_some() {
                change.paths.push(path.clone());
            }
            let directory = self.directories.number(&self.db, above)?;
            self.directories.count(directory, 1, size(key));
            let mut insert = self
                .db
                .prepare_cached("INSERT OR REPLACE INTO paths VALUES (?1, ?2, ?3)")?;
            insert.execute(params![directory, name, row])?;
        }
        Ok(())
    }

    /// The size of a key that has a row, or of a new one.
    fn size_of(&self, row: i64) -> Result<i64> {
        if let Some(key) = self.touched.get(&row).and_then(|change| change.new.as_ref()) {
            return Ok(size(key));
        }
        let mut query = self.db.prepare_cached("SELECT size FROM keys WHERE id = ?1")?;
        query.query_row([row], |row| row.get(0))
    }

    /// Records files to be filled, because the content of their key is here: those of a key that was not here before, or all
    /// if that is unknown.
    fn is_here(&mut self, touched: &Touched, here: &Uuid) -> Result<()> {
        if self.from_nothing {
            if !self.checks_all {
                unfilled::check_all(&self.db, self.repositories.number(&self.db, here)?)?;
                self.checks_all = true;
            }
        } else if !touched.had.contains(here) {
            let mut insert = self
                .db
                .prepare_cached("INSERT OR REPLACE INTO unfilled VALUES (?1, ?2)")?;
            for path in &touched.paths {
                insert.execute([path.as_bytes(), touched.key.as_bytes()])?;
            }
        }
        Ok(())
    }

    /// Records that a file whose name marks it as a version of `file` appeared or disappeared.
    pub(crate) fn versioned(&mut self, path: &RepoPath, file: &RepoPath, is_there: bool) -> Result<()> {
        let (what, values): (_, &[&[u8]]) = match is_there {
            true => (
                "INSERT OR REPLACE INTO versions VALUES (?1, ?2)",
                &[path.as_bytes(), file.as_bytes()],
            ),
            false => ("DELETE FROM versions WHERE path = ?1", &[path.as_bytes()]),
        };
        let mut change = self.db.prepare_cached(what)?;
        change.execute(rusqlite::params_from_iter(values)).map(drop)
    }

    /// Touches the next keys after row `last`, as many as are classified at once: the rules changed, so it must be determined
    /// again which repositories want them. Returns the last row; none if there are no more keys.
    pub(crate) fn touch_next(&mut self, last: i64) -> Result<Option<i64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let rows = query.query_map([last, MOST_TOUCHED as i64], |row| row.get(0))?;
        let mut last = None;
        for row in rows {
            let row = row?;
            self.touched.entry(row).or_default();
            last = Some(row);
        }
        Ok(last)
    }

    /// Puts each touched key into its class, by the answer of `wishes`. If content of a key has arrived in the
    /// repository `here`, its files are marked to be filled.
    pub(crate) fn classify(&mut self, here: Option<&Uuid>, mut wishes: impl FnMut(&Touched) -> Demand) -> Result<()> {
        self.directories.write(&self.db)?;
        self.paths = Paths::default();
        // From now on the database has the rows of new keys.
        self.rows.clear();
        for (row, change) in std::mem::take(&mut self.touched) {
            let Some(touched) = self.touched_key(row, change)? else {
                continue;
            };
            if let Some(here) = here.filter(|here| touched.have.contains(*here)) {
                self.is_here(&touched, here)?;
            }
            let wishes = wishes(&touched);
            let barred: Vec<String> = wishes
                .barred
                .iter()
                .map(|(name, direction)| way(name, *direction))
                .collect();
            let have = self.repositories.stored(&self.db, &touched.have)?;
            let want = self.repositories.stored(&self.db, &wishes.want)?;
            let spare = match &wishes.spare {
                Some(spare) => {
                    let among = self.repositories.stored(&self.db, &spare.among)?;
                    format!("{} {among}", spare.confirm)
                }
                None => String::new(),
            };
            let class = self.class_id([have, want, barred.join(" "), spare])?;
            if touched.is_new {
                let mut insert = self.db.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)")?;
                insert.execute(params![touched.row, keys::stored(&touched.key), touched.size, class])?;
            } else if class != touched.class {
                let mut update = self.db.prepare_cached("UPDATE keys SET class = ?1 WHERE id = ?2")?;
                update.execute([class, touched.row])?;
                drop(update);
                self.count(touched.class, -1, touched.size);
            } else {
                continue;
            }
            self.count(class, 1, touched.size);
        }
        Ok(())
    }

    /// Commits the changes, together with what they describe now.
    pub(crate) fn commit(mut self, described: &Described) -> Result<()> {
        for (class, (keys, bytes)) in &self.counts {
            let mut count = self
                .db
                .prepare_cached("UPDATE classes SET keys = keys + ?2, bytes = bytes + ?3 WHERE id = ?1")?;
            count.execute([class, keys, bytes])?;
        }
        self.db.execute("DELETE FROM classes WHERE keys = 0", [])?;
        self.directories.write(&self.db)?;
        self.db.execute("DELETE FROM about", [])?;
        let (tree, annex) = (described.tree.map(|oid| oid.0), described.annex.map(|oid| oid.0));
        self.db.execute(
            "INSERT INTO about VALUES (?1, ?2, ?3)",
            params![tree, annex, described.rules],
        )?;
        self.db.commit()
    }

    fn count(&mut self, class: i64, keys: i64, size: i64) {
        let count = self.counts.entry(class).or_default();
        *count = (count.0 + keys, count.1.saturating_add(keys * size));
    }

    /// The row of a key, which is reserved if it has none, and the changes of the key.
    fn change(&mut self, key: &Key) -> Result<(i64, &mut Change)> {
        if let Some(row) = self.rows.get(key) {
            return Ok((*row, self.touched.entry(*row).or_default()));
        }
        let found = keys::find(&self.db, key)?.map(|(row, _)| row);
        let row = found.unwrap_or_else(|| {
            self.last_row += 1;
            self.last_row
        });
        self.rows.insert(key.clone(), row);
        let change = self.touched.entry(row).or_default();
        if found.is_none() {
            change.new = Some(key.clone());
        }
        Ok((row, change))
    }

    fn touched_key(&mut self, row: i64, change: Change) -> Result<Option<Touched>> {
        if let Some(key) = change.new {
            let size = size(&key);
            let (had, have) = (Arc::default(), change.have.unwrap_or_default());
            return Ok(Some(Touched {
                row,
                is_new: true,
                size,
                class: 0,
                key,
                paths: change.paths,
                had,
                have,
            }));
        }
        let mut query = self
            .db
            .prepare_cached("SELECT key, size, class FROM keys WHERE id = ?1")?;
        let (key, size, class) = query.query_row([row], |row| {
            let size = row.get(1)?;
            Ok((keys::parse(row.get_ref(0)?.as_blob()?, size), size, row.get(2)?))
        })?;
        drop(query);
        let Some(key) = key else { return Ok(None) };
        let had = self.holders_of(class)?;
        let have = change.have.unwrap_or_else(|| Arc::clone(&had));
        let paths = self.paths.of_key(&self.db, row)?;
        Ok(Some(Touched {
            row,
            is_new: false,
            size,
            class,
            key,
            paths,
            had,
            have,
        }))
    }

    /// The holders of the keys of a class.
    fn holders_of(&mut self, class: i64) -> Result<Arc<BTreeSet<Uuid>>> {
        if let Some(had) = self.had.get(&class) {
            return Ok(Arc::clone(had));
        }
        let mut query = self.db.prepare_cached("SELECT have FROM classes WHERE id = ?1")?;
        let stored: Option<String> = query.query_row([class], |row| row.get(0)).optional()?;
        let had = Arc::new(self.repositories.parse(&stored.unwrap_or_default()));
        self.had.insert(class, Arc::clone(&had));
        Ok(had)
    }

    fn class_id(&mut self, names: [String; 4]) -> Result<i64> {
        if let Some(id) = self.classes.get(&names) {
            return Ok(*id);
        }
        let mut query = self
            .db
            .prepare_cached("SELECT id FROM classes WHERE have = ?1 AND want = ?2 AND barred = ?3 AND spare = ?4")?;
        let found: Option<i64> = query.query_row(names.each_ref(), |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                let mut insert = self
                    .db
                    .prepare_cached("INSERT INTO classes (have, want, barred, spare) VALUES (?1, ?2, ?3, ?4)")?;
                insert.insert(names.each_ref())?
            }
        };
        self.classes.insert(names, id);
        Ok(id)
    }
}
