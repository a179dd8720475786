mod merging;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use annex::settings::{Address, RemoteSettings, Settings};
use annex::{Annex, EngineLock, Error as AnnexError, Facts, Look, RefsState, Waiting};
use assistant::content::Policy;
use assistant::{Abilities, Direction, Heads, Id, Refs, RemoteFacts};
use model::{Oid, RemoteName, RepoPath, Uuid};
use remotes::Hosts;

use crate::Error;
use crate::clock::Clock;
use crate::observations::{self, Observations};
use crate::observations::{Failures, Priorities, Reader, Retries};
use crate::rules::configured::Configured;
use crate::rules::policy::{self, InForce};
use crate::work::drops::Refusals;
use crate::work::known_remotes::KnownRemotes;
use crate::work::lock::lock;
use crate::work::log::Log;
use crate::work::process::{Holds, Process};
use crate::work::transfers::Transfers;
use crate::work::trust;

/// The state that work on one repository needs: the repository, its observations, and the work in progress. Shared
/// between the loop and the threads that work.
pub(crate) struct FolderState {
    annex: Annex,
    real: Real,
    pub(crate) clock: Clock,
    process: Arc<Process>,
    observations: Mutex<Observations>,
    failures: Mutex<Failures>,
    retries: Mutex<Retries>,
    refusals: Mutex<Refusals>,
    priorities: Mutex<Priorities>,
    pub(crate) remotes: KnownRemotes,
    pub(crate) transfers: Transfers,
    pub(crate) log: Log,
    /// Set once the folder is to stop.
    stopping: AtomicBool,
    merging: Mutex<merging::State>,
    shared: Mutex<Shared>,
    /// Held while the file with the rules is read or written, so that rules read before a write do not take effect
    /// after it.
    rules_file: Mutex<()>,
}

/// The real paths of the repository, without symlinks, as file events and mounts name them.
pub(crate) struct Real {
    /// The top of its work tree.
    pub(crate) top: Option<PathBuf>,
    pub(crate) git_dir: PathBuf,
}

impl Real {
    fn of(annex: &Annex) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self {
            top: annex.work_tree().map(real),
            git_dir: real(annex.git_dir()),
        }
    }
}

#[derive(Default)]
struct Shared {
    looks: BTreeMap<Id, Look>,
    /// The facts of the git-annex branch, and the commit they were read from; none if they must be read again.
    facts: Option<(Option<Option<Oid>>, Arc<Facts>)>,
    configured: Configured,
    stamps: Option<super::examine::Stamps>,
    rules: InForce,
    /// True if the observations were made again and are still empty.
    renewed: bool,
    /// True if, by the git-annex branch, descriptions of special remotes, dead repositories or settings have changed.
    redescribed: bool,
    /// True if everything that failed must be retried, however recently it failed.
    retry_all: bool,
}

impl FolderState {
    /// The state of the engine of a folder, which holds its lock.
    pub(crate) fn open(annex: Annex, process: Arc<Process>, _: &EngineLock) -> Result<Self, Error> {
        let directory = annex.own_dir();
        observations::prepare(&directory)?;
        let observations = Observations::open(&directory);
        let state = Self::with(annex, process, observations)?;
        // An error is ignored: the first observation counts again, or reports the damage.
        let _ = state.count_conflicts(&state.observations());
        Ok(state)
    }

    /// The state of a command, beside which an engine may run. It observes nothing, and reads what the last engine has observed.
    pub(crate) fn of_command(annex: Annex, process: Arc<Process>) -> Result<Self, Error> {
        Self::with(annex, process, Observations::empty())
    }

    fn with(
        annex: Annex,
        process: Arc<Process>,
        observations: Result<Observations, rusqlite::Error>,
    ) -> Result<Self, Error> {
        let observations = observations.map_err(|source| Error::Observations {
            path: annex.own_dir(),
            source,
        })?;
        let clock = Clock::start();
        let configured = Configured::read(&annex)?;
        let state = Self {
            real: Real::of(&annex),
            annex,
            clock,
            transfers: Transfers::new(clock, Arc::clone(&process)),
            process,
            observations: Mutex::new(observations),
            retries: Mutex::default(),
            refusals: Mutex::default(),
            failures: Mutex::default(),
            priorities: Mutex::default(),
            remotes: KnownRemotes::default(),
            log: Log::default(),
            stopping: AtomicBool::new(false),
            merging: Mutex::default(),
            shared: Mutex::new(Shared {
                configured,
                ..Shared::default()
            }),
            rules_file: Mutex::default(),
        };
        state.read_rules();
        Ok(state)
    }

    /// Lets programs that work for this folder end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Set once the folder is to stop.
    pub(crate) fn stopping(&self) -> &AtomicBool {
        &self.stopping
    }

    pub(crate) fn real(&self) -> &Real {
        &self.real
    }

    pub(crate) fn annex(&self) -> &Annex {
        &self.annex
    }

    pub(crate) fn observations(&self) -> MutexGuard<'_, Observations> {
        lock(&self.observations)
    }

    /// A snapshot of the observations; none if they cannot be read.
    pub(crate) fn reader(&self) -> Option<Reader> {
        Reader::open(&self.annex.own_dir()).ok()
    }

    /// The keys that failed to transfer.
    pub(crate) fn retries(&self) -> MutexGuard<'_, Retries> {
        lock(&self.retries)
    }

    /// The keys that could not be dropped.
    pub(in crate::work) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        lock(&self.refusals)
    }

    /// The current holds.
    pub(crate) fn holds(&self) -> Holds {
        *self.process.holds().borrow()
    }

    /// The connections to other computers.
    pub(crate) fn hosts(&self) -> &Hosts {
        self.process.hosts()
    }

    pub(crate) fn failures(&self) -> MutexGuard<'_, Failures> {
        lock(&self.failures)
    }

    /// Makes the observations again if `error` means that they are lost: damaged, or on a drive that was pulled out and
    /// came back. True if they can be filled again.
    pub(crate) fn renew_observations(&self, error: &rusqlite::Error) -> bool {
        if !observations::is_lost(error) {
            return false;
        }
        let renewed = self.observations().renew().is_ok();
        // If that fails now, the next observation tries again.
        self.shared().renewed = true;
        renewed
    }

    /// Like [`Self::renew_observations`], for an error of a [`Reader`], which may also fail for reasons of its own.
    pub(crate) fn renew_what_is_unreadable(&self, error: &rusqlite::Error) {
        let is_gone = || observations::is_gone(&self.annex.own_dir());
        if observations::is_damaged(error) || self.observations().is_lost() || is_gone() {
            self.renew_observations(error);
        }
    }

    /// Counts the files that are kept in several versions, by the observations.
    pub(crate) fn count_conflicts(&self, observations: &Observations) -> Result<(), rusqlite::Error> {
        let top = self.annex.work_tree();
        let is_there = |path: &RepoPath| top.is_some_and(|top| top.join(path.as_path()).symlink_metadata().is_ok());
        // Do this before taking the lock, since it accesses files.
        let conflicts = observations.conflicts(&is_there)?;
        self.failures().kept_several(conflicts);
        Ok(())
    }

    /// True if the observations were made again since the last call.
    pub(crate) fn take_renewed(&self) -> bool {
        std::mem::take(&mut self.shared().renewed)
    }

    /// The user's priorities. If both locks are needed, this one is taken after the observations.
    pub(crate) fn priorities(&self) -> MutexGuard<'_, Priorities> {
        lock(&self.priorities)
    }

    /// Lets the next offer include keys that failed or were cancelled.
    pub(crate) fn retry_all(&self) {
        self.priorities().release_all(self.clock.now());
        self.shared().retry_all = true;
    }

    pub(crate) fn take_retry_all(&self) -> bool {
        std::mem::take(&mut self.shared().retry_all)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// The rules of the folder, as last read.
    pub(crate) fn rules(&self) -> InForce {
        self.shared().rules.clone()
    }

    /// Reads the rules again; true if they changed.
    pub(crate) fn read_rules(&self) -> bool {
        let _alone = lock(&self.rules_file);
        let before = self.rules();
        let now = InForce::read(&self.annex.own_dir(), &before);
        let changed = now != before;
        self.shared().rules = now;
        changed
    }

    /// Writes new rules, which take effect when they are read again. Refused if the current rules in the file are not
    /// `before`. `first` does what must only take effect together with them; it runs when nothing can refuse the rules
    /// any more.
    pub(crate) fn write_rules(
        &self,
        before: &Policy,
        rules: &Policy,
        first: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _alone = lock(&self.rules_file);
        let prepared = policy::Prepared::new(&self.annex.own_dir(), before, rules)?;
        first()?;
        prepared.save()
    }

    /// The current settings; people may change them by hand at any time.
    pub(crate) fn settings(&self) -> Result<Settings, AnnexError> {
        Settings::read(&self.annex, &self.facts()?.config)
    }

    /// True if more than the git-annex branch is synced (not `annex.synconlyannex`).
    pub(crate) fn syncs_tree(&self) -> bool {
        !self.settings().is_ok_and(|settings| settings.synconlyannex)
    }

    /// The facts of the git-annex branch about all repositories, with their trust levels in this repository. They are
    /// read again only if the branch has moved or the remotes have changed.
    pub(crate) fn facts(&self) -> Result<Arc<Facts>, AnnexError> {
        let tip = self.annex.branch().tip()?;
        if let Some((known, facts)) = &self.shared().facts
            && *known == Some(tip)
        {
            return Ok(Arc::clone(facts));
        }
        let mut facts = self.annex.branch().facts()?;
        facts.trust = trust::in_force(&facts, self.remotes.settings().values());
        let facts = Arc::new(facts);
        let remotes = self.remotes.settings();
        let mut shared = self.shared();
        let before = shared.facts.replace((Some(tip), Arc::clone(&facts)));
        let before = before.map(|(_, before)| before).unwrap_or_default();
        shared.redescribed |= before.config != facts.config;
        shared.redescribed |= remotes.values().filter_map(|remote| remote.uuid.as_ref()).any(|uuid| {
            before.special_remotes.get(uuid) != facts.special_remotes.get(uuid)
                || trust::is_dead(&before, uuid) != trust::is_dead(&facts, uuid)
        });
        Ok(facts)
    }

    /// The last facts read; none if none were read.
    pub(crate) fn known_facts(&self) -> Option<Arc<Facts>> {
        self.shared().facts.as_ref().map(|(_, facts)| Arc::clone(facts))
    }

    /// The description of a repository.
    pub(crate) fn description(&self, uuid: &Uuid) -> String {
        let known = self
            .known_facts()
            .and_then(|facts| facts.descriptions.get(uuid).cloned());
        known.unwrap_or_else(|| uuid.to_string())
    }

    /// When a check last ran on a repository, in seconds since the epoch, if known here.
    pub(crate) fn checked(&self, uuid: &Uuid) -> Option<u64> {
        self.known_facts()?.checked.get(uuid).copied()
    }

    /// True if not all changes of files are seen at once.
    pub(crate) fn is_partly_unseen(&self) -> bool {
        let real = self.real();
        let is_of_files = |path: &PathBuf| {
            real.top.as_ref().is_some_and(|top| path.starts_with(top)) && !path.starts_with(&real.git_dir)
        };
        self.log.blind().keys().any(is_of_files)
    }

    /// The settings of copies and space in the configuration, as last read.
    pub(crate) fn configured(&self) -> Configured {
        self.shared().configured.clone()
    }

    /// Reads the remotes, and the settings of copies and space, from the configuration. Returns the remotes that can be
    /// used.
    pub(crate) fn list_remotes(&self) -> Vec<RemoteFacts> {
        let listed = match annex::settings::remotes(&self.annex) {
            Ok(listed) => listed,
            Err(error) => {
                self.log.note_unfit(".git/config".to_owned(), error.to_string());
                return Vec::new();
            }
        };
        self.remotes.set_settings(&listed);
        {
            let mut shared = self.shared();
            if let Some((_, facts)) = &mut shared.facts {
                // Their trust levels may have changed.
                let facts = Arc::clone(facts);
                shared.facts = Some((None, facts));
            }
        }
        // The branch tells which special remotes can be used, and which repositories are dead. If it cannot be read
        // now, no special remote can be used.
        let _ = self.facts();
        self.take_redescribed();
        let policy = self.rules().policy;
        let is_verified = !listed.iter().any(|remote| remote.unverified);
        let tree = self.syncs_tree();
        let usable = |remote: &&RemoteSettings| self.supports(remote) && policy.allows_git(&remote.name);
        let facts = listed.iter().filter(usable).map(|remote| RemoteFacts {
            name: remote.name.clone(),
            uuid: remote.uuid.clone(),
            medium: remote.address.medium(),
            cost: remote.cost,
            abilities: Abilities {
                fetch: remote.pull && !remote.address.is_special(),
                push: remote.push && !remote.readonly && !remote.address.is_special(),
                tree,
                get: remote.gives_contents(),
                send: remote.takes_contents(),
                verified: is_verified,
            },
            seen: self.last_seen(&remote.name),
        });
        let facts: Vec<RemoteFacts> = facts.collect();
        for remote in &facts {
            for direction in [Direction::Send, Direction::Get] {
                // An unreadable limit is reported when a transfer is about to start, which it then prevents.
                if let Ok(limits) = annex::settings::bandwidth(&self.annex, &remote.name, direction == Direction::Send)
                {
                    self.transfers.set_limits(&remote.name, direction, limits);
                }
            }
        }
        self.remotes
            .keep_unconfirmed(|name| facts.iter().any(|remote| remote.name == *name));
        self.read_configured();
        facts
    }

    /// Reads the settings of copies and space from the configuration. With a changed reserve, keys that did not fit may
    /// fit.
    fn read_configured(&self) {
        // An error is reported where the remotes are read.
        let Ok(now) = Configured::read(&self.annex) else { return };
        let before = std::mem::replace(&mut self.shared().configured, now.clone());
        if before.reserve != now.reserve {
            // Cancelled transfers stay cancelled.
            self.shared().retry_all = true;
        }
    }

    /// True if a remote is of a supported kind, whatever the rules say.
    pub(crate) fn supports(&self, remote: &RemoteSettings) -> bool {
        remote.sync && !remote.private && self.unusable(remote).is_none()
    }

    /// Why a remote is not supported, as text for the user; none if it is.
    pub(crate) fn unusable(&self, remote: &RemoteSettings) -> Option<String> {
        let facts = self.known_facts();
        let described = || facts.as_ref()?.special_remotes.get(remote.uuid.as_ref()?);
        if self.is_dead(remote) {
            return Some("it is marked as dead (git annex dead, or annex-trustlevel)".to_owned());
        }
        match &remote.address {
            Address::Path(_) | Address::Ssh(_) | Address::Http(_) | Address::Unknown(_) => None,
            Address::Special { .. } if remote.is_sameas => {
                Some("a second way to a special remote (--sameas) is not supported yet".to_owned())
            }
            Address::Special { kind, .. } => {
                let described = described();
                // The branch also names kinds that are newer than this program.
                let named = described
                    .map(|described| described.kind.as_str())
                    .filter(|kind| !kind.is_empty());
                remotes::special::unusable(
                    kind.as_deref().or(named),
                    described.map(|described| &described.settings),
                )
            }
        }
    }

    /// True if the repository of a remote is dead.
    pub(crate) fn is_dead(&self, remote: &RemoteSettings) -> bool {
        let facts = self.known_facts();
        facts
            .zip(remote.uuid.as_ref())
            .is_some_and(|(facts, uuid)| trust::is_dead(&facts, uuid))
    }

    /// Has all remotes looked at again.
    pub(crate) fn look_at_remotes_again(&self) {
        self.shared().redescribed = true;
    }

    /// True if the git-annex branch has changed, since the last call, in what decides which remotes can be used, or they are to
    /// be looked at again.
    pub(crate) fn take_redescribed(&self) -> bool {
        std::mem::take(&mut self.shared().redescribed)
    }

    /// The heads of a remote at the last fetch or push, by its tracking refs.
    pub(super) fn last_seen(&self, name: &RemoteName) -> Heads {
        // If this cannot be read, nothing was seen.
        let (tree, annex) = remotes::last_seen(&self.annex, name).unwrap_or_default();
        Heads { tree, annex }
    }

    pub(crate) fn keep_look(&self, id: Id, look: Look) {
        let mut shared = self.shared();
        shared.looks.clear();
        shared.looks.insert(id, look);
    }

    pub(crate) fn take_look(&self, id: Id) -> Option<Look> {
        self.shared().looks.remove(&id)
    }

    /// True if the folder is still the one that was opened.
    pub(crate) fn is_there(&self) -> bool {
        self.annex
            .root_state()
            .is_ok_and(|state| state == annex::RootState::Same)
    }

    /// Updates the remembered state of files in the git directory; returns the old state.
    pub(crate) fn renew_stamps(
        &self,
        renew: impl FnOnce(Option<super::examine::Stamps>) -> super::examine::Stamps,
    ) -> Option<super::examine::Stamps> {
        let mut shared = self.shared();
        let before = shared.stamps.take();
        shared.stamps = Some(renew(before.clone()));
        before
    }

    pub(crate) fn last_stamps(&self) -> Option<super::examine::Stamps> {
        self.shared().stamps.clone()
    }
}
