//! Finds the changes that other programs made in a git directory, apart from those of this engine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use annex::IndexState;
use assistant::{Event, Refs};
use contract::{Keeping, Keeps, Rule};
use model::{Oid, RemoteName, Uuid};
use remotes::Remote;

use super::FolderState;
use crate::Error;
use crate::rules::policy;
use crate::rules::preferred_content;

/// The state of files that other programs may write.
#[derive(Debug, Clone)]
pub(crate) struct Stamps {
    config: Option<Stamp>,
    index: Option<Stamp>,
    /// What the index said; none if it could not be read.
    staged: Option<IndexState>,
}

/// What became of changes in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// They are committed, or there were none.
    Committed,
    /// They still wait.
    Waits,
    /// They could not be committed.
    Failed,
}

type Stamp = (u64, i64, i64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = path.symlink_metadata().ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

impl FolderState {
    fn stamps(&self) -> Stamps {
        let directory = self.annex().git_dir();
        let config = stamp(&directory.join("config"));
        let index = stamp(&directory.join("index"));
        let before = self.last_stamps().filter(|before| before.index == index);
        let staged = before.map_or_else(|| self.annex().index_state().ok(), |before| before.staged);
        // If it was written meanwhile, what was read may be newer than its stamp.
        let is_current = stamp(&directory.join("index")) == index;
        Stamps {
            config,
            index,
            staged: staged.filter(|_| is_current),
        }
    }

    /// Must be called right after our own work on the index, so that its new state is not taken for another program's
    /// change. Changes of the configuration are still reported, since another program may have made them.
    pub(crate) fn remember_stamps(&self) {
        let now = self.stamps();
        self.renew_stamps(|before| Stamps {
            config: before.map_or(now.config, |before| before.config),
            ..now
        });
    }

    /// Returns events for the changes in our git directory since the refs were `known`, and what becomes of the journal.
    /// That is committed only if `folds` is set: what is being done may add to it.
    pub(crate) fn examine(&self, known: &Refs, folds: bool) -> (Vec<Event>, Journal) {
        let mut events = Vec::new();
        let stamps = self.stamps();
        if stamps.config.is_none() {
            // Every repository has a configuration, so this one has vanished for now, and nothing in it was changed.
            // When it is back, it is compared with its last state.
            return (events, Journal::Committed);
        }
        let before = self.renew_stamps(|_| stamps.clone());
        if before.as_ref().is_some_and(|before| before.config != stamps.config) {
            events.extend(self.configuration_changed());
            if self.log.has_undecided() {
                events.push(Event::CountLost(None));
            }
        }
        let before = before.filter(|before| before.index != stamps.index);
        let is_index_changed = before.is_some();
        if let Some(before) = before {
            let changed = stamps.staged.as_ref().zip(before.staged.as_ref());
            let changed = changed.and_then(|(now, before)| now.changed_since(before));
            events.push(changed.map_or(Event::CountLost(None), Event::FilesChanged));
        }
        if self.read_rules() {
            // Rules may bar a remote, or allow it again.
            events.extend(self.configuration_changed());
        }
        // Once committed, they are observed like all others.
        let branch = self.annex().branch();
        let journal = match (branch.has_journal(), folds) {
            (false, _) => Journal::Committed,
            (true, false) => Journal::Waits,
            (true, true) => match branch.fold() {
                Ok(_) => Journal::Committed,
                Err(error) => {
                    self.log.note(format!("could not commit the journal: {error}"));
                    Journal::Failed
                }
            },
        };
        let refs = self.refs();
        // What was refused because of the index is tried again.
        if refs != *known || is_index_changed {
            events.push(Event::RefsMoved(refs));
        }
        if let Ok(head) = self.annex().head() {
            let fetched_for_another = self.remotes.on_other_branches(&head.branch);
            events.extend(fetched_for_another.into_iter().map(Event::RemoteRefsMoved));
        }
        (events, journal)
    }

    /// The events for changed rules or a changed configuration. What a new remote wants may be known already, without
    /// any ref that moves.
    pub(crate) fn configuration_changed(&self) -> [Event; 3] {
        let listed = self.list_remotes();
        let unverified = self.remotes.unverified();
        [
            Event::UnverifiedListed(unverified),
            Event::RemotesListed(listed),
            Event::RulesChanged,
        ]
    }

    /// Carries out the user's answer about a special remote that git-annex enabled.
    pub(crate) fn verify(&self, remote: &RemoteName, is_right: bool) -> Result<Vec<Event>, Error> {
        match is_right {
            true => annex::settings::verify(self.annex(), remote)?,
            false => annex::settings::remove(self.annex(), remote)?,
        }
        Ok(self.configuration_changed().into())
    }

    /// Sets the rules and what places keep, as the window requests, without waiting for file events.
    pub(crate) fn set_rules(&self, before: &[Rule], rules: &[Rule], keeps: &[Keeping]) -> Result<Vec<Event>, Error> {
        let wishes = self.understood(keeps)?;
        // This comes after everything that may be refused, so that both are set or neither.
        self.write_rules(
            &policy::understood(before)?,
            &policy::understood(rules)?,
            || match wishes.is_empty() {
                true => Ok(()),
                false => preferred_content::record(self.annex(), &wishes),
            },
        )?;
        self.read_rules();
        // From now on, the status shows the new values. An error is ignored: the next observation reads them.
        let _ = self.facts();
        let mut events = vec![Event::RefsMoved(self.refs())];
        events.extend(self.configuration_changed());
        Ok(events)
    }

    /// Converts what places should keep. Refused if a place is unknown, or keeps something else by now than the user
    /// saw.
    pub(crate) fn understood(&self, keeps: &[Keeping]) -> Result<Vec<(Uuid, Keeps)>, Error> {
        if keeps.is_empty() {
            return Ok(Vec::new());
        }
        let remotes = self.remotes.settings();
        let facts = self.annex().branch().facts()?;
        let understood = |keeping: &Keeping| {
            let place = &keeping.place;
            let refused = |why: &str| Err(Error::Refused(format!("{place} {why}")));
            let Some(remote) = RemoteName::parse(place).and_then(|name| remotes.get(&name)) else {
                return refused("is no place of this folder; nothing was changed");
            };
            if !self.supports(remote) {
                return refused("is not supported yet, so you cannot choose what it keeps; nothing was changed");
            }
            let Some(uuid) = &remote.uuid else {
                return refused(
                    "was never connected, so Anabranch does not know which repository it is; nothing was changed. \
                     Connect it first",
                );
            };
            if preferred_content::told(&facts, uuid) != keeping.before {
                return refused(
                    "got another setting since you saw it, here or in another clone; nothing was changed. Look at it \
                     and try again",
                );
            }
            Ok((uuid.clone(), keeping.after.clone()))
        };
        let understood: Vec<(Uuid, Keeps)> = keeps.iter().map(understood).collect::<Result<_, _>>()?;
        preferred_content::changed(&facts, &understood)?;
        Ok(understood)
    }

    /// True if an engine runs at a remote and knows this repository as one that it may push to.
    pub(crate) fn is_pushed_to_by(&self, name: &RemoteName) -> bool {
        let remote = self.remotes.get(name);
        let git = remote.as_ref().and_then(Remote::git);
        git.is_some_and(|git| git.pushes_to(self.annex().uuid()))
    }

    /// True if refs of this repository lead to all of these objects.
    pub(crate) fn has_refs_to(&self, objects: &[Oid]) -> bool {
        let refs = self.annex().all_refs().unwrap_or_default();
        objects
            .iter()
            .all(|object| refs.iter().any(|(_, at)| at.as_slice() == object.0))
    }

    /// True if the refs of a remote differ from those last seen.
    pub(crate) fn examine_remote(&self, name: &RemoteName) -> bool {
        match self
            .remotes
            .get(name)
            .as_ref()
            .and_then(Remote::git)
            .map(|git| git.state())
        {
            None => false,
            Some(None) => true,
            Some(Some(state)) => self.remotes.see(name, state),
        }
    }
}
