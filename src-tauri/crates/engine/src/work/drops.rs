//! Removes content from this repository as somebody asks, as far as git-annex would.

use std::collections::{BTreeMap, BTreeSet};

use annex::Facts;
use annex::copies::{Confirmed, CopiesProof, Fewest, TooFew};
use annex::serving::Removal;
use annex::settings::RemoteSettings;
use model::expression::{NoDetails, PreferenceRule, Preferences, Subject};
use model::{Key, RemoteName, RepoPath, Trust, Uuid};
use remotes::{Failed, Remote};
use surroundings::Mount;

use super::{FolderState, git};
use crate::Error;
use crate::rules::preferred_content;

/// What became of the content of a file that was to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The file.
    pub path: RepoPath,
    /// Why its content stays, as text for the user; none if it is gone.
    pub kept: Option<String>,
}

/// Drops the content of the files at a path and below it, or of all files. Tells of each whose content was here, as soon as
/// that is decided.
///
/// # Errors
///
/// If nothing can be dropped. An error that concerns one file is the reason why its content is kept.
pub(crate) fn drop_content(
    state: &FolderState,
    at: Option<&RepoPath>,
    mounts: &[Mount],
    told: &mut dyn FnMut(Dropped),
) -> Result<(), Error> {
    let annex = state.annex();
    // What others say of copies, trust and required content counts even if it was only fetched so far.
    annex.branch().merge()?;
    state.list_remotes();
    let facts = state.facts()?;
    let (mut chosen, mut files_of): (Vec<Key>, BTreeMap<Key, BTreeSet<RepoPath>>) = Default::default();
    let is_below = |path: &RepoPath| at.is_none_or(|at| path == at || path.is_within(at));
    let mut is_any = false;
    let mut named = BTreeMap::new();
    for (path, key) in annex.annexed_files()? {
        if is_below(&path) {
            is_any = true;
            if !named.contains_key(&key) && annex.store().is_present(&key) {
                chosen.push(key.clone());
                named.insert(key.clone(), path.clone());
            }
        }
        files_of.entry(key).or_default().insert(path);
    }
    if !is_any {
        return Err(Error::Refused(match at {
            Some(path) => format!("{path}: no file is there that git-annex or Anabranch manages; nothing was dropped"),
            None => "the folder has no files yet that can be dropped".to_owned(),
        }));
    }
    let mut asking = Asking {
        state,
        mounts,
        facts: &facts,
        preferences: Preferences::new(&preferred_content::settings(&facts)),
        reached: BTreeMap::new(),
    };
    for key in &chosen {
        let (path, paths) = (named[key].clone(), &files_of[key]);
        let kept = asking.drop(key, paths).unwrap_or_else(|error| Some(error.to_string()));
        told(Dropped { path, kept });
    }
    Ok(())
}

/// Asks other repositories for their copies. Each is connected when it is needed, once.
struct Asking<'a> {
    state: &'a FolderState,
    mounts: &'a [Mount],
    facts: &'a Facts,
    preferences: Preferences,
    reached: BTreeMap<RemoteName, Result<Remote, Failed>>,
}

impl Asking<'_> {
    /// Drops the content of one key, which all of these files have. Returns why it stays, if it does.
    fn drop(&mut self, key: &Key, paths: &BTreeSet<RepoPath>) -> Result<Option<String>, Error> {
        let annex = self.state.annex();
        let here = annex.uuid();
        let mut logged = annex.branch().locations(key)?;
        if let Some(why) = self.is_required(key, paths, &logged) {
            return Ok(Some(why));
        }
        let in_general = self.state.configured().fewest_copies(self.facts);
        let fewest = Fewest::of(annex, paths, in_general)?;
        let costs = self.state.remotes.settings();
        let cost = |uuid: &Uuid| {
            let ways = costs.values().filter(|remote| remote.uuid.as_ref() == Some(uuid));
            ways.map(|remote| remote.cost).min()
        };
        // Those without a remote go last: nobody can ask them.
        logged.sort_by_key(|uuid| (cost(uuid).is_none(), cost(uuid)));
        let mut unconfirmed = Vec::new();
        let removal = annex.drop_content(key, || {
            CopiesProof::gather(key, here, fewest, &self.facts.trust, &logged, &mut |uuid| {
                let asked = self.confirm(uuid, key);
                asked
                    .map_err(|why| unconfirmed.push(format!("{} ({why})", self.state.description(uuid))))
                    .ok()
            })
        })?;
        Ok(match removal {
            Ok(Removal::Removed | Removal::Missing) => None,
            Ok(Removal::Locked) => {
                Some("another program relies on this copy just now, such as a 'git annex drop' elsewhere".to_owned())
            }
            Ok(Removal::TooLate) => Some("the other copies were confirmed too long ago; try again".to_owned()),
            Err(too_few) => {
                unconfirmed.extend(self.uncounted(&logged));
                Some(words(too_few, &unconfirmed))
            }
        })
    }

    /// Why the content must stay here by the rules of this repository, if it must.
    fn is_required(&self, key: &Key, paths: &BTreeSet<RepoPath>, logged: &[Uuid]) -> Option<String> {
        let here = self.state.annex().uuid();
        let preference = self.preferences.of(here)?;
        if matches!(preference.required(), PreferenceRule::Unset) {
            return None;
        }
        let needs = preference.needs();
        if needs.metadata || needs.urls || needs.unused || needs.attributes || needs.mime {
            return Some(
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
        let is_required = self.preferences.requires(here, &subject);
        is_required.then(|| "it is required content here ('git annex required')".to_owned())
    }

    /// Asks a repository for its copy, by its remotes, the cheapest first. The error tells why it has none.
    fn confirm(&mut self, uuid: &Uuid, key: &Key) -> Result<Confirmed, String> {
        let settings = self.state.remotes.settings().into_values();
        let mut ways: Vec<RemoteSettings> = settings.filter(|remote| remote.uuid.as_ref() == Some(uuid)).collect();
        ways.sort_by_key(|remote| remote.cost);
        let mut why = "it is no remote of this repository".to_owned();
        for way in ways {
            let (state, mounts) = (self.state, self.mounts);
            if let Some(unusable) = state.unusable(&way) {
                why = unusable;
                continue;
            }
            if way.ignore {
                why = "annex-ignore is set for it".to_owned();
                continue;
            }
            let reached = self.reached.entry(way.name.clone());
            let reached = reached.or_insert_with(|| git::reach(state, &way, mounts, None));
            let confirmed = match reached {
                Ok(remote) if remote.uuid() != Some(uuid) => Err(Failed::Away),
                Ok(remote) => match remote.contents() {
                    Some(contents) => contents.confirm(state.annex(), key, state.stopping()),
                    None => Err(Failed::Refused("only git is used there".to_owned())),
                },
                Err(failed) => Err(failed.clone()),
            };
            why = match confirmed {
                Ok(Some(confirmed)) => return Ok(confirmed),
                Ok(None) => "it has no whole copy any more, or is removing it".to_owned(),
                Err(Failed::Away) => "not reachable".to_owned(),
                Err(failed) => failed.to_string(),
            };
        }
        Err(why)
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
