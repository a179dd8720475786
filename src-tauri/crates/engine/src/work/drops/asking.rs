//! Asks other repositories for their copies, and drops content if there are enough.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use annex::copies::{Confirmed, CopiesProof, FewestCopies, TooFew};
use annex::removal::{Dropped, Removal};
use annex::settings::RemoteSettings;
use annex::{Error, Facts};
use model::expression::{NoDetails, PreferenceRule, Preferences, Subject};
use model::{Key, RemoteName, RepoPath, Trust, Uuid};
use remotes::{Failed, Remote};
use surroundings::Mount;

use super::super::{FolderState, git, holder};
use super::rules::is_looked_up;
use crate::rules::preferred_content;

/// Why content stays here.
#[derive(Debug)]
pub(super) struct Kept {
    /// As text for the user.
    pub(super) why: String,
    /// True if only another program is in the way, which will end soon.
    pub(super) is_passing: bool,
}

impl Kept {
    /// Why content stays until something changes.
    fn for_good(why: String) -> Self {
        Self { why, is_passing: false }
    }
}

/// What became of the content of a key.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was here, and is gone.
    Gone,
    /// It was not here.
    Absent,
    /// It stays.
    Kept(Kept),
}

/// How other repositories are reached.
pub(super) enum Connect<'a> {
    /// Each is connected when it is needed, once. With the current mounts.
    As(&'a [Mount]),
    /// Only those that are connected already are asked, and only content is dropped that is not wanted here.
    Connected,
}

/// Asks for copies, and drops what has enough.
pub(super) struct Asking<'a> {
    state: &'a FolderState,
    facts: &'a Facts,
    connect: Connect<'a>,
    /// Set to stop as soon as possible.
    cancelled: &'a AtomicBool,
    preferences: Preferences,
    fewest: FewestCopies,
    reached: RefCell<BTreeMap<RemoteName, Result<Remote, Failed>>>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        state: &'a FolderState,
        facts: &'a Facts,
        connect: Connect<'a>,
        cancelled: &'a AtomicBool,
    ) -> Result<Self, Error> {
        Ok(Self {
            state,
            facts,
            connect,
            cancelled,
            preferences: Preferences::new(&preferred_content::settings(facts)),
            fewest: FewestCopies::of(state.annex(), state.configured().fewest_copies(facts))?,
            reached: RefCell::default(),
        })
    }

    /// Drops the contents of keys, and tells of each.
    pub(super) fn drop_all(
        &self,
        keys: &[Key],
        files_of: &BTreeMap<Key, BTreeSet<RepoPath>>,
        told: &mut dyn FnMut(&Key, Outcome),
    ) {
        let none = BTreeSet::new();
        let mut untold: BTreeSet<&Key> = keys.iter().collect();
        let mut prove = |key: &Key| self.prove(key, files_of.get(key).unwrap_or(&none));
        let done = self.state.annex().drop_contents(keys, &mut prove, &mut |key, dropped| {
            untold.remove(key);
            told(key, outcome_of(dropped));
        });
        if let Err(error) = done {
            let is_passing = matches!(error, Error::Busy(_));
            for key in untold {
                let why = error.to_string();
                told(key, Outcome::Kept(Kept { why, is_passing }));
            }
        }
    }

    /// Proves that the content of a key, which all of these files have, may go; else says why it stays.
    fn prove(&self, key: &Key, paths: &BTreeSet<RepoPath>) -> Result<CopiesProof, Kept> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Kept::for_good("dropping was stopped".to_owned()));
        }
        let annex = self.state.annex();
        let here = annex.uuid();
        let told = |error: Error| Kept::for_good(error.to_string());
        let mut logged = annex.branch().locations(key).map_err(told)?;
        self.may_go(key, paths, &logged).map_err(Kept::for_good)?;
        let fewest = self.fewest.for_files(paths).map_err(told)?;
        let costs = self.state.remotes.settings();
        let cost = |uuid: &Uuid| {
            let ways = costs.values().filter(|remote| remote.uuid.as_ref() == Some(uuid));
            ways.map(|remote| remote.cost).min()
        };
        // Those without a remote go last: nobody can ask them.
        logged.sort_by_key(|uuid| (cost(uuid).is_none(), cost(uuid)));
        let (mut unconfirmed, mut is_passing) = (Vec::new(), false);
        let proof = CopiesProof::gather(key, here, fewest, &self.facts.trust, &logged, &mut |uuid| {
            let asked = self.confirm(uuid, key);
            asked
                .map_err(|kept| {
                    is_passing |= kept.is_passing;
                    unconfirmed.push(format!("{} ({})", self.state.description(uuid), kept.why));
                })
                .ok()
        });
        proof.map_err(|too_few| {
            unconfirmed.extend(self.uncounted(&logged));
            let why = words(too_few, &unconfirmed);
            Kept { why, is_passing }
        })
    }

    /// Refuses content that must stay here by the rules of this repository, and, unless somebody asked for it, content that is
    /// wanted here.
    fn may_go(&self, key: &Key, paths: &BTreeSet<RepoPath>, logged: &[Uuid]) -> Result<(), String> {
        let here = self.state.annex().uuid();
        let is_unasked = matches!(self.connect, Connect::Connected);
        let has_rules = |preference: &&model::expression::Preference| {
            is_unasked || !matches!(preference.required(), PreferenceRule::Unset)
        };
        let Some(preference) = self.preferences.of(here).filter(has_rules) else {
            return match is_unasked {
                true => Err(WANTED.to_owned()),
                false => Ok(()),
            };
        };
        if !is_looked_up(preference) {
            return Err(
                "the required content of this repository depends on what Anabranch cannot look up yet; 'git annex drop' can"
                    .to_owned(),
            );
        }
        let paths: Vec<RepoPath> = paths.iter().cloned().collect();
        let holders: BTreeSet<Uuid> = logged.iter().cloned().chain([here.clone()]).collect();
        let subject = Subject {
            key,
            paths: &paths,
            holders: &holders,
            details: &NoDetails,
        };
        if self.preferences.requires(here, &subject) {
            return Err("it is required content here ('git annex required')".to_owned());
        }
        match is_unasked && (paths.is_empty() || !self.preferences.wants_to_drop(here, &subject)) {
            true => Err(WANTED.to_owned()),
            false => Ok(()),
        }
    }

    /// Asks a repository for its copy, by its remotes, the cheapest first. The error tells why it does not count.
    fn confirm(&self, uuid: &Uuid, key: &Key) -> Result<Confirmed, Kept> {
        let settings = self.state.remotes.settings().into_values();
        let mut ways: Vec<RemoteSettings> = settings.filter(|remote| remote.uuid.as_ref() == Some(uuid)).collect();
        ways.sort_by_key(|remote| remote.cost);
        let mut kept = Kept::for_good("it is no remote of this repository".to_owned());
        for way in ways {
            let asked = holder::reach(self.state, &way, uuid, || self.reach(&way)).and_then(|remote| {
                let contents = holder::contents(&remote)?;
                let confirmed = contents.confirm(self.state.annex(), key, self.cancelled);
                confirmed.map_err(|failed| holder::why(&failed))
            });
            kept = match asked {
                Ok(Some(confirmed)) => return Ok(confirmed),
                // If it is being removed there, it is soon known whether it is gone or was kept.
                Ok(None) => Kept {
                    why: "it has no whole copy any more, or is removing it".to_owned(),
                    is_passing: true,
                },
                Err(why) => Kept::for_good(why),
            };
        }
        Err(kept)
    }

    fn reach(&self, way: &RemoteSettings) -> Result<Remote, Failed> {
        match self.connect {
            Connect::As(mounts) => {
                let mut reached = self.reached.borrow_mut();
                let remote = reached.entry(way.name.clone());
                remote
                    .or_insert_with(|| git::reach(self.state, way, mounts, None))
                    .clone()
            }
            Connect::Connected => self.state.remotes.get(&way.name).ok_or(Failed::Away),
        }
    }

    /// The repositories whose copies do not count, with the reason.
    fn uncounted(&self, logged: &[Uuid]) -> Vec<String> {
        let here = self.state.annex().uuid();
        let level = |uuid: &Uuid| match self.facts.trust.get(uuid) {
            Some(Trust::Untrusted) => Some("untrusted"),
            Some(Trust::Dead | Trust::Semitrusted | Trust::Trusted) | None => None,
        };
        let others = logged.iter().filter(|uuid| *uuid != here);
        others
            .filter_map(|uuid| Some(format!("{} ({})", self.state.description(uuid), level(uuid)?)))
            .collect()
    }
}

const WANTED: &str = "it is wanted here";

fn outcome_of(dropped: Dropped<Kept>) -> Outcome {
    let (why, is_passing) = match dropped {
        Ok(Ok(Removal::Removed)) => return Outcome::Gone,
        Ok(Ok(Removal::Missing)) => return Outcome::Absent,
        Ok(Ok(Removal::Locked)) => (
            "another program relies on this copy just now, such as a 'git annex drop' elsewhere".to_owned(),
            true,
        ),
        Ok(Ok(Removal::TooLate)) => (
            "the other copies were confirmed too long ago; try again".to_owned(),
            true,
        ),
        Ok(Err(kept)) => return Outcome::Kept(kept),
        Err(error) => (error.to_string(), matches!(error, Error::Busy(_))),
    };
    Outcome::Kept(Kept { why, is_passing })
}

fn words(TooFew { confirmed, needed }: TooFew, unconfirmed: &[String]) -> String {
    let copies = match needed {
        1 => "the one other copy that is needed could not be confirmed".to_owned(),
        _ => format!("only {confirmed} of the {needed} other copies that are needed could be confirmed"),
    };
    match unconfirmed {
        [] => format!("{copies}: no other place is known to have it"),
        some => format!("{copies}. Not counted: {}", some.join(", ")),
    }
}
