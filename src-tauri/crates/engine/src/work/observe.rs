//! Brings the observations up to date with the refs.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use annex::{Annex, Facts, Presence, RootState, TreeChange, VectorClock};
use assistant::content::Policy;
use assistant::{Class, Direction, Event, Failure, Heads, Id};
use model::expression::{PreferenceSettings, Preferences};
use model::{Key, RemoteName, Uuid};

use super::drops::DropRules;
use super::{FolderState, failure, no_lock};
use crate::observations::{Demand, Described, Touched, Update};
use crate::rules::preferred_content;

pub(super) fn observe(state: &FolderState, id: Id) -> Event {
    let (mut heads, mut observed) = observe_heads(state);
    if let Err(crate::Error::Observations { source, .. }) = &observed
        && state.renew_observations(source)
    {
        (heads, observed) = observe_heads(state);
    }
    let is_elsewhere = || {
        matches!(
            state.annex().root_state(),
            Ok(RootState::Vanished | RootState::Replaced)
        )
    };
    let classes = observed.map_err(|error| match error {
        error if is_elsewhere() => Failure::Gone(error.to_string()),
        crate::Error::Annex(error) => failure(state, &error),
        crate::Error::Observations { .. } | crate::Error::Io { .. } | crate::Error::Refused(_) => {
            no_lock(state, error.to_string())
        }
    });
    Event::Observed { id, heads, classes }
}

/// Observes the current heads, and returns them.
fn observe_heads(state: &FolderState) -> (Heads, Result<Vec<Class>, crate::Error>) {
    let heads = state.refs().heads;
    let keys = match try_observe(state, heads, true) {
        Ok(Observed::Classes(classes)) => return (heads, Ok(classes)),
        Ok(Observed::Unlogged(keys)) => keys,
        Err(error) => return (heads, Err(error)),
    };
    if let Err(error) = log_here(state, &keys) {
        return (heads, Err(error));
    }
    let heads = state.refs().heads;
    let classes = match try_observe(state, heads, false) {
        Ok(Observed::Classes(classes)) => Ok(classes),
        Ok(Observed::Unlogged(_)) => Err(crate::Error::Refused("could not log which content is here".to_owned())),
        Err(error) => Err(error),
    };
    (heads, classes)
}

enum Observed {
    /// The observations are up to date.
    Classes(Vec<Class>),
    /// They are not: the content of these keys is here, but the location log does not know it yet.
    Unlogged(Vec<Key>),
}

/// Logs keys whose content is in the store but was never logged, because the program that stored it was killed first.
fn log_here(state: &FolderState, keys: &[Key]) -> Result<(), crate::Error> {
    let annex = state.annex();
    if annex.root_state()? != RootState::Same {
        return Err(crate::Error::Refused(format!(
            "another repository is in the place of {} now; nothing was logged in it",
            annex.work_tree().unwrap_or(annex.git_dir()).display()
        )));
    }
    // The log must not be on disk before the names of the objects, which may be new.
    annex.make_durable()?;
    let here = annex.uuid();
    let present: Vec<_> = keys
        .iter()
        .map(|key| (key.clone(), here.clone(), Presence::Present))
        .collect();
    annex.branch().record_presence(&present, VectorClock::now())?;
    Ok(())
}

/// Brings the observations up to date, unless `log` is set and some keys must be logged first.
fn try_observe(state: &FolderState, heads: Heads, log: bool) -> Result<Observed, crate::Error> {
    let annex = state.annex();
    let failed = |source| failed(annex, source);
    let facts = state.facts()?;
    let rules = Rules::of(state, &facts);
    let mut observations = state.observations();
    if observations.is_lost() {
        observations.renew().map_err(failed)?;
    }
    let before = observations.described().map_err(failed)?;
    let mut update = observations.update().map_err(failed)?;
    // A commit that is gone, because history was rewritten, cannot be compared with: read everything again.
    let is_gone = |oid: Option<model::Oid>| oid.is_some_and(|oid| !annex.has_commit(oid));
    let before = if is_gone(before.tree) || is_gone(before.annex) {
        update.clear().map_err(failed)?;
        Described::default()
    } else {
        before
    };
    // If a head cannot be read (none is checked out during a rebase), its description stays, and is compared with the
    // head when it is back.
    let heads = Heads {
        tree: heads.tree.or(before.tree),
        annex: heads.annex.or(before.annex),
    };
    let mut unlogged = take_changes(state, &mut update, (&rules, log), &before, heads)?;
    unlogged.extend(classify(state, &mut update, &rules, log).map_err(failed)?);
    if before.rules != rules.digest {
        let mut last = update.touch_next(0).map_err(failed)?;
        while let Some(row) = last {
            unlogged.extend(classify(state, &mut update, &rules, log).map_err(failed)?);
            last = update.touch_next(row).map_err(failed)?;
        }
    }
    unlogged.sort_unstable();
    unlogged.dedup();
    if !unlogged.is_empty() {
        return Ok(Observed::Unlogged(unlogged));
    }
    update
        .commit(&Described {
            tree: heads.tree,
            annex: heads.annex,
            rules: rules.digest,
        })
        .map_err(failed)?;
    state.count_conflicts(&observations).map_err(failed)?;
    observations.classes().map(Observed::Classes).map_err(failed)
}

fn failed(annex: &Annex, source: rusqlite::Error) -> crate::Error {
    crate::Error::Observations {
        path: annex.own_dir(),
        source,
    }
}

/// The rules that decide which repositories want a key, and which of its transfers are barred.
struct Rules {
    preferences: Preferences,
    policy: Arc<Policy>,
    /// The remotes and directions that are not open to every file.
    closed: Vec<(RemoteName, Direction)>,
    /// The repositories whose preferred content decides what is transferred from or to this one.
    concerned: Vec<Uuid>,
    drops: DropRules,
    /// Changes when any of these change. It is only compared with digests of the same program.
    digest: Vec<u8>,
}

impl Rules {
    fn of(state: &FolderState, facts: &Facts) -> Self {
        let policy = state.rules().policy;
        let remotes = state.remotes.settings();
        let ways = remotes
            .keys()
            .flat_map(|name| [Direction::Send, Direction::Get].map(|direction| (name.clone(), direction)));
        let closed: Vec<_> = ways
            .filter(|(name, direction)| !policy.is_open(name, *direction))
            .collect();
        let concerned = concerned(state);
        let settings = preferred_content::settings(facts);
        let preferences = Preferences::new(&settings);
        let drops = DropRules::of(state, facts, &preferences);
        Self {
            digest: digest(&settings, &policy, &closed, &concerned, &drops),
            drops,
            preferences,
            policy,
            closed,
            concerned: concerned.into_iter().collect(),
        }
    }

    fn wishes(&self, touched: &Touched) -> Demand {
        let is_barred =
            |(name, direction): &&(RemoteName, Direction)| !self.policy.allows(name, *direction, &touched.paths);
        Demand {
            want: self
                .preferences
                .wanting(&touched.key, &touched.paths, &touched.have, &self.concerned),
            barred: self.closed.iter().filter(is_barred).cloned().collect(),
            spare: self
                .drops
                .spare(&self.preferences, &touched.key, &touched.paths, &touched.have),
        }
    }
}

/// Applies the differences between the described commits and these. Locations come first, so that every key has its holders
/// when it is classified. If there are many keys, classifies some of them already, and returns what [`classify`] returns.
fn take_changes(
    state: &FolderState,
    update: &mut Update<'_>,
    (rules, log): (&Rules, bool),
    before: &Described,
    heads: Heads,
) -> Result<Vec<Key>, crate::Error> {
    let annex = state.annex();
    let mut unlogged = Vec::new();
    let mut taken = Ok(());
    let mut take = |change: &mut dyn FnMut(&mut Update<'_>) -> Result<(), rusqlite::Error>| {
        if taken.is_ok() {
            taken = change(update).and_then(|()| {
                if update.is_full() {
                    unlogged.extend(classify(state, update, rules, log)?);
                }
                Ok(())
            });
        }
    };
    if let Some(tip) = heads.annex.filter(|_| heads.annex != before.annex) {
        annex.branch().changes_each(before.annex, tip, &mut |key, holders| {
            take(&mut |update| update.located(&key, holders.iter().cloned().collect()));
        })?;
    }
    annex.branch().journaled_locations(&mut |key, holders| {
        take(&mut |update| update.located(&key, holders.iter().cloned().collect()));
    })?;
    if let Some(commit) = heads.tree.filter(|_| heads.tree != before.tree) {
        annex.tree_changes(before.tree, commit, &mut |change| {
            take(&mut |update| take_file(update, &change));
        })?;
    }
    taken.map(|()| unlogged).map_err(|source| failed(annex, source))
}

fn take_file(update: &mut Update<'_>, change: &TreeChange) -> Result<(), rusqlite::Error> {
    let key = change.new.as_ref().map(|annexed| &annexed.key);
    update.named(&change.path, change.old.is_some(), key)?;
    match annex::unversioned(&change.path) {
        Some(file) => update.versioned(&change.path, &file, change.is_there),
        None => Ok(()),
    }
}

/// Determines which repositories want the changed keys. If `log` is set, returns the keys whose content is here
/// although no log records it.
fn classify(
    state: &FolderState,
    update: &mut Update<'_>,
    rules: &Rules,
    log: bool,
) -> Result<Vec<Key>, rusqlite::Error> {
    let annex = state.annex();
    let (here, store) = (annex.uuid(), annex.store());
    let mut unlogged = Vec::new();
    let is_damaged = state.failures().damaged().next().is_some();
    let is_ordered = !state.priorities().is_empty();
    update.classify(annex.work_tree().map(|_| here), |touched| {
        if is_damaged {
            let mut failures = state.failures();
            failures.observed(&touched.key, &touched.paths, &touched.had, &touched.have);
        }
        if is_ordered {
            let mut priorities = state.priorities();
            priorities.observed(&touched.key, &touched.paths, &touched.have);
        }
        if touched.paths.is_empty() {
            return known(state, &touched.key, &touched.have, Demand::default());
        }
        // A key that the log has just recorded as missing was checked by some program.
        let never_logged = !touched.have.contains(here) && !touched.had.contains(here);
        if log && never_logged && store.is_present(&touched.key) {
            unlogged.push(touched.key.clone());
        }
        known(state, &touched.key, &touched.have, rules.wishes(touched))
    })?;
    Ok(unlogged)
}

/// Updates the recorded failure of a key, if there is one.
fn known(state: &FolderState, key: &Key, have: &BTreeSet<Uuid>, wishes: Demand) -> Demand {
    let mut failures = state.failures();
    if failures.concerns(key) {
        failures.wished(key, &wishes.want, have, &wishes.barred);
    }
    wishes
}

/// The repositories whose preferred content decides what is transferred from or to this one.
fn concerned(state: &FolderState) -> BTreeSet<Uuid> {
    let remotes = state.remotes.settings();
    let known = remotes
        .values()
        .filter(|remote| remote.sync && (!remote.address.is_special() || state.supports(remote)))
        .filter(|remote| !state.is_dead(remote));
    let uuids = known.filter_map(|remote| remote.uuid.clone());
    uuids.chain([state.annex().uuid().clone()]).collect()
}

/// A digest that changes when the rules or these repositories change. It is only compared with digests of the same
/// program.
fn digest(
    rules: &PreferenceSettings,
    policy: &Policy,
    closed: &[(RemoteName, Direction)],
    concerned: &BTreeSet<Uuid>,
    drops: &DropRules,
) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    let trust: BTreeMap<_, _> = rules
        .trust
        .iter()
        .map(|(uuid, trust)| (uuid, format!("{trust:?}")))
        .collect();
    (
        &rules.groups,
        &rules.preferred,
        &rules.required,
        &rules.group_preferred,
        trust,
        rules.numcopies,
    )
        .hash(&mut hasher);
    policy.hash(&mut hasher);
    closed.hash(&mut hasher);
    concerned.hash(&mut hasher);
    drops.hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    hasher.finish().to_be_bytes().to_vec()
}
