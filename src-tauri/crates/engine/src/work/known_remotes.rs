//! The remotes of one folder: their configuration, which are connected, and which refs they had when last seen.

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
    /// A digest of each remote's refs when last seen.
    seen: BTreeMap<RemoteName, u64>,
    /// Remotes that were on a different branch at the last fetch: our branch and theirs.
    other_branches: BTreeMap<RemoteName, (String, String)>,
    /// Remotes found on another file system than before.
    unconfirmed: Vec<Unconfirmed>,
}

impl KnownRemotes {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Replaces the settings of the remotes.
    pub(crate) fn set_settings(&self, listed: &[RemoteSettings]) {
        let settings = listed.iter().map(|remote| (remote.name.clone(), remote.clone()));
        self.lock().settings = settings.collect();
    }

    /// Withdraws questions about remotes that cannot be used any more.
    pub(crate) fn keep_unconfirmed(&self, is_usable: impl Fn(&RemoteName) -> bool) {
        self.lock().unconfirmed.retain(|one| is_usable(&one.remote));
    }

    /// The special remotes that git-annex enabled and the user has not confirmed.
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
                if let (Some(settings), Some(uuid)) = (state.settings.get_mut(name), remote.uuid()) {
                    settings.uuid = Some(uuid.clone());
                }
                state.reached.insert(name.clone(), remote);
            }
            None => {
                state.reached.remove(name);
                state.seen.remove(name);
            }
        }
    }

    /// The remotes that were connected at the last probe.
    pub(crate) fn reached(&self) -> BTreeMap<RemoteName, Remote> {
        self.lock().reached.clone()
    }

    pub(crate) fn get(&self, name: &RemoteName) -> Option<Remote> {
        self.lock().reached.get(name).cloned()
    }

    /// Remembers the digest of a remote's refs; true if it changed.
    pub(crate) fn see(&self, name: &RemoteName, refs: u64) -> bool {
        self.lock().seen.insert(name.clone(), refs) != Some(refs)
    }

    /// The remotes that are pulled from.
    pub(crate) fn pulled(&self) -> BTreeSet<RemoteName> {
        let state = self.lock();
        let pulled = state.settings.values().filter(|remote| remote.sync && remote.pull);
        pulled.map(|remote| remote.name.clone()).collect()
    }

    /// Remembers the branches checked out here and at a remote, if they differ.
    pub(crate) fn set_other_branch(&self, name: &RemoteName, branches: Option<(String, String)>) {
        let mut state = self.lock();
        match branches {
            Some(branches) => state.other_branches.insert(name.clone(), branches),
            None => state.other_branches.remove(name),
        };
    }

    /// The remotes that were on a different branch than ours, as recorded while another branch than `ours` was checked
    /// out here.
    pub(crate) fn on_other_branches(&self, ours: &str) -> Vec<RemoteName> {
        let state = self.lock();
        let before = state.other_branches.iter().filter(|(_, (here, _))| here != ours);
        before.map(|(name, _)| name.clone()).collect()
    }

    /// Our branch and that of a remote, if they differed at the last fetch.
    pub(crate) fn other_branch(&self, name: &RemoteName) -> Option<(String, String)> {
        self.lock().other_branches.get(name).cloned()
    }

    /// Adds a remote that was found on another file system than before. The user's answer about the same place stays.
    pub(crate) fn add_unconfirmed(&self, found: Unconfirmed) {
        let mut state = self.lock();
        match state.unconfirmed.iter_mut().find(|one| one.remote == found.remote) {
            Some(same) if same.filesystem == found.filesystem => {}
            Some(other) => *other = found,
            None => state.unconfirmed.push(found),
        }
    }

    /// The first remote to ask the user about.
    pub(crate) fn asks_about(&self) -> Option<Unconfirmed> {
        self.lock().unconfirmed.iter().find(|one| !one.is_declined).cloned()
    }

    /// Records that, by the user's answer, this is not the remote.
    pub(crate) fn decline(&self, asked: &Unconfirmed) {
        if let Some(one) = self.lock().unconfirmed.iter_mut().find(|one| *one == asked) {
            one.is_declined = true;
        }
    }

    /// Withdraws the question about a remote that is gone, or is back on its file system.
    pub(crate) fn forget_unconfirmed(&self, name: &RemoteName) {
        self.lock().unconfirmed.retain(|one| one.remote != *name);
    }
}
