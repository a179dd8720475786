//! What has changed in a work tree since a moment, for whoever asks later.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many paths are remembered. Who asks about more has as little to do if everything may have changed.
const MOST: usize = 20_000;

/// The changes of a work tree, from the first question on.
#[derive(Debug, Clone)]
pub struct History {
    top: Arc<Path>,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug)]
struct Recorded {
    /// Tells this history from every other.
    id: u64,
    /// False until somebody has asked.
    is_wanted: bool,
    /// True while a part cannot be watched.
    is_blind: bool,
    /// How many changes there were.
    now: u64,
    /// Of what changed before, nothing is known.
    since: u64,
    /// When each path changed last, in both directions.
    paths: HashMap<Arc<Path>, u64>,
    moments: BTreeMap<u64, Arc<Path>>,
}

/// What [`History::since`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The moment of the answer.
    pub moment: String,
    /// The paths that were made, changed, moved or removed, relative to the top; none if anything may have been. A directory
    /// stands for everything below it.
    pub paths: Option<Vec<PathBuf>>,
}

impl History {
    pub(super) fn new(top: &Path) -> Self {
        Self {
            top: top.into(),
            recorded: Arc::new(Mutex::new(Recorded {
                id: RandomState::new().hash_one(std::process::id()),
                is_wanted: false,
                is_blind: false,
                now: 0,
                since: 0,
                paths: HashMap::new(),
                moments: BTreeMap::new(),
            })),
        }
    }

    /// What has changed since a moment that was given before, as far as it was passed on (see [`super::Delivery::wait`]).
    pub fn since(&self, moment: &str) -> Since {
        let mut recorded = self.lock();
        let then = recorded.parse(moment);
        let is_known = recorded.is_wanted && !recorded.is_blind;
        recorded.is_wanted = true;
        let paths = then.filter(|_| is_known).map(|then| {
            let later = recorded.moments.range(then + 1..);
            later.map(|(_, path)| path.to_path_buf()).collect()
        });
        Since {
            moment: format!("anabranch:{:016x}:{}", recorded.id, recorded.now),
            paths,
        }
    }

    pub(super) fn changed<'p>(&self, paths: impl IntoIterator<Item = &'p Path, IntoIter: Clone>) {
        if !self.lock().is_wanted {
            return;
        }
        let paths = paths.into_iter();
        let has_other_names = paths.clone().any(|path| self.concerns(path) && has_other_names(path));
        let mut recorded = self.lock();
        if has_other_names {
            // A file with several names changed under all of them.
            recorded.forget();
        }
        for path in paths {
            let Ok(inside) = path.strip_prefix(&self.top) else {
                continue;
            };
            match inside.iter().next() {
                None => recorded.forget(),
                Some(first) if first == OsStr::new(".git") => {}
                Some(_) => recorded.add(inside),
            }
        }
    }

    /// Anything may have changed in a directory and below.
    pub(super) fn lost(&self, directory: &Path) {
        if self.concerns(directory) {
            self.lock().forget();
        }
    }

    /// Which directories are blind now.
    pub(super) fn set_blind<'p>(&self, mut blind: impl Iterator<Item = &'p PathBuf>) {
        let is_blind = blind.any(|directory| self.concerns(directory));
        let mut recorded = self.lock();
        if is_blind || recorded.is_blind {
            // From now on changes may be missed, and some may have been missed already.
            recorded.forget();
        }
        recorded.is_blind = is_blind;
    }

    fn concerns(&self, directory: &Path) -> bool {
        match directory.strip_prefix(&self.top) {
            Ok(inside) => inside.iter().next() != Some(OsStr::new(".git")),
            Err(_) => self.top.starts_with(directory),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_other_names(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.nlink() > 1)
}

impl Recorded {
    /// A moment of this history; none if not everything is known that happened since.
    fn parse(&self, moment: &str) -> Option<u64> {
        let (id, then) = moment.strip_prefix("anabranch:")?.split_once(':')?;
        let is_ours = u64::from_str_radix(id, 16).ok()? == self.id;
        let then = then.parse().ok()?;
        (is_ours && (self.since..=self.now).contains(&then)).then_some(then)
    }

    fn add(&mut self, path: &Path) {
        self.now += 1;
        let path: Arc<Path> = path.into();
        if let Some(before) = self.paths.insert(Arc::clone(&path), self.now) {
            self.moments.remove(&before);
        }
        self.moments.insert(self.now, path);
        if self.moments.len() > MOST
            && let Some((moment, path)) = self.moments.pop_first()
        {
            self.paths.remove(&path);
            self.since = moment;
        }
    }

    fn forget(&mut self) {
        self.now += 1;
        self.since = self.now;
        self.paths = HashMap::new();
        self.moments.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(since: &Since) -> Option<Vec<&str>> {
        since
            .paths
            .as_ref()
            .map(|paths| paths.iter().filter_map(|path| path.to_str()).collect())
    }

    #[test]
    fn each_question_is_answered_from_its_own_moment() {
        let history = History::new(Path::new("/top"));
        let changed = |paths: &[&str]| history.changed(paths.iter().map(Path::new));
        changed(&["/top/before"]);
        let first = history.since("");
        assert_eq!(first.paths, None);
        changed(&["/top/a", "/top/b/c", "/top/.git/index", "/elsewhere"]);
        let second = history.since(&first.moment);
        assert_eq!(paths(&second), Some(vec!["a", "b/c"]));
        changed(&["/top/a"]);
        assert_eq!(paths(&history.since(&first.moment)), Some(vec!["b/c", "a"]));
        assert_eq!(paths(&history.since(&second.moment)), Some(vec!["a"]));
        let another = History::new(Path::new("/top"));
        another.since("");
        let last = history.since("");
        assert_eq!(another.since(&last.moment).paths, None);
        for wrong in [
            "anabranch:",
            "anabranch:x:1",
            "1700000000000000000",
            "anabranch:0:99999999999999999999",
        ] {
            assert_eq!(history.since(wrong).paths, None, "{wrong}");
        }
        assert_eq!(paths(&history.since(&last.moment)), Some(vec![]));
        history.lost(Path::new("/elsewhere"));
        history.lost(Path::new("/top/.git/refs"));
        assert_eq!(paths(&history.since(&last.moment)), Some(vec![]));
        history.lost(Path::new("/top/b"));
        assert_eq!(history.since(&last.moment).paths, None);
    }

    #[test]
    fn nothing_is_known_while_a_part_is_blind_nor_of_before() {
        let history = History::new(Path::new("/top"));
        let blind = |paths: &[&str]| history.set_blind(paths.iter().map(PathBuf::from).collect::<Vec<_>>().iter());
        let first = history.since("");
        blind(&["/elsewhere"]);
        assert_eq!(paths(&history.since(&first.moment)), Some(vec![]));
        blind(&["/top/a"]);
        let second = history.since(&first.moment);
        assert_eq!((&second.paths, history.since(&second.moment).paths), (&None, None));
        blind(&[]);
        let third = history.since(&second.moment);
        assert_eq!(
            (&third.paths, paths(&history.since(&third.moment))),
            (&None, Some(vec![]))
        );
    }

    #[test]
    fn a_history_does_not_grow_for_ever() {
        let history = History::new(Path::new("/top"));
        let first = history.since("");
        for round in 0..2 {
            for nth in 0..MOST {
                history.changed([Path::new(&format!("/top/{nth}"))]);
            }
            assert_eq!(history.since(&first.moment).paths.unwrap().len(), MOST, "{round}");
        }
        history.changed([Path::new("/top/more")]);
        assert_eq!(history.since(&first.moment).paths.map(|paths| paths.len()), None);
        assert_eq!(history.lock().moments.len(), MOST);
        assert_eq!(history.lock().paths.len(), MOST);
    }
}
