//! What must hold, each as a function with a name. The numbers are those of `src-tauri/INVARIANTS.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use assistant::content::WINDOW;
use assistant::guards::{REMOVED_AT_ONCE, REMOVED_UNASKED};
use assistant::{Assistant, Direction, Effect, Event, Id, Outcome, Reach, RemoteFacts, Root};
use model::{Key, RemoteName, Timestamp};

use crate::history::{Content, Files};
use crate::world::{RepoNo, Wants, World};

/// At most so many transfers run at once, and one more for each remote.
const TRANSFERS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Look, ingest, restore, merge, observe.
    Repository,
    Probe(RemoteName),
    Git(RemoteName),
    Offer,
    Drop,
    Transfer {
        remote: RemoteName,
        direction: Direction,
        keys: Vec<Key>,
        cancelled: bool,
    },
}

/// The effects of one engine that are under way, and what its assistant was told.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    effects: BTreeMap<Id, Kind>,
    paused: bool,
    facts: BTreeMap<RemoteName, RemoteFacts>,
    /// Content that this engine delivered itself and nobody damaged since.
    delivered: BTreeSet<(Key, RemoteName)>,
    damaged: BTreeSet<Key>,
    /// Transfers that the rules for directories forbid now.
    pub(crate) barred: BTreeSet<(Key, RemoteName, Direction)>,
}

impl UnderWay {
    /// Every effect ends in exactly one event.
    pub(crate) fn learn(&mut self, event: &Event) -> Result<(), String> {
        let id = match event {
            Event::Paused => {
                self.paused = true;
                return Ok(());
            }
            Event::Resumed | Event::SyncAsked => {
                self.paused = false;
                return Ok(());
            }
            Event::RemotesListed(facts) => {
                self.facts = facts.iter().map(|facts| (facts.name.clone(), facts.clone())).collect();
                return Ok(());
            }
            Event::FilesChanged(_)
            | Event::CountLost(_)
            | Event::RefsMoved(_)
            | Event::RemoteRefsMoved(_)
            | Event::UnverifiedListed(_)
            | Event::Unfilled
            | Event::RulesChanged
            | Event::MountsChanged
            | Event::PlacesChanged
            | Event::NetworkChanged
            | Event::FirstAsked
            | Event::CancelAsked { .. }
            | Event::Answered { .. }
            | Event::Woke => return Ok(()),
            Event::Looked { id, .. }
            | Event::Ingested { id, .. }
            | Event::Restored { id, .. }
            | Event::Filled { id, .. }
            | Event::Probed { id, .. }
            | Event::Fetched { id, .. }
            | Event::Merged { id, .. }
            | Event::Pushed { id, .. }
            | Event::Observed { id, .. }
            | Event::Offered { id, .. }
            | Event::Dropped { id, .. } => *id,
            Event::Transferred { id, outcomes, .. } => {
                if let Some(Kind::Transfer { remote, .. }) = self.effects.get(id) {
                    let stored = outcomes
                        .iter()
                        .filter(|(key, outcome)| *outcome == Outcome::Stored && !self.damaged.contains(key));
                    self.delivered
                        .extend(stored.map(|(key, _)| (key.clone(), remote.clone())));
                }
                *id
            }
        };
        self.effects
            .remove(&id)
            .map(|_| ())
            .ok_or(format!("effect {id:?} ended twice"))
    }

    /// Somebody damaged a copy: it may be delivered again.
    pub(crate) fn damaged(&mut self, key: &Key) {
        self.delivered.retain(|(delivered, _)| delivered != key);
        self.damaged.insert(key.clone());
    }

    /// Checks that an effect may start now, whatever else is under way.
    pub(crate) fn start(&mut self, effect: &Effect) -> Result<(), String> {
        if self.paused
            && !matches!(
                effect,
                Effect::Probe { .. } | Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_)
            )
        {
            return Err(format!("I35 pause: {effect:?} was started in a pause"));
        }
        let (id, kind) = match effect {
            Effect::Look { id, .. }
            | Effect::Ingest { id, .. }
            | Effect::Restore { id }
            | Effect::Fill { id }
            | Effect::Merge { id, .. }
            | Effect::Observe { id } => (*id, Kind::Repository),
            Effect::Probe { id, remote } => (*id, Kind::Probe(remote.clone())),
            Effect::Fetch { id, remote } => {
                self.policy(remote, Direction::Get, false)?;
                (*id, Kind::Git(remote.clone()))
            }
            Effect::Push { id, remote } => {
                self.policy(remote, Direction::Send, false)?;
                (*id, Kind::Git(remote.clone()))
            }
            Effect::Offer { id, limit, .. } => {
                if *limit > WINDOW {
                    return Err(format!("I21 bounded memory: {limit} candidates were asked for"));
                }
                (*id, Kind::Offer)
            }
            Effect::Drop { id, .. } => (*id, Kind::Drop),
            Effect::Transfer {
                id,
                remote,
                direction,
                keys,
            } => {
                self.policy(remote, *direction, true)?;
                self.rules(remote, *direction, keys)?;
                self.single_flight(remote, *direction, keys)?;
                let (remote, direction, keys) = (remote.clone(), *direction, keys.clone());
                (
                    *id,
                    Kind::Transfer {
                        remote,
                        direction,
                        keys,
                        cancelled: false,
                    },
                )
            }
            Effect::Cancel { id, .. } => {
                return match self.effects.get_mut(id) {
                    Some(Kind::Transfer { cancelled, .. }) => {
                        *cancelled = true;
                        Ok(())
                    }
                    Some(Kind::Repository | Kind::Drop) => Ok(()),
                    other => Err(format!("{other:?} cannot be cancelled")),
                };
            }
            Effect::Ask(_) | Effect::Withdraw(_) => return Ok(()),
        };
        match self.effects.insert(id, kind) {
            None => Ok(()),
            Some(_) => Err(format!("{id:?} was used twice")),
        }
    }

    /// I24: nothing moves that pull, push and content forbid.
    fn policy(&self, remote: &RemoteName, direction: Direction, content: bool) -> Result<(), String> {
        let allowed = self.facts.get(remote).is_some_and(|facts| {
            let able = facts.abilities;
            match (direction, content) {
                (Direction::Get, true) => able.get,
                (Direction::Get, false) => able.fetch,
                (Direction::Send, true) => able.send,
                (Direction::Send, false) => able.push,
            }
        });
        if allowed {
            Ok(())
        } else {
            Err(format!("I24 policy: {direction:?} with {remote} is forbidden"))
        }
    }

    /// I24: nor what the rules for directories forbid.
    fn rules(&self, remote: &RemoteName, direction: Direction, keys: &[Key]) -> Result<(), String> {
        let is_barred = |key: &&Key| self.barred.contains(&((*key).clone(), remote.clone(), direction));
        match keys.iter().find(is_barred) {
            Some(key) => Err(format!(
                "I24 policy: a rule bars {key:?} from {direction:?} with {remote}"
            )),
            None => Ok(()),
        }
    }

    /// I14 and I15: a key is on its way to a place once, and what was delivered is not delivered again.
    fn single_flight(&self, to: &RemoteName, way: Direction, wanted: &[Key]) -> Result<(), String> {
        let distinct: BTreeSet<&Key> = wanted.iter().collect();
        if distinct.len() != wanted.len() || wanted.is_empty() {
            return Err(format!("I14 single flight: {wanted:?} holds nothing or a key twice"));
        }
        for kind in self.effects.values() {
            let Kind::Transfer {
                remote,
                direction,
                keys,
                ..
            } = kind
            else {
                continue;
            };
            let same_end = *direction == way && (way == Direction::Get || remote == to);
            if let Some(key) = keys.iter().find(|key| same_end && distinct.contains(key)) {
                return Err(format!("I14 single flight: {key:?} is on its way already"));
            }
        }
        match wanted
            .iter()
            .find(|key| self.delivered.contains(&((*key).clone(), to.clone())))
        {
            Some(key) => Err(format!("I15 no echo: {key:?} was exchanged with {to} before")),
            None => Ok(()),
        }
    }

    /// Checks everything that is under way.
    pub(crate) fn obeys_the_rules(&self) -> Result<(), String> {
        let mut with = BTreeMap::<(&RemoteName, bool), usize>::new();
        let (mut own, mut offers, mut drops, mut transfers) = (0, 0, 0, 0);
        for kind in self.effects.values() {
            match kind {
                Kind::Repository => own += 1,
                Kind::Offer => offers += 1,
                Kind::Drop => drops += 1,
                Kind::Probe(remote) => *with.entry((remote, false)).or_default() += 1,
                Kind::Git(remote) => *with.entry((remote, true)).or_default() += 1,
                Kind::Transfer {
                    remote,
                    direction,
                    keys,
                    cancelled,
                } => {
                    transfers += 1;
                    if !cancelled {
                        self.rules(remote, *direction, keys)
                            .map_err(|why| format!("{why} and goes on"))?;
                        self.policy(remote, *direction, true)
                            .map_err(|why| format!("{why} and goes on"))?;
                        if self.paused {
                            return Err("I35 pause: a transfer goes on in a pause".into());
                        }
                    }
                }
            }
        }
        if own > 1 || offers > 1 || drops > 1 || with.values().any(|&count| count > 1) {
            return Err(format!("two of a kind at once: {:?}", self.effects));
        }
        if transfers > TRANSFERS + self.facts.len() {
            return Err(format!("I21 bounded memory: {transfers} transfers at once"));
        }
        Ok(())
    }

    /// The transfers under way.
    pub(crate) fn transfers(&self) -> Vec<Id> {
        let is_transfer = |kind: &Kind| matches!(kind, Kind::Transfer { .. });
        let transfers = self.effects.iter().filter(|(_, kind)| is_transfer(kind));
        transfers.map(|(id, _)| *id).collect()
    }

    fn is_idle(&self) -> bool {
        self.effects.values().all(|kind| matches!(kind, Kind::Probe(_)))
    }
}

/// All due work was started: no wake lies in the past.
pub(crate) fn no_spin(now: Timestamp, assistant: &Assistant) -> Result<(), String> {
    match assistant.next_wake() {
        Some(at) if at <= now => Err(format!("I19 termination: wants to be woken at {} at {}", at.0, now.0)),
        Some(_) | None => Ok(()),
    }
}

/// I6: files are committed as deleted only under our own root, and if improbably many were gone when it was looked, only
/// those that the user confirmed.
pub(crate) fn no_phantom_delete(root: Root, gone: usize, tracked: usize, confirmed: bool) -> Result<(), String> {
    let improbable = gone > REMOVED_AT_ONCE || (gone >= REMOVED_UNASKED && gone * 2 > tracked);
    if root == Root::Same && (confirmed || !improbable) {
        return Ok(());
    }
    Err(format!(
        "I6 no phantom delete: {gone} of {tracked} were gone, root {root:?}, confirmed: {confirmed}"
    ))
}

/// I6, of deletions that arrive: a work tree loses many files at once only if its own user agreed to exactly that.
pub(crate) fn no_unasked_deletion(gone: usize, of: usize, agreed: bool) -> Result<(), String> {
    let improbable = gone > REMOVED_AT_ONCE || (gone >= REMOVED_UNASKED && gone * 2 > of);
    if agreed || !improbable {
        return Ok(());
    }
    Err(format!(
        "I6 no phantom delete: a merge deleted {gone} of {of} files, and nobody was asked"
    ))
}

/// No commit has a file that is still being written.
pub(crate) fn no_unfinished_content(files: &Files, unfinished: &BTreeSet<Content>) -> Result<(), String> {
    match files.values().find(|entry| unfinished.contains(&entry.content)) {
        Some(entry) => Err(format!("I5: the half written c{} is committed", entry.content)),
        None => Ok(()),
    }
}

/// I19: a merge that is blocked again and again is not tried again and again at full speed.
pub(crate) fn no_hammering(blocked_at: &[Timestamp]) -> Result<(), String> {
    match blocked_at {
        [.., first, _, _, _, _, last] if last.since(*first) < Duration::from_secs(2) => {
            Err(format!("I19 termination: merges were blocked at {blocked_at:?}"))
        }
        _ => Ok(()),
    }
}

/// I4: what a log says was so when it was written.
pub(crate) fn log_is_sound(said: bool, truth: bool, content: Content, of: RepoNo) -> Result<(), String> {
    if said == truth {
        Ok(())
    } else {
        Err(format!("I4 log soundness: c{content} at r{of}: {said}, but {truth}"))
    }
}

impl World {
    /// I1: everything that was ever committed is still somewhere, whole.
    pub(crate) fn nothing_is_lost(&self) -> Result<(), String> {
        for commit in 0..self.trees.len() {
            for entry in self.trees.at(commit).files.values() {
                let content = entry.content;
                let kept = (0..self.repos.len()).any(|repo| self.has_good(repo, content));
                if !kept && !self.harmed.contains(&content) {
                    return Err(format!("I1 no loss: c{content} is nowhere"));
                }
            }
        }
        Ok(())
    }

    /// I9: each work tree is committed, and everything that its engine can reach is up to date, in git and in content.
    pub(crate) fn converged(&self) -> Result<(), String> {
        for repo in 0..self.repos.len() {
            if self.repos[repo].has_engine {
                self.in_step(repo, true)
                    .map_err(|why| format!("I9 convergence: r{repo}: {why}"))?;
            }
        }
        Ok(())
    }

    /// I9, as far as one repository can see to it.
    ///
    /// A remote that may be pushed to but not fetched from, and has commits of its own, cannot be brought into step; that
    /// is put up with if `as_far_as_possible`.
    pub(crate) fn in_step(&self, repo: RepoNo, as_far_as_possible: bool) -> Result<(), String> {
        let here = &self.repos[repo];
        let files = self.head_files(repo);
        let contents: BTreeMap<_, _> = files.iter().map(|(path, entry)| (*path, entry.content)).collect();
        if here.files != contents || here.index != *files {
            return Err(format!(
                "work tree {:?}, index {:?}, committed {contents:?}",
                here.files, here.index
            ));
        }
        if self.refs(repo).unmerged {
            return Err("something is not merged".into());
        }
        for slot in 0..here.remotes.len() {
            let remote = &here.remotes[slot];
            let Some(target) = self.reachable(repo, slot).filter(|_| !remote.is_broken) else {
                continue;
            };
            let there = &self.repos[target];
            for given in [there.heads, there.synced] {
                let merged = self.trees.contains(here.heads.tree, given.tree)
                    && self.annexes.contains(here.heads.annex, given.annex);
                if remote.pull && !merged {
                    return Err(format!("lacks commits of r{target}"));
                }
            }
            let has = |branches: crate::world::Branches| {
                (
                    self.trees.contains(branches.tree, here.heads.tree),
                    self.annexes.contains(branches.annex, here.heads.annex),
                )
            };
            let (own, given) = (has(there.heads), has(there.synced));
            let diverged = !self.trees.contains(here.heads.tree, there.synced.tree)
                || !self.annexes.contains(here.heads.annex, there.synced.annex);
            let possible = remote.pull || !diverged || !as_far_as_possible;
            if remote.push && possible && !(own.0 || given.0) | !(own.1 || given.1) {
                return Err(format!("r{target} lacks its commits"));
            }
            let facts = here.heads.annex.map(|commit| self.annexes.at(commit));
            let said = |content: Content, of: RepoNo| {
                let about = (content, u8::try_from(of).unwrap_or(u8::MAX));
                facts
                    .and_then(|facts| facts.get(&about))
                    .is_some_and(|(_, present)| *present)
            };
            for &content in contents.values().filter(|_| remote.content) {
                let lacks = |of: RepoNo| {
                    self.wants(of, content) && !self.repos[of].objects.contains(&content) && !said(content, of)
                };
                // It cannot act on content that no log tells of: after a crash before the log was written, or if a rule
                // keeps the log away.
                let knows = |of: RepoNo| self.has_good(of, content) && said(content, of);
                let may = |direction| !here.barred.contains(&(content, slot, direction));
                if remote.push && may(Direction::Send) && knows(repo) && lacks(target) {
                    return Err(format!("r{target} lacks c{content}"));
                }
                if remote.pull && may(Direction::Get) && knows(target) && lacks(repo) {
                    return Err(format!("lacks c{content} of r{target}"));
                }
                if knows(repo) && !self.wants(repo, content) && target != repo && knows(target) {
                    return Err(format!("has c{content}, which it does not want and r{target} has"));
                }
            }
        }
        Ok(())
    }

    /// I9 with every link open: all engines have the same commit, and it descends from every commit ever made.
    pub(crate) fn all_commits_arrived(&self) -> Result<(), String> {
        for repo in (0..self.repos.len()).filter(|&repo| self.repos[repo].has_engine) {
            let head = self.repos[repo].heads.tree;
            let lost = self
                .own_commits
                .iter()
                .find(|commit| !self.trees.contains(head, Some(**commit)));
            if let Some(lost) = lost {
                return Err(format!("I9 convergence: r{repo} at {head:?} lacks commit t{lost}"));
            }
        }
        Ok(())
    }

    /// I9 for content, by what is there and not by what logs say, where every repository wants everything.
    pub(crate) fn all_contents_arrived(&self) -> Result<(), String> {
        if self.repos.iter().any(|repo| repo.wants != Wants::Everything) {
            return Ok(());
        }
        let Some(engine) = self.repos.iter().position(|repo| repo.has_engine) else {
            return Ok(());
        };
        for entry in self
            .head_files(engine)
            .values()
            .filter(|entry| !self.harmed.contains(&entry.content))
        {
            let lacks = self
                .repos
                .iter()
                .position(|repo| !repo.objects.contains(&entry.content));
            if let Some(repo) = lacks {
                return Err(format!("I9 convergence: r{repo} lacks c{}", entry.content));
            }
        }
        Ok(())
    }

    /// I7 and I8, against the list of all writes: what is in the end is every write that no commit replaced or deleted.
    pub(crate) fn only_live_writes(&self) -> Result<(), String> {
        for repo in (0..self.repos.len()).filter(|&repo| self.repos[repo].has_engine) {
            let Some(head) = self.repos[repo].heads.tree else {
                continue;
            };
            let files = &self.trees.at(head).files;
            for commit in (0..self.trees.len()).filter(|&commit| self.trees.contains(Some(head), Some(commit))) {
                let tree = self.trees.at(commit);
                let gone = files.values().find(|entry| {
                    tree.seen.has(entry.dot.into()) && !tree.files.values().any(|kept| kept.dot == entry.dot)
                });
                if let Some(entry) = gone {
                    return Err(format!(
                        "I7 no resurrection: c{} is in r{repo} but t{commit} ended it",
                        entry.content
                    ));
                }
            }
        }
        Ok(())
    }

    /// I34: an assistant says that it is up to date if and only if it is.
    pub(crate) fn honest(&self) -> Result<(), String> {
        for (repo, here) in self.repos.iter().enumerate() {
            let Some(engine) = &here.engine else { continue };
            let assistant = &engine.assistant;
            let is_known = |remote: assistant::RemoteView<'_>| match remote.reach {
                Some(Reach::Here(_)) => !remote.lacks_heads && !remote.unfetched && !remote.in_contact,
                Some(Reach::Away(_)) => true,
                None => false,
            };
            let claims = !assistant.is_working()
                && assistant.questions().is_empty()
                && assistant.trouble().is_none()
                && assistant.pending_transfers() == 0
                && assistant.lots().is_empty()
                && !assistant.is_dropping()
                && assistant.remotes().all(is_known);
            let truth = self.in_step(repo, false);
            if claims && truth.is_err() {
                return Err(format!("I34 honest: r{repo} says it is up to date, but {truth:?}"));
            }
            let remotes: Vec<_> = assistant.remotes().collect();
            if !claims && truth.is_ok() {
                return Err(format!(
                    "I34 honest: r{repo} is up to date and does not say so: working {}, trouble {:?}, pending {}, \
                     lots {:?}, dropping {}, {remotes:?}",
                    assistant.is_working(),
                    assistant.trouble(),
                    assistant.pending_transfers(),
                    assistant.lots(),
                    assistant.is_dropping(),
                ));
            }
        }
        Ok(())
    }

    /// I10: nothing is under way, and only a look for what is away will wake an engine.
    pub(crate) fn quiescent(&self) -> Result<(), String> {
        for (repo, here) in self.repos.iter().enumerate() {
            let Some(engine) = &here.engine else { continue };
            let away = (0..here.remotes.len()).any(|slot| self.reachable(repo, slot).is_none());
            let wake = engine.assistant.next_wake();
            if !engine.under_way.is_idle() || (wake.is_some() && !away) {
                return Err(format!(
                    "I10 quiescence: r{repo} will wake at {wake:?}, under way {:?}",
                    engine.under_way
                ));
            }
        }
        Ok(())
    }
}
