//! What an engine does with an effect, on repositories in memory.
//!
//! Each effect reads and changes the world at one moment, in small steps after any of which a crash may come; a transfer
//! takes one moment for each key. The event that ends it travels for a while, so that it may be old when it arrives.

mod merging;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use assistant::guards::is_improbable;
use assistant::{
    Away, Class, ClassId, Deletions, Effect, Event, Found, Heads, Id, Looked, Merged, Pushed, Reach, Refs, Root, Said,
    Scope,
};
use model::{RemoteName, Uuid};

use crate::history::{CommitNo, Content, Entry, Files, PathNo, Tree, gone, join_facts, join_trees};
use crate::invariants;
use crate::world::{Branches, ClassName, Findings, RepoNo, Slot, Step, World, path_name, path_number};

/// How many changed files to ingest at a time.
const IN_ONE_PART: usize = 3;

/// The engine was killed in the middle of something.
pub(crate) struct Crash;

impl World {
    /// Carries out an effect whose time has come.
    pub(crate) fn carry_out(&mut self, repo: RepoNo, effect: Effect) {
        let done = match effect {
            Effect::Look { id, scope, confirms } => {
                if confirms {
                    self.tell_of_files(repo);
                }
                Ok(self.look(repo, id, &scope))
            }
            Effect::Ingest { id, look, removals } => self.ingest(repo, id, look, removals),
            Effect::Restore { id } => Ok(self.restore(repo, id)),
            Effect::Fill { id } => Ok(self.fill(id)),
            Effect::Probe { id, remote } => Ok(self.probe(repo, id, &remote)),
            Effect::Fetch { id, remote } => Ok(self.fetch(repo, id, &remote)),
            Effect::Merge { id, partial, said } => self.merge(repo, id, partial, said),
            Effect::Push { id, remote } => self.push(repo, id, &remote),
            Effect::Observe { id } => Ok(self.observe(repo, id)),
            Effect::Offer { id, lots, limit } => Ok(self.offer(repo, id, &lots, limit)),
            Effect::Transfer {
                id,
                remote,
                direction,
                keys,
            } => {
                self.begin_transfer(repo, id, &remote, direction, keys);
                return;
            }
            Effect::Drop { id, classes } => self.drop_unwanted(repo, id, &classes),
            Effect::Cancel { id, held_until } => {
                if let Some(transfer) = self.repos[repo]
                    .engine
                    .as_mut()
                    .and_then(|engine| engine.transfers.get_mut(&id))
                {
                    transfer.cancelled = true;
                    transfer.held_until = transfer.held_until.max(held_until);
                }
                return;
            }
            Effect::Ask(_) | Effect::Withdraw(_) => return,
        };
        if let Ok(event) = done {
            self.tell_later(repo, event);
        }
    }

    /// One small step; a crash may come before it.
    pub(crate) fn small_step(&mut self) -> Result<(), Crash> {
        match &mut self.until_crash {
            Some(0) => Err(Crash),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn fails(&mut self) -> bool {
        !self.is_calm && self.chance.one_in(20)
    }

    pub(crate) fn is_broken(&self, repo: RepoNo, slot: Slot) -> bool {
        self.repos[repo].remotes[slot].is_broken
    }

    pub(crate) fn heads(&self, branches: Branches) -> Heads {
        Heads {
            tree: branches.tree.map(|commit| self.trees.oid(commit)),
            annex: branches.annex.map(|commit| self.annexes.oid(commit)),
        }
    }

    /// The last merge of a repository: its checked-out commit or, while paths wait, the merge that they wait for.
    pub(crate) fn tip(&self, repo: RepoNo) -> Branches {
        let here = &self.repos[repo];
        let ahead = here
            .ahead
            .filter(|&ahead| self.trees.contains(Some(ahead), here.heads.tree));
        Branches {
            tree: ahead.or(here.heads.tree),
            ..here.heads
        }
    }

    pub(crate) fn refs(&self, repo: RepoNo) -> Refs {
        let (here, tip) = (&self.repos[repo], self.tip(repo));
        let is_held = |tree: CommitNo| {
            let held = here.engine.as_ref().map(|engine| &engine.held_deletions);
            held.is_some_and(|held| held.contains(&(here.heads.tree, tree)))
        };
        let unmerged = self.incoming(repo).iter().any(|given| {
            let is_due = !self.trees.contains(tip.tree, given.tree) && !given.tree.is_some_and(is_held);
            is_due || !self.annexes.contains(tip.annex, given.annex)
        });
        Refs {
            heads: self.heads(tip),
            unmerged,
        }
    }

    fn incoming(&self, repo: RepoNo) -> Vec<Branches> {
        let here = &self.repos[repo];
        here.fetched.values().flatten().copied().chain([here.synced]).collect()
    }

    pub(crate) fn head_files(&self, repo: RepoNo) -> Rc<Files> {
        self.repos[repo]
            .heads
            .tree
            .map_or_else(Rc::default, |commit| Rc::clone(&self.trees.at(commit).files))
    }

    fn look(&mut self, repo: RepoNo, id: Id, scope: &Scope) -> Event {
        if self.fails() {
            return Event::Looked {
                id,
                looked: Looked::Failed("the disk stutters".into()),
            };
        }
        let staged = *self.head_files(repo) != self.repos[repo].index;
        let here = &mut self.repos[repo];
        let mut found = Found {
            root: here.root,
            changed: 0,
            removed: 0,
            tracked: here.index.len(),
            staged,
            filling: Vec::new(),
        };
        if here.root == Root::Same {
            let within: Option<BTreeSet<PathNo>> = match scope {
                Scope::Everything => None,
                Scope::Paths(paths) => Some(paths.iter().map(path_number).collect()),
            };
            let covers = |path: &PathNo| within.as_ref().is_none_or(|paths| paths.contains(path));
            let differs = |(path, content): &(&PathNo, &Content)| {
                here.index.get(path).map(|entry| entry.content) != Some(**content) && covers(path)
            };
            let changed: Vec<PathNo> = here.files.iter().filter(differs).map(|(path, _)| *path).collect();
            let is_gone = |path: &&PathNo| !here.files.contains_key(path) && covers(path);
            let removed: Vec<PathNo> = here.index.keys().filter(is_gone).copied().collect();
            let arrived: BTreeSet<Content> = changed
                .iter()
                .filter_map(|path| here.files.get(path).copied())
                .collect();
            found.changed = changed.len();
            found.removed = removed
                .iter()
                .filter(|path| !arrived.contains(&here.index[path].content))
                .count();
            if let Some(engine) = &mut here.engine {
                let kept: BTreeSet<Content> = here.files.values().copied().collect();
                let is_gone = |(path, entry): &(&PathNo, &Entry)| {
                    !here.files.contains_key(path) && !kept.contains(&entry.content) && !here.confirmed.contains(path)
                };
                let all_gone = here.index.iter().filter(is_gone).count();
                let tracked = here.index.len();
                engine.found = Some(Findings {
                    look: id,
                    changed,
                    removed,
                    all_gone,
                    tracked,
                });
            }
        }
        Event::Looked {
            id,
            looked: Looked::Found(found),
        }
    }

    fn ingest(&mut self, repo: RepoNo, id: Id, look: Id, removals: bool) -> Result<Event, Crash> {
        let failed = |world: &World, why: &str| Event::Ingested {
            id,
            refs: world.refs(repo),
            postponed: Vec::new(),
            has_rest: false,
            failed: Some(why.into()),
        };
        let found = self.repos[repo].engine.as_mut().and_then(|engine| engine.found.take());
        let Some(mut found) = found.filter(|found| found.look == look) else {
            self.violated(format!(
                "r{repo}: ingest {id:?} of a look {look:?} that is not the last"
            ));
            return Ok(failed(self, "nothing was found"));
        };
        if self.repos[repo].root != Root::Same {
            return Ok(failed(self, "the folder is not there"));
        }
        if self.fails() {
            return Ok(failed(self, "the disk is full"));
        }
        let mut postponed = Vec::new();
        let mut stage = Vec::new();
        let left = found.changed.split_off(found.changed.len().min(IN_ONE_PART));
        let has_rest = !left.is_empty();
        for path in std::mem::replace(&mut found.changed, left) {
            if self.repos[repo].writing.contains(&path) {
                postponed.push(path_name(path));
            } else if let Some(&content) = self.repos[repo].files.get(&path) {
                self.small_step()?;
                self.repos[repo].objects.insert(content);
                stage.push((path, content));
            }
        }
        self.small_step()?;
        let logged: Vec<_> = stage.iter().map(|&(_, content)| (content, repo, true)).collect();
        self.log(repo, &logged);
        self.small_step()?;
        for (path, content) in stage {
            let entry = self.repos[repo].index.get(&path).copied();
            if entry.is_none_or(|entry| entry.content != content) {
                let dot = self.numbers.next_dot();
                self.repos[repo].index.insert(path, Entry { content, dot });
            }
        }
        // A moved file is added before it is removed.
        let removed = match has_rest {
            true => Vec::new(),
            false => std::mem::take(&mut found.removed),
        };
        for path in removed {
            if removals && !self.repos[repo].files.contains_key(&path) {
                let here = &mut self.repos[repo];
                let entry = here.index.remove(&path);
                let moved = entry.is_some_and(|entry| here.files.values().any(|content| *content == entry.content));
                let confirmed = moved || here.confirmed.contains(&path);
                let held = invariants::no_phantom_delete(here.root, found.all_gone, found.tracked, confirmed);
                self.check(held);
            }
        }
        if let Some(engine) = self.repos[repo].engine.as_mut().filter(|_| has_rest) {
            engine.found = Some(found);
        }
        self.small_step()?;
        self.commit(repo);
        Ok(Event::Ingested {
            id,
            refs: self.refs(repo),
            postponed,
            has_rest,
            failed: None,
        })
    }

    fn commit(&mut self, repo: RepoNo) {
        let here = &self.repos[repo];
        if here.index == *self.head_files(repo) {
            return;
        }
        let files = Rc::new(here.index.clone());
        let parent = here.heads.tree;
        let mut seen = parent
            .map(|commit| self.trees.at(commit).seen.clone())
            .unwrap_or_default();
        for entry in files.values() {
            seen.add(entry.dot.into());
        }
        let held = invariants::no_unfinished_content(&files, &self.unfinished);
        let commit = self.trees.commit(parent.as_slice(), Tree { files, seen });
        self.repos[repo].heads.tree = Some(commit);
        self.own_commits.push(commit);
        self.counts.commits += 1;
        self.note(|| format!("r{repo} commits t{commit}"));
        self.check(held);
        self.refs_changed(repo);
    }

    /// Says on the git-annex branch who has what; no commit if that is known.
    pub(crate) fn log(&mut self, repo: RepoNo, said: &[(Content, RepoNo, bool)]) {
        let parent = self.repos[repo].heads.annex;
        let mut facts = parent
            .map(|commit| Rc::clone(self.annexes.at(commit)))
            .unwrap_or_default();
        let mut changed = false;
        for &(content, of, present) in said {
            let truth = self.repos[of].objects.contains(&content);
            self.check(invariants::log_is_sound(present, truth, content, of));
            let about = (content, u8::try_from(of).unwrap_or(u8::MAX));
            let known = facts.get(&about).copied();
            if known.is_some_and(|(_, was)| was == present) || (known.is_none() && !present) {
                continue;
            }
            let clock = known.map_or(1, |(clock, _)| clock + 1);
            Rc::make_mut(&mut facts).insert(about, (clock, present));
            changed = true;
        }
        if changed {
            let commit = self.annexes.commit(parent.as_slice(), facts);
            self.repos[repo].heads.annex = Some(commit);
            self.refs_changed(repo);
        }
    }

    /// Tells everybody who watches this repository's refs that they moved.
    pub(crate) fn refs_changed(&mut self, of: RepoNo) {
        let refs = self.refs(of);
        self.tell_later(of, Event::RefsMoved(refs));
        for repo in 0..self.repos.len() {
            for slot in 0..self.repos[repo].remotes.len() {
                // Not every file system tells of what others write.
                let seen = self.is_calm || !self.chance.one_in(8);
                if seen && self.reachable(repo, slot) == Some(of) {
                    let name = self.repos[repo].remotes[slot].name.clone();
                    self.tell_later(repo, Event::RemoteRefsMoved(name));
                }
            }
        }
    }

    /// The watcher of a work tree sees these files change, or misses it and says later that it may have missed something.
    pub(crate) fn files_changed(&mut self, repo: RepoNo, paths: &[PathNo]) {
        if !self.is_calm && self.chance.one_in(12) {
            let after = Duration::from_millis(self.chance.between(10, 3000));
            let incarnation = self.repos[repo].incarnation;
            let within = paths.first().filter(|_| paths.len() == 1).map(|path| path_name(*path));
            self.schedule(
                after,
                Step::Tell {
                    repo,
                    incarnation,
                    event: Event::CountLost(within),
                },
            );
            return;
        }
        let times = if self.chance.one_in(12) { 2 } else { 1 };
        for _ in 0..times {
            self.tell_later(
                repo,
                Event::FilesChanged(paths.iter().map(|path| path_name(*path)).collect()),
            );
        }
    }

    fn restore(&mut self, repo: RepoNo, id: Id) -> Event {
        if self.repos[repo].root != Root::Same || self.fails() {
            return Event::Restored {
                id,
                failed: Some("the folder cannot be written".into()),
            };
        }
        let here = &mut self.repos[repo];
        let gone: Vec<_> = here
            .index
            .iter()
            .filter(|(path, _)| !here.files.contains_key(path))
            .collect();
        let gone: Vec<_> = gone.into_iter().map(|(path, entry)| (*path, entry.content)).collect();
        for &(path, content) in &gone {
            here.files.insert(path, content);
            here.confirmed.remove(&path);
        }
        let paths: Vec<_> = gone.into_iter().map(|(path, _)| path).collect();
        self.files_changed(repo, &paths);
        Event::Restored { id, failed: None }
    }

    /// Files of this world have no placeholders: only that it ends, and how, is of interest.
    fn fill(&mut self, id: Id) -> Event {
        Event::Filled {
            id,
            more: self.chance.one_in(4),
            failed: self.fails().then(|| "the folder cannot be written".into()),
        }
    }

    fn probe(&mut self, repo: RepoNo, id: Id, remote: &RemoteName) -> Event {
        let target = self
            .remote_slot(repo, remote)
            .and_then(|slot| self.reachable(repo, slot));
        let reach = match target {
            Some(_) if self.fails() => Reach::Away(Away::Unusable("it cannot be read".into())),
            Some(target) => Reach::Here(Some(self.repos[target].uuid.clone())),
            None => Reach::Away(Away::Absent),
        };
        Event::Probed {
            id,
            reach,
            round_trip: None,
        }
    }

    fn fetch(&mut self, repo: RepoNo, id: Id, remote: &RemoteName) -> Event {
        let slot = self.remote_slot(repo, remote);
        let reached = slot.and_then(|slot| Some((slot, self.reachable(repo, slot)?)));
        let Some((slot, target)) = reached else {
            return Event::Fetched {
                id,
                refs: self.refs(repo),
                there: Err(Away::Absent),
            };
        };
        if self.fails() || self.is_broken(repo, slot) {
            return Event::Fetched {
                id,
                refs: self.refs(repo),
                there: Err(Away::Unusable("it does not answer".into())),
            };
        }
        let (own, given) = (self.repos[target].heads, self.repos[target].synced);
        self.repos[repo].fetched.insert(slot, [own, given]);
        let newest = Branches {
            tree: if self.trees.contains(given.tree, own.tree) {
                given.tree
            } else {
                own.tree
            },
            annex: if self.annexes.contains(given.annex, own.annex) {
                given.annex
            } else {
                own.annex
            },
        };
        Event::Fetched {
            id,
            refs: self.refs(repo),
            there: Ok(self.heads(newest)),
        }
    }

    fn push(&mut self, repo: RepoNo, id: Id, remote: &RemoteName) -> Result<Event, Crash> {
        self.counts.pushes += 1;
        let refs = self.refs(repo);
        let ended = |pushed| Ok(Event::Pushed { id, refs, pushed });
        let slot = self.remote_slot(repo, remote);
        let reached = slot.and_then(|slot| Some((slot, self.reachable(repo, slot)?)));
        let Some((slot, target)) = reached else {
            return ended(Pushed::Away(Away::Absent));
        };
        if self.fails() || self.is_broken(repo, slot) {
            return ended(Pushed::Failed("a hook said no".into()));
        }
        let (ours, there, before) = (self.tip(repo), self.repos[target].heads, self.repos[target].synced);
        let mut after = before;
        let mut refused = false;
        if self.annexes.contains(ours.annex, before.annex) {
            after.annex = ours.annex;
        } else {
            refused |=
                !self.annexes.contains(before.annex, ours.annex) && !self.annexes.contains(there.annex, ours.annex);
        }
        self.repos[target].synced = after;
        let crash = self.small_step().is_err();
        if self.trees.contains(ours.tree, before.tree) {
            after.tree = if crash { before.tree } else { ours.tree };
        } else {
            refused |= !self.trees.contains(before.tree, ours.tree) && !self.trees.contains(there.tree, ours.tree);
        }
        self.repos[target].synced = after;
        if after != before {
            self.refs_changed(target);
        }
        match (crash, refused) {
            (true, _) => Err(Crash),
            (false, true) => ended(Pushed::Refused),
            (false, false) => ended(Pushed::Done(self.heads(ours))),
        }
    }

    fn observe(&mut self, repo: RepoNo, id: Id) -> Event {
        let tip = self.tip(repo);
        let heads = self.heads(tip);
        if self.fails() {
            return Event::Observed {
                id,
                heads,
                classes: Err("the database is locked".into()),
            };
        }
        let files = tip
            .tree
            .map_or_else(Rc::default, |commit| Rc::clone(&self.trees.at(commit).files));
        let live: BTreeSet<Content> = files.values().map(|entry| entry.content).collect();
        let facts = self.repos[repo]
            .heads
            .annex
            .map(|commit| Rc::clone(self.annexes.at(commit)))
            .unwrap_or_default();
        let mut keys: BTreeMap<Content, (u16, u16)> = live.iter().map(|content| (*content, (0, 0))).collect();
        for (&(content, of), &(_, present)) in facts.iter() {
            if present {
                keys.entry(content).or_default().0 |= 1 << of;
            }
        }
        let mut classes: BTreeMap<ClassName, Vec<Content>> = BTreeMap::new();
        for (content, (have, _)) in keys {
            let wanting = (0..self.repos.len()).filter(|&repo| live.contains(&content) && self.wants(repo, content));
            let want = wanting.fold(0, |want, repo| want | 1 << repo);
            let barred = self.repos[repo].barred.iter().filter(|(of, ..)| *of == content);
            let barred = barred.map(|(_, slot, direction)| (*slot, *direction)).collect();
            let is_spare = self.spare(repo, content, have, live.contains(&content)).is_some();
            classes.entry((have, want, barred, is_spare)).or_default().push(content);
        }
        let mut listed = Vec::new();
        let mut known = BTreeMap::new();
        for ((have, want, barred, is_spare), contents) in classes {
            let next = u32::try_from(self.class_ids.len()).unwrap_or(u32::MAX);
            let id = *self
                .class_ids
                .entry((have, want, barred.clone(), is_spare))
                .or_insert(next);
            let name = |slot: Slot| self.repos[repo].remotes[slot].name.clone();
            let uuids = |set: u16| -> BTreeSet<Uuid> {
                (0..self.repos.len())
                    .filter(|repo| set >> repo & 1 == 1)
                    .map(|repo| self.repos[repo].uuid.clone())
                    .collect()
            };
            listed.push(Class {
                id: ClassId(id),
                have: uuids(have),
                want: uuids(want),
                barred: barred.into_iter().map(|(slot, way)| (name(slot), way)).collect(),
                spare: contents
                    .first()
                    .filter(|_| is_spare)
                    .and_then(|content| self.spare(repo, *content, have, true)),
                keys: contents.len() as u64,
                bytes: 0,
            });
            known.insert(id, contents);
        }
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.classes = known;
        }
        if self.chance.one_in(4) {
            self.tell_later(repo, Event::Unfilled);
        }
        Event::Observed {
            id,
            heads,
            classes: Ok(listed),
        }
    }

    /// Kills an engine during a transfer: some content has arrived, but no log says so.
    pub(crate) fn crash_in(&mut self, repo: RepoNo, effect: Effect) {
        self.until_crash = Some(u32::try_from(self.chance.below(5)).unwrap_or(0));
        let event_is_lost = self.repos[repo].incarnation + 1;
        self.repos[repo].incarnation = event_is_lost;
        self.note(|| format!("r{repo} is killed in {effect:?}"));
        self.carry_out(repo, effect);
        self.until_crash = None;
    }
}
