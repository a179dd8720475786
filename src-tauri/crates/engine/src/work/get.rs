//! Fetches content because somebody asks for it, as `git annex get` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use annex::settings::RemoteSettings;
use annex::{Presence, VectorClock};
use assistant::Outcome;
use model::{Key, RepoPath, Uuid};
use remotes::Remote;
use surroundings::Mount;

use super::named::Named;
use super::{FolderState, content, fill, git, holder};
use crate::Error;

/// The result for a file that lacked its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub path: RepoPath,
    /// Why the file still lacks its content, as text for the user; none if it has its content now.
    pub missing: Option<String>,
}

/// At most this many keys, or about this many bytes, are fetched before their files are filled.
const MOST: usize = 1_000;
const MOST_BYTES: u64 = 1 << 30;

/// Fetches the content of the files at a path and below it, or of all files, from the cheapest place that has it. Tells of each key
/// that was fetched or could not be, by one of its files. Also fills pointer files whose content was here already, and tells of those
/// that could not be written.
///
/// # Errors
///
/// If nothing can be fetched; or, at the end, if files could not be filled, such as while another program holds the index. If an
/// error concerns a single key, `told` gets it as the reason.
pub(crate) fn get_content(
    state: &FolderState,
    at: Option<&RepoPath>,
    mounts: &[Mount],
    told: &mut dyn FnMut(Fetched),
) -> Result<(), Error> {
    let annex = state.annex();
    // Where others say that content is counts even if it was only fetched so far.
    annex.branch().merge()?;
    state.list_remotes();
    state.facts()?;
    let Named { keys, files_of } = Named::at(annex, at)?;
    let (here, absent): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(key, _)| annex.store().is_present(key));
    log_what_is_here(state, &here)?;
    let mut fetching = Fetching {
        state,
        files_of,
        order: absent.iter().map(|(key, _)| key.clone()).collect(),
        left: BTreeMap::new(),
        unfilled: None,
        told,
    };
    fetching.fill(&here.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
    for (key, path) in here {
        if fetching.is_unwritten(&key, &path) {
            fetching.tell_of_file(&key, path);
        }
    }
    for (key, path) in absent {
        let mut holders = annex.branch().locations(&key)?;
        holders.retain(|holder| holder != annex.uuid());
        fetching.left.insert(key, Lacking::new(path, holders));
    }
    let mut ways: Vec<RemoteSettings> = state.remotes.settings().into_values().collect();
    ways.sort_by_key(|way| way.cost);
    for way in &ways {
        if !fetching.left.is_empty()
            && let Some(uuid) = uuid_of(state, way, mounts)
        {
            fetching.fetch(way, &uuid, mounts);
        }
    }
    fetching.tell_of_the_rest();
    match fetching.unfilled {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Logs keys that are here and not logged, such as after a `get` that was killed.
fn log_what_is_here(state: &FolderState, keys: &[(Key, RepoPath)]) -> Result<(), Error> {
    let (branch, here) = (state.annex().branch(), state.annex().uuid());
    let mut unlogged = Vec::new();
    for (key, _) in keys {
        if !branch.locations(key)?.contains(here) {
            unlogged.push((key.clone(), here.clone(), Presence::Present));
        }
    }
    if !unlogged.is_empty() {
        branch.record_presence(&unlogged, VectorClock::now())?;
    }
    Ok(())
}

/// The repository of a remote, which is asked for it if that is not known yet.
fn uuid_of(state: &FolderState, way: &RemoteSettings, mounts: &[Mount]) -> Option<Uuid> {
    let ask = || match way.ignore || state.unusable(way).is_some() {
        true => None,
        false => git::reach(state, way, mounts, None).ok()?.uuid().cloned(),
    };
    way.uuid.clone().or_else(ask)
}

/// A key whose content is not here.
struct Lacking {
    path: RepoPath,
    /// The repositories that have it, as the location log says.
    holders: Vec<Uuid>,
    /// Why it did not come from each of them that was tried.
    failed: BTreeMap<Uuid, String>,
    /// Why there is no room for it here, if there is none.
    full: Option<String>,
}

struct Fetching<'a> {
    state: &'a FolderState,
    files_of: BTreeMap<Key, BTreeSet<RepoPath>>,
    order: Vec<Key>,
    left: BTreeMap<Key, Lacking>,
    /// The first error that kept files from being filled.
    unfilled: Option<annex::Error>,
    told: &'a mut dyn FnMut(Fetched),
}

impl Fetching<'_> {
    /// Fetches from one remote what it has of what is left.
    fn fetch(&mut self, way: &RemoteSettings, uuid: &Uuid, mounts: &[Mount]) {
        let has = |key: &&Key| {
            self.left
                .get(*key)
                .is_some_and(|lacking| lacking.holders.contains(uuid))
        };
        let keys: Vec<Key> = self.order.iter().filter(has).cloned().collect();
        if keys.is_empty() {
            return;
        }
        let connect = || git::reach(self.state, way, mounts, None);
        let remote = match holder::reach(self.state, way, uuid, connect) {
            Ok(remote) => remote,
            Err(why) => {
                keys.iter().for_each(|key| self.note(key, uuid, &why));
                return;
            }
        };
        for part in parts(&keys) {
            let mut asked = part.to_vec();
            while !asked.is_empty() {
                asked = self.ask(way, uuid, &remote, &asked);
            }
        }
    }

    /// Asks a remote for keys. Returns those to ask for again: keys that failed because another was lost or damaged there.
    fn ask(&mut self, way: &RemoteSettings, uuid: &Uuid, remote: &Remote, keys: &[Key]) -> Vec<Key> {
        let (mut come, mut failed, mut not_there) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (key, outcome) in content::get(self.state, &way.name, remote, keys) {
            match outcome {
                Outcome::Stored | Outcome::AlreadyThere => come.push(key),
                Outcome::Full(why) => {
                    self.left.entry(key).and_modify(|lacking| lacking.full = Some(why));
                }
                Outcome::Failed(why) => {
                    self.note(&key, uuid, &why);
                    failed.insert(key);
                }
                Outcome::NotThere => {
                    not_there.insert(key);
                }
                Outcome::Busy => self.note(&key, uuid, "another program is transferring it"),
                Outcome::Away | Outcome::Cancelled => self.note(&key, uuid, holder::NOT_REACHABLE),
            }
        }
        for key in &not_there {
            self.note(key, uuid, "it has no whole copy any more");
            failed.remove(key);
        }
        self.fill(&come);
        self.tell_of(&come);
        match not_there.is_empty() {
            true => Vec::new(),
            false => keys.iter().filter(|key| failed.contains(*key)).cloned().collect(),
        }
    }

    fn note(&mut self, key: &Key, uuid: &Uuid, why: &str) {
        if let Some(lacking) = self.left.get_mut(key) {
            lacking.failed.insert(uuid.clone(), why.to_owned());
        }
    }

    /// Fills all files that have these keys.
    fn fill(&mut self, keys: &[Key]) {
        let files = keys.iter().flat_map(|key| {
            let paths = self.files_of.get(key).into_iter().flatten();
            paths.map(|path| (path.clone(), key.clone()))
        });
        if let Err(error) = fill::give_contents(self.state, &files.collect::<Vec<_>>()) {
            self.unfilled.get_or_insert(error);
        }
    }

    /// Tells of contents that have come.
    fn tell_of(&mut self, come: &[Key]) {
        for key in come {
            if let Some(Lacking { path, .. }) = self.left.remove(key) {
                self.tell_of_file(key, path);
            }
        }
    }

    /// Tells of a file whose content is here.
    fn tell_of_file(&mut self, key: &Key, path: RepoPath) {
        let missing = self.is_unwritten(key, &path).then(|| UNWRITTEN.to_owned());
        (self.told)(Fetched { path, missing });
    }

    /// True if a file is still a pointer. Always false after an error that concerns all files, which is returned at the end.
    fn is_unwritten(&self, key: &Key, path: &RepoPath) -> bool {
        let top = self.state.annex().work_tree().filter(|_| self.unfilled.is_none());
        top.map(|top| top.join(path.as_path())).is_some_and(|file| {
            let found = file.symlink_metadata();
            let is_small =
                found.is_ok_and(|found| found.is_file() && found.len() <= annex::pointer::MAX_POINTER as u64);
            is_small && fs::read(&file).is_ok_and(|text| annex::pointer::key_of_pointer(&text).as_ref() == Some(key))
        })
    }

    fn tell_of_the_rest(&mut self) {
        let store = self.state.annex().store();
        let is_here = |key: &&Key| self.left.contains_key(*key) && store.is_present(key);
        // An engine may have fetched them meanwhile.
        let come: Vec<Key> = self.order.iter().filter(is_here).cloned().collect();
        self.fill(&come);
        self.tell_of(&come);
        for key in &self.order {
            if let Some(lacking) = self.left.remove(key) {
                let missing = Some(lacking.words(self.state));
                let path = lacking.path;
                (self.told)(Fetched { path, missing });
            }
        }
    }
}

impl Lacking {
    fn new(path: RepoPath, holders: Vec<Uuid>) -> Self {
        Self {
            path,
            holders,
            failed: BTreeMap::new(),
            full: None,
        }
    }

    /// Why it is still lacking, as text for the user.
    fn words(&self, state: &FolderState) -> String {
        if let Some(full) = &self.full {
            return full.clone();
        }
        let tried = self.holders.iter().map(|holder| {
            let why = self.failed.get(holder).map(String::as_str);
            let why = why.unwrap_or("it is no remote of this repository");
            format!("{} ({why})", state.description(holder))
        });
        match &tried.collect::<Vec<_>>()[..] {
            [] => "no place is known to have it".to_owned(),
            tried => format!("no place could give it: {}", tried.join(", ")),
        }
    }
}

const UNWRITTEN: &str =
    "the file could not be written. Its content is here: run 'anabranch get' again when the file can be written";

/// Splits keys into parts of no more than [`MOST`] and, as far as their sizes are known, about [`MOST_BYTES`].
fn parts(keys: &[Key]) -> impl Iterator<Item = &[Key]> {
    let mut rest = keys;
    std::iter::from_fn(move || {
        let mut bytes = 0u64;
        let length = rest.iter().take(MOST).take_while(|key| {
            let is_room = bytes < MOST_BYTES;
            bytes = bytes.saturating_add(key.size().unwrap_or(0));
            is_room
        });
        let (part, later) = rest.split_at(length.count());
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_so_many_keys_or_bytes() {
        let key = |number: usize, size: u64| Key::parse(format!("SHA256E-s{size}--{number}").as_bytes()).unwrap();
        let lengths = |keys: &[Key]| parts(keys).map(<[Key]>::len).collect::<Vec<_>>();
        let small: Vec<Key> = (0..MOST + 1).map(|number| key(number, 1)).collect();
        assert_eq!(lengths(&small), [MOST, 1]);
        let large: Vec<Key> = (0..5).map(|number| key(number, MOST_BYTES / 2)).collect();
        assert_eq!(lengths(&large), [2, 2, 1]);
        assert_eq!(lengths(&[]), [0usize; 0]);
    }
}
