//! Reads lists of files and directories, one page at a time. A page is found by the number of listed files below each
//! directory, without reading the directories before it. The database has these numbers for all files; for a search they
//! are counted from the names of all files, and for classes with many keys from the keys of all files.

mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assistant::ClassId;
use model::{Key, RepoPath};

use self::walk::Walk;
use super::directories::{self, Paths};
use super::{Reader, Result, keys};

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
type Chosen = (RepoPath, i64);

/// Up to this many keys, their files are collected and sorted; above it, all files are counted first.
const FEW_KEYS: u64 = 5000;

/// Which files are listed.
enum Listed<'a> {
    Named(Part<'a>),
    /// Those of these keys, or of all others.
    Keys(Rows),
    Others(Rows),
}

impl Listed<'_> {
    /// True if a file of a directory is listed; `directory` is empty or ends with `/`.
    fn has(&self, directory: &[u8], name: &[u8], key: i64) -> bool {
        match self {
            Listed::Named(part) => part.is_in(directory) || part.ends_in(directory) && part.is_in_name(name),
            Listed::Keys(rows) => rows.has(key),
            Listed::Others(rows) => !rows.has(key),
        }
    }
}

/// A text to find in paths. It is in the path of a directory, or ends in the name of a file.
struct Part<'a> {
    whole: &'a [u8],
    /// It up to its last `/`.
    directory: &'a [u8],
    name: &'a [u8],
}

impl<'a> Part<'a> {
    fn new(whole: &'a [u8]) -> Self {
        let end = whole.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (directory, name) = whole.split_at(end);
        Self { whole, directory, name }
    }

    fn is_in(&self, directory: &[u8]) -> bool {
        contains(directory, self.whole)
    }

    fn ends_in(&self, directory: &[u8]) -> bool {
        let start = directory.len().checked_sub(self.directory.len());
        start.is_some_and(|start| directory[start..].eq_ignore_ascii_case(self.directory))
    }

    fn is_in_name(&self, name: &[u8]) -> bool {
        if self.directory.is_empty() {
            return contains(name, self.name);
        }
        let start = name.get(..self.name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(self.name))
    }
}

/// A set of rows of keys.
#[derive(Default)]
struct Rows(Vec<u64>);

impl Rows {
    fn add(&mut self, row: i64) {
        let Ok(row) = usize::try_from(row) else { return };
        if self.0.len() <= row / 64 {
            self.0.resize(row / 64 + 1, 0);
        }
        self.0[row / 64] |= 1 << (row % 64);
    }

    fn has(&self, row: i64) -> bool {
        let word = usize::try_from(row / 64).ok().and_then(|at| self.0.get(at));
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}

impl Reader {
    /// A page of the files, ordered by path, and how many there are in all.
    pub(crate) fn page(&self, filter: &Filter, skip: u64, count: u64) -> Result<(u64, Vec<Row>)> {
        let (total, chosen) = match filter {
            Filter::All => self.walk(&Listed::Others(Rows::default()), HashMap::new(), skip, count)?,
            Filter::Named(part) => {
                let part = Part::new(part);
                let counts = self.counts_named(&part)?;
                self.walk(&Listed::Named(part), counts, skip, count)?
            }
            Filter::Classes(classes) => self.page_of_classes(classes, skip, count)?,
        };
        let mut query = self
            .db
            .prepare_cached("SELECT key, size, class FROM keys WHERE id = ?1")?;
        let mut rows = Vec::with_capacity(chosen.len());
        for (path, key) in chosen {
            let (key, class) = query.query_row([key], |row| {
                Ok((keys::parse(row.get_ref(0)?.as_blob()?, row.get(1)?), row.get(2)?))
            })?;
            if let Some(key) = key {
                let class = ClassId(class);
                rows.push(Row { path, key, class });
            }
        }
        Ok((total, rows))
    }

    fn walk(
        &self,
        listed: &Listed<'_>,
        counts: HashMap<i64, u64>,
        skip: u64,
        count: u64,
    ) -> Result<(u64, Vec<Chosen>)> {
        let below = self.sums(counts)?;
        Walk::new(&self.db, listed, below, skip, count).page()
    }

    /// The numbers of files below directories, by the numbers of files in them.
    fn sums(&self, mut counts: HashMap<i64, u64>) -> Result<HashMap<i64, u64>> {
        if !counts.is_empty() {
            // A directory has a higher number than what it is in.
            let mut query = self
                .db
                .prepare_cached("SELECT id, above FROM directories ORDER BY id DESC")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(count) = counts.get(&row.get(0)?).copied() {
                    *counts.entry(row.get(1)?).or_default() += count;
                }
            }
        }
        Ok(counts)
    }

    /// How many files with such a path each directory has.
    fn counts_named(&self, part: &Part<'_>) -> Result<HashMap<i64, u64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT name FROM paths ORDER BY directory, name")?;
        let mut rows = query.query([])?;
        let mut paths = Paths::all(&self.db)?;
        let mut counts = HashMap::new();
        for (directory, files) in self.files_in_each()? {
            let path = paths.path(&self.db, directory)?;
            let (is_whole, may_end) = (part.is_in(&path), part.ends_in(&path));
            let mut count = 0;
            for _ in 0..files {
                let Some(row) = rows.next()? else { break };
                let is_listed = is_whole || may_end && part.is_in_name(row.get_ref(0)?.as_blob()?);
                count += u64::from(is_listed);
            }
            counts.insert(directory, count);
        }
        Ok(counts)
    }

    /// The number of files in each directory itself, in the order of the files' table. Who reads all files with this need not
    /// read the directory of each, which takes a third of the time.
    fn files_in_each(&self) -> Result<BTreeMap<i64, u64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, above, files FROM directories ORDER BY id")?;
        let mut rows = query.query([])?;
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let files = row.get::<_, i64>(2)?.unsigned_abs();
            if let Some(above) = counts.get_mut(&row.get(1)?) {
                *above = above.saturating_sub(files);
            }
            counts.insert(row.get(0)?, files);
        }
        Ok(counts)
    }

    fn page_of_classes(&self, classes: &BTreeSet<ClassId>, skip: u64, count: u64) -> Result<(u64, Vec<Chosen>)> {
        let listed: Vec<String> = classes.iter().map(|class| class.0.to_string()).collect();
        let listed = format!("class IN ({})", listed.join(","));
        let keys_of = |classes: &str| -> Result<u64> {
            let sum =
                format!("SELECT coalesce(sum(keys), 0) FROM (SELECT id AS class, keys FROM classes) WHERE {classes}");
            self.db.query_row(&sum, [], |row| row.get(0)).map(i64::unsigned_abs)
        };
        let (keys, all) = (keys_of(&listed)?, keys_of("TRUE")?);
        if keys <= FEW_KEYS {
            return self.page_of_few(&listed, skip, count);
        }
        // Count the files of fewer keys.
        let is_most = keys > all / 2;
        let counted = if is_most { format!("NOT {listed}") } else { listed };
        let mut rows = Rows::default();
        let mut query = self.db.prepare(&format!("SELECT id FROM keys WHERE {counted}"))?;
        let mut found = query.query([])?;
        while let Some(row) = found.next()? {
            rows.add(row.get(0)?);
        }
        let counts = self.counts_of(&rows)?;
        let listed = if is_most {
            Listed::Others(rows)
        } else {
            Listed::Keys(rows)
        };
        self.walk(&listed, counts, skip, count)
    }

    /// How many files of these keys each directory has.
    fn counts_of(&self, keys: &Rows) -> Result<HashMap<i64, u64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT key FROM paths ORDER BY directory, name")?;
        let mut rows = query.query([])?;
        let mut counts = HashMap::new();
        for (directory, files) in self.files_in_each()? {
            let mut count = 0;
            for _ in 0..files {
                let Some(row) = rows.next()? else { break };
                count += u64::from(keys.has(row.get(0)?));
            }
            counts.insert(directory, count);
        }
        Ok(counts)
    }

    /// A page of the files of classes that have few keys.
    fn page_of_few(&self, listed: &str, skip: u64, count: u64) -> Result<(u64, Vec<Chosen>)> {
        let mut query = self.db.prepare(&format!(
            "SELECT directory, name, paths.key FROM keys CROSS JOIN paths ON paths.key = keys.id WHERE {listed}"
        ))?;
        let mut rows = query.query([])?;
        let (mut paths, mut all) = (Paths::default(), Vec::new());
        while let Some(row) = rows.next()? {
            let key = row.get(2)?;
            let path = paths.file(&self.db, row.get(0)?, row.get_ref(1)?.as_blob()?)?;
            all.extend(path.map(|path| (path, key)));
        }
        all.sort_unstable();
        let total = all.len() as u64;
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok((total, all.into_iter().skip(index(skip)).take(index(count)).collect()))
    }

    /// The directories directly below a directory, or below the folder itself, ordered by name.
    pub(crate) fn directories(&self, above: Option<&RepoPath>) -> Result<Vec<DirectorySum>> {
        let path = above.map_or_else(Vec::new, |above| [above.as_bytes(), b"/"].concat());
        let Some(above) = directories::find(&self.db, &path)? else {
            return Ok(Vec::new());
        };
        let mut query = self.db.prepare_cached(
            "SELECT name, files, bytes, EXISTS (SELECT 1 FROM directories AS below WHERE below.above = one.id)
             FROM directories AS one WHERE above = ?1 ORDER BY name",
        )?;
        let mut rows = query.query([above])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_blob()?;
            let path = [&path, name.strip_suffix(b"/").unwrap_or(name)].concat();
            if let Ok(path) = RepoPath::parse(&path) {
                all.push(DirectorySum {
                    path,
                    files: row.get::<_, i64>(1)?.unsigned_abs(),
                    bytes: row.get::<_, i64>(2)?.unsigned_abs(),
                    has_directories: row.get(3)?,
                });
            }
        }
        // Names end with `/` in the database, but not here.
        all.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(all)
    }
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
