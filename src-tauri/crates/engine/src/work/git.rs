//! Performs probes, fetches, merges and pushes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use annex::exchange::{Commits, PushOutcome};
use annex::settings::RemoteSettings;
use annex::{CheckoutOptions, MergeOptions, MergeOutcome, Removals, Theirs, Waiting};
use assistant::guards::is_improbable;
use assistant::{Away, Deletions, Event, Failure, Heads, Id, Merged, Pushed, Reach, Said};
use model::{Medium, Oid, RemoteName, RepoPath, Uuid};
use remotes::{Failed, Remote};
use surroundings::{Mount, mount_of};

use super::{FolderState, failure, no_lock};
use crate::words::files;

pub(super) fn probe(state: &FolderState, id: Id, name: &RemoteName, mounts: &[Mount]) -> Event {
    let Some(settings) = state.remotes.settings().remove(name) else {
        return Event::Probed {
            id,
            reach: Reach::Away(Away::Absent),
            round_trip: None,
        };
    };
    let before = state.remotes.get(name);
    let mut round_trip = None;
    let reach = match reach(state, &settings, mounts, before.as_ref()) {
        Ok(remote) => {
            let uuid = remote.uuid().cloned();
            round_trip = remote.round_trip();
            if before.is_none_or(|before| before.uuid() != uuid.as_ref()) {
                if let Some(git) = remote.git() {
                    git.clear_up();
                }
                if let Some(uuid) = &uuid {
                    state.retries().forget_repository(uuid);
                    state.refusals().clear();
                }
            }
            state.remotes.set_reached(name, Some(remote));
            Reach::Here(uuid)
        }
        Err(failed) => {
            state.remotes.set_reached(name, None);
            let away = away(failed);
            if away == Away::Absent {
                state.remotes.forget_unconfirmed(name);
            }
            Reach::Away(away)
        }
    };
    Event::Probed { id, reach, round_trip }
}

pub(super) fn reach(
    state: &FolderState,
    settings: &RemoteSettings,
    mounts: &[Mount],
    before: Option<&Remote>,
) -> Result<Remote, Failed> {
    if settings.address.medium() == Medium::Network {
        costs_nothing(state)?;
    }
    // Network mounts, and those served by a program, may hang, so only possible drives are searched.
    let drives = mounts.iter().filter(|mount| mount.may_be_drive());
    let points: Vec<PathBuf> = drives.map(|mount| mount.point.clone()).collect();
    let remote = remotes::reach(
        state.annex(),
        settings,
        &points,
        before,
        state.hosts(),
        state.stopping(),
    )?;
    let Some(directories) = remote.directories() else {
        return Ok(remote);
    };
    if remote.git().is_none() && is_below_a_mount(state, &remote, &directories.top) {
        return Err(Failed::Away);
    }
    let real = directories.git_dir.canonicalize();
    let mount = mount_of(mounts, real.as_deref().unwrap_or(&directories.git_dir));
    if mount.is_some_and(Mount::is_networked) {
        costs_nothing(state)?;
    }
    state.check_place(&settings.name, &directories.top, mount, remote.git().is_none())?;
    Ok(remote)
}

/// Refuses what is reached through a network that costs money now, if the settings say so.
fn costs_nothing(state: &FolderState) -> Result<(), Failed> {
    match state.holds().metered {
        false => Ok(()),
        true => Err(Failed::Refused(
            "the network costs money now, and your settings say to wait".to_owned(),
        )),
    }
}

/// True if a directory is empty that should have content: then it is a mount point whose disk is not mounted. Nothing
/// else tells which remote it is.
fn is_below_a_mount(state: &FolderState, remote: &Remote, top: &Path) -> bool {
    let is_empty = top.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    is_empty && {
        let classes = state.reader().and_then(|reader| reader.classes().ok());
        // If nothing is known about its content, take no risk.
        let holds = |uuid: &Uuid| classes.is_none_or(|classes| classes.values().any(|class| class.have.contains(uuid)));
        remote.uuid().is_none_or(holds)
    }
}

/// The reason for which a remote that failed counts as away.
fn away(failed: Failed) -> Away {
    match failed {
        Failed::Away => Away::Absent,
        Failed::Busy(why) | Failed::Full(why) | Failed::Refused(why) | Failed::Broken(why) => Away::Unusable(why),
    }
}

pub(super) fn fetch(state: &FolderState, id: Id, name: &RemoteName) -> Event {
    // Do this before the fetch, so that changes during it are noticed.
    state.examine_remote(name);
    let there = match state.remotes.get(name).as_ref().and_then(Remote::git) {
        None => Err(Away::Absent),
        Some(git) => match git.fetch(state.annex(), state.stopping()) {
            Ok(fetched) => {
                state
                    .remotes
                    .set_other_branch(name, fetched.other_branch.map(|there| (fetched.branch, there)));
                Ok(Heads {
                    tree: fetched.tree,
                    annex: fetched.annex,
                })
            }
            Err(failed) => {
                let away = away(failed);
                if let Away::Unusable(why) = &away {
                    state.log.note(format!("could not fetch from {name}: {why}"));
                }
                Err(away)
            }
        },
    };
    look_again_if_it_may_help(state, name);
    Event::Fetched {
        id,
        refs: state.refs(),
        there,
    }
}

/// A repository that has got a git-annex branch may have become one of git-annex.
fn look_again_if_it_may_help(state: &FolderState, name: &RemoteName) {
    let remote = state.remotes.get(name);
    if remote.is_some_and(|remote| remote.deserves_second_look()) && state.last_seen(name).annex.is_some() {
        state.look_at_remotes_again();
    }
}

pub(super) fn merge(state: &FolderState, id: Id, partial: bool, said: Option<Said>) -> Event {
    let mut held = Vec::new();
    let merged =
        try_merge(state, partial, said, &mut held).unwrap_or_else(|error| Merged::Failed(failure(state, &error)));
    state.resolve_retired();
    state.remember_stamps();
    state.hold_deletions(held.iter().map(|(head, deletions)| (*head, deletions.commit)));
    Event::Merged {
        id,
        refs: state.refs(),
        merged,
        held: held.into_iter().next().map(|(_, deletions)| deletions),
    }
}

/// The held commits, each with the head at the time of that decision.
type Held = Vec<(Option<Oid>, Deletions)>;

fn try_merge(state: &FolderState, partial: bool, said: Option<Said>, held: &mut Held) -> annex::Result<Merged> {
    let annex = state.annex();
    // Merge the git-annex branch first: the holders of a key must be known before a file that uses it appears.
    let branches = annex.branch().merge()?;
    for refused in branches.refused {
        state.log.note(refused);
    }
    let settings = state.settings()?;
    if settings.synconlyannex || annex.is_bare() {
        state.set_waiting(None, Vec::new());
        return Ok(Merged::Done);
    }
    let unconfirmed = |removed, of| !is_improbable(removed, of);
    let options = MergeOptions {
        resolve: settings.resolvemerge,
        checkout: CheckoutOptions {
            thin: settings.thin,
            partial,
        },
        may_remove: &unconfirmed,
    };
    if let Some(said) = said {
        match confirmed(state, said, &options)? {
            Merged::Done => {}
            Merged::Waiting(_) => {}
            undone @ (Merged::Blocked(_) | Merged::Failed(_)) => return Ok(undone),
        }
    }
    let incoming = state.incoming()?;
    if incoming.is_empty() {
        state.set_waiting(None, Vec::new());
        return Ok(Merged::Done);
    }
    let mut theirs: Vec<Theirs<'_>> = incoming
        .iter()
        .map(|(commit, reference)| Theirs {
            commit: *commit,
            reference,
        })
        .collect();
    theirs.sort_by_key(|theirs| theirs.commit);
    match merged(state, &theirs, annex.merge_into_head(&theirs, &options)?) {
        Ok(merged) => return Ok(merged),
        Err(removals) if theirs.len() == 1 => {
            held.extend(theirs.iter().map(|theirs| hold(theirs.commit, &removals)));
            return Ok(Merged::Done);
        }
        Err(_) => {}
    }
    // A history that deletes many files must not hold up the others.
    let mut all = Merged::Done;
    for theirs in theirs {
        let theirs = [theirs];
        match merged(state, &theirs, annex.merge_into_head(&theirs, &options)?) {
            Ok(Merged::Done) => {}
            Ok(waiting @ Merged::Waiting(_)) => all = waiting,
            Ok(undone @ (Merged::Blocked(_) | Merged::Failed(_))) => return Ok(undone),
            Err(removals) => held.extend(theirs.iter().map(|theirs| hold(theirs.commit, &removals))),
        }
    }
    Ok(all)
}

fn hold(commit: Oid, removals: &Removals) -> (Option<Oid>, Deletions) {
    let deletions = Deletions {
        commit,
        removed: removals.removed,
        of: removals.of,
        who: removals.deed.as_ref().map(|deed| deed.who.clone()),
        place: removals.made_in.clone(),
        at: removals.deed.as_ref().map(|deed| deed.at),
    };
    (removals.head, deletions)
}

/// Carries out the user's answer about a commit that deletes many files. A commit that no branch contains any more is
/// not merged.
fn confirmed(state: &FolderState, said: Said, options: &MergeOptions<'_>) -> annex::Result<Merged> {
    let annex = state.annex();
    let Some(reference) = state.leads_to(said.commit)? else {
        return Ok(Merged::Done);
    };
    let theirs = [Theirs {
        commit: said.commit,
        reference: &reference,
    }];
    let outcome = match said.yes {
        true => {
            let options = MergeOptions {
                may_remove: &|_, _| true,
                ..*options
            };
            annex.merge_into_head(&theirs, &options)?
        }
        false => {
            let message = format!("git-annex in {}", state.description(annex.uuid()));
            let outcome = annex.merge_and_keep_files(&theirs[0], &message, options)?;
            if matches!(outcome, MergeOutcome::Merged { .. }) {
                state
                    .log
                    .note("kept the files that were deleted elsewhere; they come back there".to_owned());
                return Ok(Merged::Done);
            }
            outcome
        }
    };
    let is_free = |removals: Box<Removals>| {
        Merged::Failed(Failure::Other(format!(
            "Anabranch would have to delete {} that you chose to keep",
            files(removals.removed as u64)
        )))
    };
    Ok(merged(state, &theirs, outcome).unwrap_or_else(is_free))
}

/// The result of a merge, or the deletions that need an answer.
fn merged(state: &FolderState, theirs: &[Theirs<'_>], outcome: MergeOutcome) -> Result<Merged, Box<Removals>> {
    Ok(match outcome {
        MergeOutcome::UpToDate => {
            state.set_waiting(None, Vec::new());
            Merged::Done
        }
        MergeOutcome::FastForwarded { commit, waiting } => followed(
            state,
            commit,
            waiting,
            vec![format!("got changes from {}", sources(theirs))],
        ),
        MergeOutcome::Merged {
            commit,
            resolved,
            waiting,
        } => followed(state, commit, waiting, told(resolved)),
        MergeOutcome::Blocked { paths } => Merged::Blocked(paths),
        MergeOutcome::Removes(removals) => return Err(Box::new(removals)),
        MergeOutcome::Conflict { paths } => Merged::Failed(Failure::Other(format!(
            "{} changed here and elsewhere, and annex.resolvemerge is off; nothing is lost. Merge by hand with 'git \
             merge'",
            files(paths.len() as u64)
        ))),
    })
}

/// The remotes that these commits came from, for the user.
fn sources(theirs: &[Theirs<'_>]) -> String {
    let remote = |theirs: &Theirs<'_>| {
        let path = theirs.reference.strip_prefix("refs/remotes/")?;
        Some(path.split_once('/')?.0.to_owned())
    };
    // A branch that a remote pushed here does not tell its name.
    let names: Option<BTreeSet<String>> = theirs.iter().map(remote).collect();
    names.map_or_else(|| "elsewhere".to_owned(), |names| Vec::from_iter(names).join(", "))
}

/// Describes a merge for the user: one sentence for each kind of conflict in it.
fn told(resolved: Vec<RepoPath>) -> Vec<String> {
    let (rules, files): (Vec<_>, Vec<_>) = resolved.into_iter().partition(annex::is_control_file);
    let rule = |path: &RepoPath| match &**path.file_name() {
        b".gitignore" => format!(
            "{path} was changed here and elsewhere: it ignores what either version ignores, and an exception (!) that \
             only one of them had is a comment now"
        ),
        _ => format!("{path} was changed here and elsewhere: it has the lines of both versions"),
    };
    let mut told: Vec<String> = rules.iter().map(rule).collect();
    match (files.len(), told.len()) {
        (0, 0) => told.push("merged changes made here and elsewhere".to_owned()),
        (0, _) => {}
        (1, _) => told.push("a file was changed here and elsewhere: both versions are kept".to_owned()),
        (count, _) => told.push(format!(
            "{count} files were changed here and elsewhere: all versions are kept"
        )),
    }
    told
}

/// Records that a merge was checked out except for the paths that wait. If the same paths still wait, nothing is
/// reported.
fn followed(state: &FolderState, commit: Oid, waiting: Vec<Waiting>, told: Vec<String>) -> Merged {
    let paths: Vec<RepoPath> = waiting
        .iter()
        .filter_map(|one| RepoPath::parse(&one.path).ok())
        .collect();
    let merged = match waiting.is_empty() {
        true => Merged::Done,
        false => Merged::Waiting(paths),
    };
    let ahead = (merged != Merged::Done).then_some(commit);
    if state.set_waiting(ahead, waiting) {
        told.into_iter().for_each(|what| state.log.note(what));
    }
    merged
}

pub(super) fn push(state: &FolderState, id: Id, name: &RemoteName) -> Event {
    // Others are to know where content is as soon as they get the commits that need it, so the commits are looked up
    // first. If the journal cannot be committed now, that is tried again.
    let tree = state.refs().heads.tree;
    if let Err(error) = state.annex().branch().fold_if_any() {
        state.log.note(format!("could not commit the journal: {error}"));
    }
    let annex = state.refs().heads.annex;
    let (heads, commits) = match (state.syncs_tree(), Heads { tree, annex }) {
        (true, heads) => (heads, heads.tree.map_or(Commits::OfBranch, Commits::UpTo)),
        (false, Heads { annex, .. }) => {
            let tree = state.last_seen(name).tree;
            (Heads { tree, annex }, Commits::Nothing)
        }
    };
    let may_remove = |removed, of| !is_improbable(removed, of);
    let pushed = match state.remotes.get(name).as_ref().and_then(Remote::git) {
        None => Pushed::Away(Away::Absent),
        Some(git) => match git.push(state.annex(), commits, may_remove, state.stopping()) {
            // The commits have arrived; updating the files there is retried.
            Ok(PushOutcome::Pushed { behind: Some(why), .. }) => Pushed::Failed(Failure::Other(why)),
            Ok(PushOutcome::UpToDate | PushOutcome::Pushed { .. }) => Pushed::Done(heads),
            Ok(PushOutcome::Refused { .. }) => Pushed::Refused,
            Err(failed) => {
                if failed != Failed::Away {
                    state.log.note(format!("could not push to {name}: {failed}"));
                }
                match failed {
                    Failed::Away => Pushed::Away(Away::Absent),
                    Failed::Busy(why) => Pushed::Failed(Failure::Busy(why)),
                    Failed::Full(why) | Failed::Refused(why) | Failed::Broken(why) => {
                        Pushed::Failed(no_lock(state, why))
                    }
                }
            }
        },
    };
    look_again_if_it_may_help(state, name);
    state.examine_remote(name);
    let refs = state.refs();
    Event::Pushed { id, refs, pushed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_name_the_remotes_that_they_came_from() {
        let from = |references: &[&str]| {
            let commit = Oid([0; 20]);
            let theirs = references.iter().map(|reference| Theirs { commit, reference });
            sources(&theirs.collect::<Vec<_>>())
        };
        assert_eq!(
            from(&["refs/remotes/desk/main", "refs/remotes/desk/synced/main"]),
            "desk"
        );
        assert_eq!(
            from(&["refs/remotes/stick/main", "refs/remotes/desk/main"]),
            "desk, stick"
        );
        assert_eq!(from(&["refs/remotes/desk/main", "refs/heads/synced/main"]), "elsewhere");
    }
}
