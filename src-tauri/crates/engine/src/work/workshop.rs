mod left_out;
mod merging;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use annex::settings::{Address, Bandwidth, RemoteSettings, Settings};
use annex::{Annex, Error as AnnexError, Facts, Look, Nested, RefsState, Waiting};
use assistant::content::Policy;
use assistant::pacing::Limit;
use assistant::{Direction, Heads, Id, Refs, RemoteFacts};
use contract::Change;
use model::{Key, Oid, RemoteName, RepoPath, Timestamp, Uuid};
use remotes::Remote;

use crate::Error;
use crate::clock::{Clock, wall_clock};
use crate::observations::{self, Observations};
use crate::observations::{Cancelled, Failures, Precedence, Reader, Setbacks};
use crate::rules::configured::Configured;
use crate::rules::policy::{self, InForce};
use crate::work::household::{Holds, Household};
use crate::work::trust;
use crate::work::unconfirmed::Unconfirmed;
use crate::work::undecided::Undecided;

/// How many of the last changes are remembered for people.
const RECENT: usize = 50;

/// What the work on one repository needs: the repository, what was observed, and what is under way. Shared between the
/// loop and the threads that work.
pub(crate) struct Workshop {
    annex: Annex,
    real: Real,
    pub(crate) clock: Clock,
    household: Arc<Household>,
    observations: Mutex<Observations>,
    setbacks: Mutex<Setbacks>,
    failures: Mutex<Failures>,
    precedence: Mutex<Precedence>,
    /// When this was made: names of transfers have it in them, so that no other run gives them again.
    made_at: SystemTime,
    /// How much of the line each limit has used: of all remotes, and of each.
    limits: Mutex<BTreeMap<(Option<RemoteName>, Direction), Limit>>,
    shared: Mutex<Shared>,
    unconfirmed: Mutex<Vec<Unconfirmed>>,
    /// Held while the file with the rules is read or written: what was read before it was written must not come into
    /// force after.
    rules_file: Mutex<()>,
}

/// Where the repository really is, without symlinks, as changes and mounts name it.
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

/// How work that is to begin or has begun is told to end early.
#[derive(Default)]
struct Ending {
    /// Set when it is to end.
    now: Arc<AtomicBool>,
    /// When that was asked for, and until when what it did not bring is held back.
    held: Option<(Timestamp, Timestamp)>,
}

/// A transfer under way.
#[derive(Clone)]
pub(crate) struct Underway {
    pub(crate) remote: RemoteName,
    pub(crate) direction: assistant::Direction,
    pub(crate) files: usize,
    /// The file that is moving, if it is one.
    pub(crate) what: String,
    /// Bytes.
    pub(crate) done: Arc<AtomicU64>,
    pub(crate) total: u64,
}

#[derive(Default)]
struct Shared {
    remotes: BTreeMap<RemoteName, RemoteSettings>,
    reached: BTreeMap<RemoteName, Remote>,
    /// What was found at each remote when its refs were last looked at.
    seen: BTreeMap<RemoteName, u64>,
    looks: BTreeMap<Id, Look>,
    underway: BTreeMap<Id, Underway>,
    endings: BTreeMap<Id, Ending>,
    /// Commits that are known to be merged; what is merged stays merged.
    merged: BTreeSet<Oid>,
    /// Commits that are not merged before the user has said so, each with the commit that it was judged against: with
    /// another one checked out, it is judged anew.
    held: BTreeSet<(Option<Oid>, Oid)>,
    recent: VecDeque<Change>,
    /// Files that could not be added, with the reason.
    unfit: BTreeMap<String, String>,
    /// Files that a setting or a rule keeps from being added.
    undecided: Undecided,
    /// Files that could not be stored: most likely the disk is full, so they are tried again in a while.
    unstored: Undecided,
    /// Directories that are repositories of their own.
    nested: BTreeMap<String, Nested>,
    /// What the git-annex branch said, and at which commit; none if it is to be read again.
    facts: Option<(Option<Option<Oid>>, Arc<Facts>)>,
    blind: BTreeMap<PathBuf, surroundings::Why>,
    /// Remotes whose files are on another branch than ours when they were last fetched from: our branch and theirs.
    other_branches: BTreeMap<RemoteName, (String, String)>,
    configured: Configured,
    stamps: Option<super::examine::Stamps>,
    /// Why no branch can be synced, if it is so: an adjusted branch or none is checked out.
    unsynced: Option<String>,
    rules: InForce,
    /// The observations were made anew and describe nothing yet.
    renewed: bool,
    /// The git-annex branch describes special remotes otherwise than before.
    redescribed: bool,
    /// What failed is to be tried again, however lately.
    retry_all: bool,
    /// The last merge as far as it could not be checked out: its commit, and the paths that wait.
    ahead: Option<Oid>,
    waiting: Vec<Waiting>,
    /// Programs may still write to files that a checkout has taken away.
    has_retired: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Work that panicked ended as a failure; what it left is facts, each true by itself.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workshop {
    pub(crate) fn open(annex: Annex, clock: Clock, household: Arc<Household>) -> Result<Self, Error> {
        let directory = annex.own_dir();
        observations::prepare(&directory)?;
        let observations = Observations::open(&directory).map_err(|source| Error::Observations {
            path: directory,
            source,
        })?;
        let configured = Configured::read(&annex)?;
        let workshop = Self {
            real: Real::of(&annex),
            annex,
            clock,
            household,
            observations: Mutex::new(observations),
            setbacks: Mutex::default(),
            failures: Mutex::default(),
            precedence: Mutex::default(),
            made_at: SystemTime::now(),
            limits: Mutex::default(),
            shared: Mutex::new(Shared {
                configured,
                ..Shared::default()
            }),
            unconfirmed: Mutex::default(),
            rules_file: Mutex::default(),
        };
        workshop.read_rules();
        // What cannot be counted now is counted with the first observation, or said to be damaged by it.
        let _ = workshop.count_conflicts(&workshop.observations());
        Ok(workshop)
    }

    pub(super) fn unconfirmed(&self) -> MutexGuard<'_, Vec<Unconfirmed>> {
        lock(&self.unconfirmed)
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

    /// The observations as they are now; none if they cannot be read.
    pub(crate) fn reader(&self) -> Option<Reader> {
        Reader::open(&self.annex.own_dir()).ok()
    }

    /// What was tried in vain.
    pub(crate) fn failures(&self) -> MutexGuard<'_, Failures> {
        lock(&self.failures)
    }

    /// Puts limits in force, in bytes a second.
    pub(crate) fn set_limits(&self, remote: &RemoteName, direction: Direction, limits: Bandwidth) {
        let mut all = lock(&self.limits);
        for (whose, rate) in [(None, limits.all), (Some(remote.clone()), limits.remote)] {
            let limit = all.entry((whose, direction)).or_insert(Limit::new(None));
            *limit = limit.with_rate(rate);
        }
    }

    /// So many bytes have passed to or from a remote: how long to wait before the next do.
    pub(crate) fn passed(&self, remote: &RemoteName, direction: Direction, bytes: u64) -> Duration {
        let (mut all, now) = (lock(&self.limits), self.clock.now());
        let whose = [None, Some(remote.clone())];
        let waits = whose.map(|whose| all.get_mut(&(whose, direction)).map(|limit| limit.pass(now, bytes)));
        let together = self.household.passed(direction, bytes);
        waits.into_iter().flatten().chain([together]).max().unwrap_or_default()
    }

    /// What is held now.
    pub(crate) fn holds(&self) -> Holds {
        *self.household.holds().borrow()
    }

    pub(crate) fn setbacks(&self) -> MutexGuard<'_, Setbacks> {
        lock(&self.setbacks)
    }

    /// Makes the observations anew if `error` tells that they are lost: damaged, or on a drive that was pulled out and
    /// came back. True if they can be filled again.
    pub(crate) fn renew_observations(&self, error: &rusqlite::Error) -> bool {
        if !observations::is_lost(error) || self.observations().renew(&self.annex.own_dir()).is_err() {
            return false;
        }
        self.shared().renewed = true;
        true
    }

    /// Counts the files that are kept in several versions, as it was observed.
    pub(crate) fn count_conflicts(&self, observations: &Observations) -> Result<(), rusqlite::Error> {
        let top = self.annex.work_tree();
        let is_there = |path: &RepoPath| top.is_some_and(|top| top.join(path.as_path()).symlink_metadata().is_ok());
        // Before the lock is taken: it looks at files.
        let conflicts = observations.conflicts(&is_there)?;
        self.setbacks().kept_several(conflicts);
        Ok(())
    }

    /// True if the observations were made anew since this was asked last.
    pub(crate) fn take_renewed(&self) -> bool {
        std::mem::take(&mut self.shared().renewed)
    }

    /// What the user said of single contents. Locked after the observations, where both are.
    pub(crate) fn precedence(&self) -> MutexGuard<'_, Precedence> {
        lock(&self.precedence)
    }

    /// Lets the next offer hold nothing back for having failed or been cancelled.
    pub(crate) fn retry_all(&self) {
        self.precedence().release_all(self.clock.now());
        self.shared().retry_all = true;
    }

    pub(crate) fn take_retry_all(&self) -> bool {
        std::mem::take(&mut self.shared().retry_all)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// The rules of the folder as they were last read.
    pub(crate) fn rules(&self) -> InForce {
        self.shared().rules.clone()
    }

    /// Reads the rules again; true if they are others than before.
    pub(crate) fn read_rules(&self) -> bool {
        let _alone = lock(&self.rules_file);
        let before = self.rules();
        let now = InForce::read(&self.annex.own_dir(), &before);
        let changed = now != before;
        self.shared().rules = now;
        changed
    }

    /// Writes other rules, which are in force when they are read again. Refused if the file does not say those `before`.
    /// What is to hold only together with them is done `first`, once nothing can refuse them any more.
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

    /// The settings as they are now; they may be changed by hand at any time.
    pub(crate) fn settings(&self) -> Result<Settings, AnnexError> {
        Settings::read(&self.annex, &self.facts()?.config)
    }

    /// What the git-annex branch says of all repositories, and how far they are trusted here; read again only when the branch
    /// has moved, or the remotes are others.
    pub(crate) fn facts(&self) -> Result<Arc<Facts>, AnnexError> {
        let tip = self.annex.branch().tip()?;
        if let Some((known, facts)) = &self.shared().facts
            && *known == Some(tip)
        {
            return Ok(Arc::clone(facts));
        }
        let mut facts = self.annex.branch().facts()?;
        facts.trust = trust::in_force(&facts, self.remote_settings().values());
        let facts = Arc::new(facts);
        let mut shared = self.shared();
        let before = shared.facts.replace((Some(tip), Arc::clone(&facts)));
        shared.redescribed |= before.is_some_and(|(_, before)| before.special_remotes != facts.special_remotes);
        Ok(facts)
    }

    /// What was read of that last; none if nothing was.
    pub(crate) fn known_facts(&self) -> Option<Arc<Facts>> {
        self.shared().facts.as_ref().map(|(_, facts)| Arc::clone(facts))
    }

    /// What a repository is called.
    pub(crate) fn description(&self, uuid: &Uuid) -> String {
        let known = self
            .known_facts()
            .and_then(|facts| facts.descriptions.get(uuid).cloned());
        known.unwrap_or_else(|| uuid.to_string())
    }

    /// When a check last ran over a repository, in seconds since the epoch, as far as it is known here.
    pub(crate) fn checked(&self, uuid: &Uuid) -> Option<u64> {
        self.known_facts()?.checked.get(uuid).copied()
    }

    /// What the configuration says of copies and space, as it was last read.
    pub(crate) fn configured(&self) -> Configured {
        self.shared().configured.clone()
    }

    /// Reads the remotes of the configuration, with what it says of copies and space, and says which of them can be used.
    pub(crate) fn list_remotes(&self) -> Vec<RemoteFacts> {
        let listed = match annex::settings::remotes(&self.annex) {
            Ok(listed) => listed,
            Err(error) => {
                self.note_unfit(".git/config".to_owned(), error.to_string());
                return Vec::new();
            }
        };
        if listed.iter().any(|remote| remote.address.is_special()) {
            // The branch says which special remotes can be used. Where it cannot be read now, none can.
            let _ = self.facts();
        }
        let policy = self.rules().policy;
        let is_verified = !listed.iter().any(|remote| remote.unverified);
        let usable = |remote: &&RemoteSettings| self.supports(remote) && policy.allows_git(&remote.name);
        let facts = listed.iter().filter(usable).map(|remote| RemoteFacts {
            name: remote.name.clone(),
            cost: remote.cost,
            git: !remote.address.is_special(),
            pull: remote.pull,
            push: remote.push && !remote.readonly,
            verified: is_verified,
            content: !remote.ignore,
            send: remote.is_pushed_to(),
            seen: self.last_seen(&remote.name),
        });
        let facts: Vec<RemoteFacts> = facts.collect();
        for remote in &facts {
            for direction in [Direction::Send, Direction::Get] {
                // One that cannot be read is told when a transfer is to start, which it then does not.
                if let Ok(limits) = annex::settings::bandwidth(&self.annex, &remote.name, direction == Direction::Send)
                {
                    self.set_limits(&remote.name, direction, limits);
                }
            }
        }
        self.unconfirmed()
            .retain(|one| facts.iter().any(|remote| remote.name == one.remote));
        self.read_configured();
        {
            let mut shared = self.shared();
            shared.remotes = listed.into_iter().map(|remote| (remote.name.clone(), remote)).collect();
            if let Some((_, facts)) = &mut shared.facts {
                // They may be trusted otherwise.
                let facts = Arc::clone(facts);
                shared.facts = Some((None, facts));
            }
        }
        facts
    }

    /// Special remotes that git-annex enabled and nobody has said to be right.
    pub(crate) fn unverified(&self) -> BTreeSet<RemoteName> {
        let shared = self.shared();
        let unverified = shared.remotes.values().filter(|remote| remote.unverified);
        unverified.map(|remote| remote.name.clone()).collect()
    }

    /// Reads what the configuration says of copies and space. What did not fit may fit where another reserve is to be kept.
    fn read_configured(&self) {
        // What cannot be read is told where the remotes were read.
        let Ok(now) = Configured::read(&self.annex) else { return };
        let before = std::mem::replace(&mut self.shared().configured, now.clone());
        if before.reserve != now.reserve {
            // What was cancelled stays so.
            self.shared().retry_all = true;
        }
    }

    /// True if a remote is of a kind that can be worked with, whatever the rules say.
    pub(crate) fn supports(&self, remote: &RemoteSettings) -> bool {
        remote.sync && !remote.private && self.unusable(remote).is_none()
    }

    /// Why a remote is not of a kind that can be worked with, in words for people; none if it is.
    pub(crate) fn unusable(&self, remote: &RemoteSettings) -> Option<String> {
        let facts = self.known_facts();
        let described = || facts.as_ref()?.special_remotes.get(remote.uuid.as_ref()?);
        match &remote.address {
            Address::Path(_) => None,
            Address::Special { kind, .. } => {
                let described = described();
                // The branch names kinds that are newer than this program.
                let named = described
                    .map(|described| described.kind.as_str())
                    .filter(|kind| !kind.is_empty());
                remotes::special::unusable(
                    kind.as_deref().or(named),
                    described.map(|described| &described.settings),
                )
            }
            Address::Ssh(_) | Address::Http(_) | Address::Unknown(_) => {
                Some("remotes that are not on a path of this computer are not supported yet".to_owned())
            }
        }
    }

    /// True if the git-annex branch describes special remotes otherwise than when this was asked last.
    pub(crate) fn take_redescribed(&self) -> bool {
        std::mem::take(&mut self.shared().redescribed)
    }

    /// The heads that a remote had when it was last fetched from or pushed to, by the refs that were left of that.
    fn last_seen(&self, name: &RemoteName) -> Heads {
        // What cannot be read was not seen.
        let (tree, annex) = remotes::last_seen(&self.annex, name).unwrap_or_default();
        Heads { tree, annex }
    }

    pub(crate) fn remote_settings(&self) -> BTreeMap<RemoteName, RemoteSettings> {
        self.shared().remotes.clone()
    }

    pub(crate) fn set_reached(&self, name: &RemoteName, remote: Option<Remote>) {
        let mut shared = self.shared();
        match remote {
            Some(remote) => {
                if let Some(settings) = shared.remotes.get_mut(name) {
                    settings.uuid = Some(remote.uuid().clone());
                }
                shared.reached.insert(name.clone(), remote);
            }
            None => {
                shared.reached.remove(name);
                shared.seen.remove(name);
            }
        }
    }

    /// The remotes that were reached when they were last looked for.
    pub(crate) fn reached(&self) -> BTreeMap<RemoteName, Remote> {
        self.shared().reached.clone()
    }

    pub(crate) fn remote(&self, name: &RemoteName) -> Option<Remote> {
        self.shared().reached.get(name).cloned()
    }

    /// Remembers what the refs of a remote are; true if they are not what they were.
    pub(crate) fn see_remote(&self, name: &RemoteName, refs: u64) -> bool {
        self.shared().seen.insert(name.clone(), refs) != Some(refs)
    }

    pub(crate) fn keep_look(&self, id: Id, look: Look) {
        let mut shared = self.shared();
        shared.looks.clear();
        shared.looks.insert(id, look);
    }

    pub(crate) fn take_look(&self, id: Id) -> Option<Look> {
        self.shared().looks.remove(&id)
    }

    /// From now on this work can be cancelled, also before it has begun.
    pub(crate) fn announce(&self, id: Id) -> Arc<AtomicBool> {
        Arc::clone(&self.shared().endings.entry(id).or_default().now)
    }

    pub(crate) fn begin_transfer(&self, id: Id, transfer: Underway) {
        self.shared().underway.insert(id, transfer);
    }

    /// It has ended.
    pub(crate) fn forget(&self, id: Id) {
        let mut shared = self.shared();
        shared.underway.remove(&id);
        shared.endings.remove(&id);
    }

    /// Has a transfer end early, and what it does not bring held back.
    pub(crate) fn cancel(&self, id: Id, held_until: Option<Timestamp>) {
        if let Some(ending) = self.shared().endings.get_mut(&id) {
            ending.held = held_until.map(|until| (self.clock.now(), until)).or(ending.held);
            ending.now.store(true, Ordering::Relaxed);
        }
    }

    /// Holds contents back that the transfer did not bring, if it was cancelled so.
    pub(crate) fn hold(&self, id: Id, destination: &Uuid, keys: BTreeSet<Key>) {
        let held = self.shared().endings.get(&id).and_then(|ending| ending.held);
        if let Some((asked_at, until)) = held.filter(|_| !keys.is_empty()) {
            self.precedence().hold(Cancelled {
                destination: destination.clone(),
                keys: Arc::new(keys),
                asked_at,
                until,
                shown: wall_clock() + until.since(self.clock.now()).as_secs(),
            });
        }
    }

    /// Each transfer under way by its name.
    pub(crate) fn transfers(&self) -> Vec<(String, Underway)> {
        let name = |(id, transfer): (&Id, &Underway)| (self.transfer_name(*id), transfer.clone());
        self.shared().underway.iter().map(name).collect()
    }

    /// A transfer under way by its name.
    pub(crate) fn transfer_named(&self, name: &str) -> Option<Id> {
        let shared = self.shared();
        shared
            .underway
            .keys()
            .find(|id| self.transfer_name(**id) == name)
            .copied()
    }

    fn transfer_name(&self, id: Id) -> String {
        let since = self.made_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{:x}-{}", since.as_nanos(), id.0)
    }

    /// True if the folder is still the one that was opened.
    pub(crate) fn is_there(&self) -> bool {
        self.annex
            .root_state()
            .is_ok_and(|state| state == annex::RootState::Same)
    }

    /// Remotes that are pulled from.
    pub(crate) fn pulled(&self) -> BTreeSet<RemoteName> {
        let shared = self.shared();
        let pulled = shared.remotes.values().filter(|remote| remote.sync && remote.pull);
        pulled.map(|remote| remote.name.clone()).collect()
    }

    pub(crate) fn note(&self, what: String) {
        let mut shared = self.shared();
        shared.recent.push_front(Change { at: wall_clock(), what });
        shared.recent.truncate(RECENT);
    }

    pub(crate) fn recent(&self) -> Vec<Change> {
        self.shared().recent.iter().cloned().collect()
    }

    /// A part of the folder whose changes are not seen at once, and why; none if they are again.
    pub(crate) fn set_blind(&self, path: PathBuf, why: Option<surroundings::Why>) {
        let mut shared = self.shared();
        match why {
            Some(why) => shared.blind.insert(path, why),
            None => shared.blind.remove(&path),
        };
    }

    /// These directories are not watched any more.
    pub(crate) fn forget_blind(&self, directories: &[PathBuf]) {
        let is_in = |path: &PathBuf| directories.iter().any(|directory| path.starts_with(directory));
        self.shared().blind.retain(|path, _| !is_in(path));
    }

    pub(crate) fn blind(&self) -> BTreeMap<PathBuf, surroundings::Why> {
        self.shared().blind.clone()
    }

    /// Remembers which branch is checked out here and which at a remote, if they are not the same.
    pub(crate) fn set_other_branch(&self, name: &RemoteName, branches: Option<(String, String)>) {
        let mut shared = self.shared();
        match branches {
            Some(branches) => shared.other_branches.insert(name.clone(), branches),
            None => shared.other_branches.remove(name),
        };
    }

    /// The remotes that were on another branch than ours when that was another one than this.
    pub(super) fn on_other_branches(&self, ours: &str) -> Vec<RemoteName> {
        let shared = self.shared();
        let before = shared.other_branches.iter().filter(|(_, (here, _))| here != ours);
        before.map(|(name, _)| name.clone()).collect()
    }

    /// Our branch and the one that a remote has, if they were not the same when it was last fetched from.
    pub(crate) fn other_branch(&self, name: &RemoteName) -> Option<(String, String)> {
        self.shared().other_branches.get(name).cloned()
    }

    /// Remembers the state of files in the git directory, made of what it was; gives back that.
    pub(crate) fn renew_stamps(
        &self,
        renew: impl FnOnce(Option<super::examine::Stamps>) -> super::examine::Stamps,
    ) -> Option<super::examine::Stamps> {
        let mut shared = self.shared();
        let before = shared.stamps;
        shared.stamps = Some(renew(before));
        before
    }
}
