//! The long lists of the window. Files and directories are read from the observations by pages, and previews of rules in
//! one pass, each on a connection of its own; activity is read from git's history.

use std::collections::{BTreeMap, BTreeSet};

use annex::settings::RemoteSettings;
use assistant::content::{Forecast, Neighbour, Policy, Sum};
use assistant::{Class, ClassId, Direction};
use contract::{Activity, Amount, Branch, Deed, File, Keeping, Page, Preview, Travel, Which};
use model::expression::{NoDetails, Preferences, Subject};
use model::{RemoteName, RepoPath, Uuid};

use crate::Error;
use crate::observations::{DirectorySum, Filter, Reader, Row};
use crate::rules::preferred_content;
use crate::views::status::{has_few_copies, is_lacking};
use crate::work::FolderState;
use crate::work::trust::is_counted;

/// The most rows in one reply.
const MOST: u64 = 500;

/// One page of a list of files.
pub(crate) fn files(state: &FolderState, which: &Which, skip: u64, count: u64) -> Result<Page, Error> {
    let reader = open(state)?;
    let failed = failed(state);
    let classes = reader.classes().map_err(&failed)?;
    let filter = filter(state, which, &classes)?;
    let facts = state.facts()?;
    let (total, rows) = reader.page(&filter, skip, count.min(MOST)).map_err(&failed)?;
    let file = |row: Row| {
        let have = classes.get(&row.class).map(|class| &class.have);
        let copies = have.map_or(0, |have| have.iter().filter(|uuid| is_counted(&facts, uuid)).count());
        File {
            path: shown(&row.path),
            bytes: row.key.size(),
            is_here: have.is_some_and(|have| have.contains(state.annex().uuid())),
            copies: copies as u64,
        }
    };
    let files = rows.into_iter().map(file).collect();
    Ok(Page { total, files })
}

fn filter(state: &FolderState, which: &Which, classes: &BTreeMap<ClassId, Class>) -> Result<Filter, Error> {
    let those = |is_wanted: &dyn Fn(&Class) -> bool| {
        let wanted = classes.values().filter(|class| is_wanted(class));
        Filter::Classes(wanted.map(|class| class.id).collect())
    };
    Ok(match which {
        Which::All => Filter::All,
        Which::Named(part) => Filter::Named(part.to_ascii_lowercase().into_bytes()),
        Which::WantedHere => those(&|class| is_lacking(class, state)),
        Which::FewCopies => {
            let facts = state.facts()?;
            let copies = state.configured().copies(&facts);
            those(&|class| has_few_copies(class, copies, &facts))
        }
        Which::WantedBy(place) => {
            let remotes = state.remotes.settings();
            let remote = RemoteName::parse(place).and_then(|name| remotes.get(&name));
            let remote = remote.ok_or_else(|| Error::Refused(format!("this folder knows no place {place}")))?;
            let way = (remote.name.clone(), Direction::Send);
            those(&|class| {
                let uuid = remote.uuid.as_ref();
                let lacks = uuid.is_some_and(|uuid| class.want.contains(uuid) && !class.have.contains(uuid));
                lacks && !class.barred.contains(&way)
            })
        }
    })
}

/// The directories directly below a directory, or below the folder itself.
pub(crate) fn tree(state: &FolderState, directory: Option<&RepoPath>) -> Result<Vec<Branch>, Error> {
    let directories = open(state)?.directories(directory).map_err(failed(state))?;
    let branch = |found: DirectorySum| Branch {
        path: shown(&found.path),
        holds: Amount {
            files: found.files,
            bytes: found.bytes,
        },
        has_directories: found.has_directories,
    };
    Ok(directories.into_iter().map(branch).collect())
}

/// One page of the activity.
pub(crate) fn activity(state: &FolderState, skip: u64, count: u64) -> Result<Activity, Error> {
    let rows = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let found = state.annex().activity(rows(skip), rows(count.min(MOST)))?;
    let deed = |deed: annex::Deed| Deed {
        commit: deed.commit.to_string(),
        who: deed.who,
        at: deed.at,
        added: deed.added,
        changed: deed.changed,
        deleted: deed.deleted,
        renamed: deed.renamed,
        names: deed.names.iter().map(shown).collect(),
    };
    Ok(Activity {
        deeds: found.deeds.into_iter().map(deed).collect(),
        next: found.next.map(|next| next as u64),
    })
}

/// Predicts the effect of new rules, and of new settings of what places keep.
pub(crate) fn preview(state: &FolderState, policy: Policy, keeps: &[Keeping]) -> Result<Preview, Error> {
    let wishes = state.understood(keeps)?;
    let facts = state.facts()?;
    let uncounted = facts.trust.keys().filter(|uuid| !is_counted(&facts, uuid)).cloned();
    let uncounted: BTreeSet<Uuid> = uncounted.collect();
    let facts = preferred_content::changed(&facts, &wishes)?;
    let preferences = Preferences::new(&preferred_content::settings(&facts));
    let reader = open(state)?;
    let failed = failed(state);
    let classes = reader.classes().map_err(&failed)?;
    let here = state.annex().uuid().clone();
    let remotes = state.remotes.settings();
    let usable = |remote: &&RemoteSettings| state.supports(remote);
    let neighbours = remotes.values().filter(usable).map(|remote| Neighbour {
        name: remote.name.clone(),
        uuid: remote.uuid.clone(),
        cost: remote.cost,
        sends: remote.takes_contents(),
        gets: remote.gives_contents(),
    });
    let mut forecast = Forecast::new(here, uncounted, policy, neighbours.collect());
    let walked = reader.each_key(|key, class, size, files| {
        if let Some(class) = classes.get(&class) {
            let wants = |uuid: &Uuid, holders: &BTreeSet<Uuid>| {
                let subject = Subject {
                    key,
                    paths: files,
                    holders,
                    details: &NoDetails,
                };
                preferences.wants(uuid, &subject)
            };
            forecast.add(&class.have, &wants, size, files);
        }
    });
    walked.map_err(&failed)?;
    let amount = |sum: Sum| Amount {
        files: sum.contents,
        bytes: sum.bytes,
    };
    let travels = forecast.ahead().iter().map(|ahead| Travel {
        place: ahead.remote.name.to_string(),
        up: amount(ahead.up),
        down: amount(ahead.down),
        held_back: amount(ahead.held_back),
    });
    let (fewest_copies, files_with_fewest) = forecast.fewest().unzip();
    Ok(Preview {
        travels: travels.collect(),
        fewest_copies,
        files_with_fewest: files_with_fewest.unwrap_or(0),
    })
}

/// Converts a path for display and for use in commands.
pub(crate) fn shown(path: &RepoPath) -> contract::Path {
    contract::Path {
        shown: path.to_string(),
        bytes: hex::encode(path.as_bytes()),
    }
}

fn open(state: &FolderState) -> Result<Reader, Error> {
    Reader::open(&state.annex().own_dir()).map_err(failed(state))
}

fn failed(state: &FolderState) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = state.annex().own_dir();
    move |source| Error::Observations {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
pub(crate) mod tests;
