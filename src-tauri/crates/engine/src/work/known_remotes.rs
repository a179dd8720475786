//! The remotes of one folder: what the configuration says of them, which were reached, and what was seen there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use annex::settings::RemoteSettings;
use model::RemoteName;
use remotes::Remote;

use super::unconfirmed::Unconfirmed;
use crate::work::lock::lock;

#[derive(Default)]
pub(crate) struct KnownRemotes(Mutex<State>);

#[derive(Default)]
struct State {
    settings: BTreeMap<RemoteName, RemoteSettings>,
    reached: BTreeMap<RemoteName, Remote>,
    /// What was found at each remote when its refs were last looked at.
    seen: BTreeMap<RemoteName, u64>,
    /// Remotes whose files are on another branch than ours when they were last fetched from: our branch and theirs.
    other_branches: BTreeMap<RemoteName, (String, String)>,
    /// Remotes that were found where they were not before.
    unconfirmed: Vec<Unconfirmed>,
}

impl KnownRemotes {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// What the configuration says of them, from now on.
    pub(crate) fn set_settings(&self, listed: &[RemoteSettings]) {
        let settings = listed.iter().map(|remote| (remote.name.clone(), remote.clone()));
        self.lock().settings = settings.collect();
    }

    /// Questions about remotes that cannot be used any more are over.
    pub(crate) fn keep_unconfirmed(&self, is_usable: impl Fn(&RemoteName) -> bool) {
        self.lock().unconfirmed.retain(|one| is_usable(&one.remote));
    }

    /// Special remotes that git-annex enabled and nobody has said to be right.
    pub(crate) fn unverified(&self) -> BTreeSet<RemoteName> {
        let state = self.lock();
        let unverified = state.settings.values().filter(|remote| remote.unverified);
        unverified.map(|remote| remote.name.clone()).collect()
    }

    pub(crate) fn settings(&self) -> BTreeMap<RemoteName, RemoteSettings> {
        self.lock().settings.clone()
    }

    pub(crate) fn set_reached(&self, name: &RemoteName, remote: Option<Remote>) {
        let mut state = self.lock();
        match remote {
            Some(remote) => {
                if let Some(settings) = state.settings.get_mut(name) {
                    settings.uuid = Some(remote.uuid().clone());
                }
                state.reached.insert(name.clone(), remote);
            }
            None => {
                state.reached.remove(name);
                state.seen.remove(name);
            }
        }
    }

    /// The remotes that were reached when they were last looked for.
    pub(crate) fn reached(&self) -> BTreeMap<RemoteName, Remote> {
        self.lock().reached.clone()
    }

    pub(crate) fn get(&self, name: &RemoteName) -> Option<Remote> {
        self.lock().reached.get(name).cloned()
    }

    /// Remembers what the refs of a remote are; true if they are not what they were.
    pub(crate) fn see(&self, name: &RemoteName, refs: u64) -> bool {
        self.lock().seen.insert(name.clone(), refs) != Some(refs)
    }

    /// Remotes that are pulled from.
    pub(crate) fn pulled(&self) -> BTreeSet<RemoteName> {
        let state = self.lock();
        let pulled = state.settings.values().filter(|remote| remote.sync && remote.pull);
        pulled.map(|remote| remote.name.clone()).collect()
    }

    /// Remembers which branch is checked out here and which at a remote, if they are not the same.
    pub(crate) fn set_other_branch(&self, name: &RemoteName, branches: Option<(String, String)>) {
        let mut state = self.lock();
        match branches {
            Some(branches) => state.other_branches.insert(name.clone(), branches),
            None => state.other_branches.remove(name),
        };
    }

    /// The remotes that were on another branch than ours when that was another one than this.
    pub(crate) fn on_other_branches(&self, ours: &str) -> Vec<RemoteName> {
        let state = self.lock();
        let before = state.other_branches.iter().filter(|(_, (here, _))| here != ours);
        before.map(|(name, _)| name.clone()).collect()
    }

    /// Our branch and the one that a remote has, if they were not the same when it was last fetched from.
    pub(crate) fn other_branch(&self, name: &RemoteName) -> Option<(String, String)> {
        self.lock().other_branches.get(name).cloned()
    }

    /// A remote was found on another file system than before; what the user said of that place holds.
    pub(crate) fn add_unconfirmed(&self, found: Unconfirmed) {
        let mut state = self.lock();
        match state.unconfirmed.iter_mut().find(|one| one.remote == found.remote) {
            Some(same) if same.filesystem == found.filesystem => {}
            Some(other) => *other = found,
            None => state.unconfirmed.push(found),
        }
    }

    /// The first remote that the user is asked about.
    pub(crate) fn asks_about(&self) -> Option<Unconfirmed> {
        self.lock().unconfirmed.iter().find(|one| !one.is_declined).cloned()
    }

    /// The user has said that this is not the remote.
    pub(crate) fn decline(&self, asked: &Unconfirmed) {
        if let Some(one) = self.lock().unconfirmed.iter_mut().find(|one| *one == asked) {
            one.is_declined = true;
        }
    }

    /// Forgets the question about a remote that is not there any more, or is again where it was.
    pub(crate) fn forget_unconfirmed(&self, name: &RemoteName) {
        self.lock().unconfirmed.retain(|one| one.remote != *name);
    }
}
