//! A repository at a path of this machine. It is opened directly and accessed like our own, with its locks, its journal
//! and its branches.

pub(crate) mod reach;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use annex::copies::Confirmed;
use annex::exchange::content::{CopyOutcome, Terms, transfer};
use annex::exchange::{Commits, PushOptions, PushOutcome, There, fetch, newest, push, tracked};
use annex::settings::{RemoteSettings, Settings, as_git_finds, has_room};
use annex::{Annex, CheckoutOptions, SyncedBy};
use model::{Key, Oid, RemoteName, Uuid};

use crate::{Contents, Failed, Fetched, Git, Listening, Travel};

/// A repository on this machine, open for exchange with ours.
struct Local {
    there: Annex,
    /// Its git directory as file change events name it; none if that could not be determined.
    real_git_dir: Option<PathBuf>,
    settings: RemoteSettings,
    tree: Arc<Mutex<()>>,
}

/// The commits that a remote had at the last fetch or push: of the branch that is checked out here, and of the
/// git-annex branch. The remote need not be connected.
pub fn last_seen(local: &Annex, name: &RemoteName) -> annex::Result<(Option<Oid>, Option<Oid>)> {
    let branch = local.head()?.branch;
    let heads = tracked(local, name, &branch)?;
    let tree = newest(local, heads.branch, heads.synced)?;
    let annex = newest(local, heads.git_annex, heads.synced_git_annex)?;
    Ok((tree, annex))
}

impl Local {
    /// Turns an error into a failure, which is `Away` if the repository has disappeared.
    fn ended<T>(&self, done: annex::Result<T>) -> Result<T, Failed> {
        done.map_err(|error| match self.there.is_there() {
            true => error.into(),
            false => Failed::Away,
        })
    }

    fn push_to_all(
        &self,
        from: &Annex,
        commits: Commits,
        may_remove: fn(usize, usize) -> bool,
    ) -> annex::Result<PushOutcome> {
        let branch = from.head()?.branch;
        let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let push_to = |place: There<'_>| {
            let there = match place {
                There::Annex(there) => Some(there),
                There::At(_) => None,
            };
            let options = PushOptions {
                update_checkout: there.map(is_untended).transpose()?.unwrap_or(false),
                checkout: CheckoutOptions {
                    thin: there.is_some_and(annex::settings::is_thin),
                    partial: false,
                },
                may_remove: Some(may_remove),
                commits,
            };
            push(from, place, &self.settings.name, &branch, &options)
        };
        let push_there = || push_to(There::Annex(&self.there));
        let Some(places) = self.settings.pushes_elsewhere()? else {
            return push_there();
        };
        let own = self.settings.address.path();
        let mut all = PushOutcome::UpToDate;
        for place in places {
            let pushed = if own == Some(place) {
                push_there()
            } else {
                let place = as_git_finds(place);
                match Annex::open(&place) {
                    Ok(there) => push_to(There::Annex(&there)),
                    Err(_) => push_to(There::At(&place)),
                }
            };
            match pushed? {
                PushOutcome::UpToDate => {}
                pushed @ PushOutcome::Pushed { .. } => all = pushed,
                refused @ PushOutcome::Refused { .. } => return Ok(refused),
            }
        }
        Ok(all)
    }

    /// Copies keys. The receiving repository's settings decide how much of its disk stays free. Content is hashed
    /// unless the receiving repository's `annex.verify` or our settings for this remote disable it, as in git-annex.
    fn carry(&self, from: &Annex, to: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let Travel {
            wanted,
            config,
            progress,
            cancelled,
            ..
        } = *travel;
        // As in git-annex, either repository can forbid insecure keys. A source whose settings cannot be read does not
        // count.
        let is_strict = |annex: &Annex| Settings::read(annex, config).is_ok_and(|settings| settings.securehashesonly);
        match Settings::read(to, config) {
            Ok(settings) => {
                let terms = Terms {
                    reserve: settings.diskreserve,
                    verify: settings.verify && self.settings.verify,
                    secure_hashes_only: settings.securehashesonly || is_strict(from),
                };
                transfer(from, to, wanted, terms, progress, cancelled)
            }
            Err(error) => {
                let why = error.to_string();
                let failed = || CopyOutcome::Failed(annex::Error::Refused(why.clone()));
                wanted.iter().map(|wanted| (wanted.key.clone(), failed())).collect()
            }
        }
    }
}

impl Git for Local {
    fn fetch(&self, into: &Annex, _: &AtomicBool) -> Result<Fetched, Failed> {
        let fetched = || {
            let branch = into.head()?.branch;
            let fetched = fetch(into, &self.there, &self.settings.name, &branch)?;
            let heads = fetched.heads;
            // If no engine runs there, only a push that updates its work tree brings its files up to date.
            let shown = match is_untended(&self.there)? {
                true => fetched.shown,
                false => None,
            };
            let tree = shown.map_or_else(|| newest(into, heads.branch, heads.synced), Ok)?;
            Ok(Fetched {
                tree,
                annex: newest(into, heads.git_annex, heads.synced_git_annex)?,
                other_branch: fetched.other_branch,
                branch,
            })
        };
        self.ended(fetched())
    }

    fn push(
        &self,
        from: &Annex,
        commits: Commits,
        may_remove: fn(usize, usize) -> bool,
        _: &AtomicBool,
    ) -> Result<PushOutcome, Failed> {
        self.ended(self.push_to_all(from, commits, may_remove))
    }

    fn state(&self) -> Option<u64> {
        let refs = self.there.all_refs().ok()?;
        let mut hasher = DefaultHasher::new();
        refs.hash(&mut hasher);
        Some(hasher.finish())
    }

    fn watched(&self) -> Option<&Path> {
        self.real_git_dir.as_deref()
    }

    fn listen(&self, _: Box<dyn Fn(Vec<Oid>) + Send>) -> Option<Listening> {
        None
    }

    fn pushes_to(&self, uuid: &Uuid) -> bool {
        let is_engine = matches!(self.there.synced_by(), Ok(Some(SyncedBy::Engine(_))));
        let pushes = |remote: &RemoteSettings| remote.sync && remote.push && !remote.readonly;
        let is_one = |remote: &RemoteSettings| remote.uuid.as_ref() == Some(uuid) && pushes(remote);
        is_engine && annex::settings::remotes(&self.there).is_ok_and(|known| known.iter().any(is_one))
    }

    fn close_idle(&self) {
        self.there.close_idle();
    }

    fn clear_up(&self) {
        self.there.remove_abandoned_locks();
    }
}

impl Contents for Local {
    fn store(&self, from: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let sent = self.carry(from, &self.there, travel);
        if is_untended(&self.there).unwrap_or(false) {
            let is_here = |outcome: &CopyOutcome| matches!(outcome, CopyOutcome::Stored | CopyOutcome::AlreadyPresent);
            let arrived = sent.iter().filter(|(_, outcome)| is_here(outcome));
            let arrived: Vec<Key> = arrived.map(|(key, _)| key.clone()).collect();
            let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
            // Errors do not matter: the content has arrived, and the next engine there fills the remaining files.
            let _ = self
                .there
                .populate(&(travel.files)(&arrived), annex::settings::is_thin(&self.there));
        }
        sent
    }

    fn retrieve(&self, into: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        self.carry(&self.there, into, travel)
    }

    fn has_room(&self, bytes: u64, config: &BTreeMap<String, String>) -> bool {
        has_room(&self.there, bytes, config)
    }

    fn confirm(&self, _: &Annex, key: &Key, _: &AtomicBool) -> Result<Option<Confirmed>, Failed> {
        let confirmed = || {
            let store = self.there.store();
            let Some(lock) = store.lock_content_shared(key)? else {
                return Ok(None);
            };
            Ok(store.has(key)?.then(|| Confirmed::Locked(Box::new(lock))))
        };
        self.ended(confirmed())
    }

    fn set_aside(&self, key: &Key) -> Result<(), Failed> {
        self.ended(self.there.store().set_bad(key).map(drop))
    }

    fn is_there(&self) -> bool {
        self.there.is_there()
    }
}

/// The top of a repository's work tree, or of the repository itself if it has none.
fn top_of(annex: &Annex) -> &Path {
    annex.work_tree().unwrap_or(annex.git_dir())
}

/// True if a repository has a work tree in which no engine or assistant runs.
fn is_untended(annex: &Annex) -> annex::Result<bool> {
    Ok(!annex.is_bare() && annex.synced_by()?.is_none())
}

#[cfg(test)]
mod tests;
