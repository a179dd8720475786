//! What users and the world do to repositories: edits, pulled drives, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use assistant::{About, Assistant, Direction, Event, Question, Root};

use model::{Key, RemoteName};

use crate::history::{Content, PathNo};
use crate::invariants::UnderWay;
use crate::world::{Engine, Place, RepoNo, Slot, Step, World};

/// How many paths users write to; few, so that they meet.
const PATHS: usize = 9;

/// Something that no engine does.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The user does something in a work tree.
    Edit(RepoNo),
    /// A file that was being written is complete.
    Written {
        repo: RepoNo,
        path: PathNo,
    },
    /// Files disappear at once, and nobody deleted them.
    Vanish(RepoNo),
    /// The top of the work tree disappears.
    RootGone(RepoNo),
    RootBack(RepoNo),
    Crash(RepoNo),
    Restart(RepoNo),
    /// A drive is pulled or plugged.
    Plug {
        drive: RepoNo,
        at: Option<RepoNo>,
    },
    Link {
        repo: RepoNo,
        slot: Slot,
        is_cut: bool,
    },
    Pause(RepoNo),
    Resume(RepoNo),
    SyncAsked(RepoNo),
    /// The user puts a content first.
    First(RepoNo),
    /// The user cancels a transfer.
    Cancel(RepoNo),
    Answer {
        repo: RepoNo,
        question: Question,
        yes: bool,
    },
    /// A copy of a content goes bad.
    Damage,
    /// A rule of a remote is changed.
    Rule(RepoNo),
    /// Something is reported that is not so, or not any more.
    Echo(RepoNo),
    /// An ignored file comes to lie where others have a file.
    Obstacle(RepoNo),
}

impl World {
    pub(crate) fn happen(&mut self, what: Happening) {
        self.note(|| format!("   ** {what:?}"));
        match what {
            Happening::Edit(repo) => self.edit(repo),
            Happening::Written { repo, path } => self.written(repo, path),
            Happening::Vanish(repo) => self.vanish(repo),
            Happening::RootGone(repo) => {
                self.repos[repo].root = if self.chance.one_in(2) {
                    Root::Vanished
                } else {
                    Root::Replaced
                };
                let paths: Vec<_> = self.repos[repo].index.keys().copied().collect();
                self.files_changed(repo, &paths);
                self.places_changed(repo);
            }
            Happening::RootBack(repo) => {
                if self.repos[repo].root != Root::Same {
                    self.repos[repo].root = Root::Same;
                    self.everybody_sees_places_change();
                }
            }
            Happening::Crash(repo) => self.crash(repo),
            Happening::Restart(repo) => self.start_engine(repo),
            Happening::Plug { drive, at } => {
                if self.repos[drive].place != Place::Anywhere {
                    self.repos[drive].place = Place::At(at);
                    self.everybody_sees_places_change();
                }
            }
            Happening::Link { repo, slot, is_cut } => {
                self.repos[repo].remotes[slot].is_cut = is_cut;
                if !is_cut || self.chance.one_in(2) {
                    self.places_changed(repo);
                }
            }
            Happening::Pause(repo) => self.tell_now(repo, Event::Paused),
            Happening::Resume(repo) => self.tell_now(repo, Event::Resumed),
            Happening::SyncAsked(repo) => {
                if let Some(engine) = &mut self.repos[repo].engine {
                    engine.held.clear();
                }
                self.tell_now(repo, Event::SyncAsked);
            }
            Happening::First(repo) => self.put_first(repo),
            Happening::Cancel(repo) => self.cancel(repo),
            Happening::Answer { repo, question, yes } => self.answer(repo, question, yes),
            Happening::Damage => self.damage(),
            Happening::Rule(repo) => self.change_rule(repo),
            Happening::Echo(repo) => self.echo(repo),
            Happening::Obstacle(repo) => {
                let path = self.some_path();
                if !self.repos[repo].files.contains_key(&path) {
                    self.repos[repo].ignored.insert(path);
                }
            }
        }
    }

    fn tell_now(&mut self, repo: RepoNo, event: Event) {
        if self.repos[repo].engine.is_some() {
            self.tell(repo, event);
        }
    }

    /// A content that may be anywhere, on its way to anywhere that the repository knows.
    fn put_first(&mut self, repo: RepoNo) {
        let content = self.chance.below(self.contents.len()) as Content;
        let slot = self.chance.below(self.repos[repo].remotes.len() + 1);
        let remote = self.repos[repo].remotes.get(slot);
        let destination = remote.map_or(repo, |remote| remote.target);
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.held.remove(&(content, destination));
            engine.backed_off.remove(&(content, slot));
            engine.firsts.insert((content, destination));
        }
        self.tell_now(repo, Event::FirstAsked);
    }

    /// One that is under way, or one that has just ended; mostly the next, if there is none.
    fn cancel(&mut self, repo: RepoNo) {
        let engine = self.repos[repo].engine.as_ref();
        let under_way = engine.map(|engine| engine.under_way.transfers()).unwrap_or_default();
        if let Some(id) = self.chance.pick(&under_way) {
            self.tell_now(repo, Event::CancelAsked { id });
            if self.chance.one_in(4) {
                self.tell_later(repo, Event::CancelAsked { id });
            }
        } else if !self.chance.one_in(20) {
            let after = Duration::from_millis(self.chance.between(5, 50));
            self.schedule(after, Step::Happen(Happening::Cancel(repo)));
        }
    }

    fn some_path(&mut self) -> PathNo {
        PathNo::try_from(self.chance.below(PATHS)).unwrap_or(0)
    }

    fn places_changed(&mut self, repo: RepoNo) {
        self.tell_later(repo, Event::MountsChanged);
    }

    fn everybody_sees_places_change(&mut self) {
        for repo in 0..self.repos.len() {
            self.places_changed(repo);
        }
    }

    fn edit(&mut self, repo: RepoNo) {
        if self.repos[repo].root != Root::Same {
            return;
        }
        let there: Vec<PathNo> = self.repos[repo].files.keys().copied().collect();
        match self.chance.below(12) {
            0..=5 => {
                let path = self.some_path();
                self.write(repo, path);
                self.files_changed(repo, &[path]);
            }
            6 | 7 => {
                let burst: BTreeSet<PathNo> = (0..=self.chance.below(7)).map(|_| self.some_path()).collect();
                for &path in &burst {
                    self.write(repo, path);
                    self.files_changed(repo, &[path]);
                }
            }
            8 => {
                if let Some(path) = self.chance.pick(&there) {
                    self.remove(repo, path);
                    self.files_changed(repo, &[path]);
                }
            }
            9 => {
                let (from, to) = (self.chance.pick(&there), self.some_path());
                let from = from.filter(|from| *from != to && !self.repos[repo].writing.contains(from));
                if let Some(from) = from
                    && let Some(content) = self.repos[repo].files.get(&from).copied()
                {
                    self.remove(repo, from);
                    self.put(repo, to, content);
                    self.files_changed(repo, &[from]);
                    self.files_changed(repo, &[to]);
                }
            }
            10 => {
                let path = self.some_path();
                let content = self.write(repo, path);
                self.unfinished.insert(content);
                self.repos[repo].writing.insert(path);
                self.files_changed(repo, &[path]);
                let after = Duration::from_millis(self.chance.between(10, 4000));
                self.schedule(after, Step::Happen(Happening::Written { repo, path }));
            }
            _ => {
                let kept = self.chance.below(3);
                let removed: Vec<PathNo> = there.into_iter().skip(kept).collect();
                for &path in &removed {
                    self.remove(repo, path);
                }
                self.files_changed(repo, &removed);
            }
        }
    }

    fn write(&mut self, repo: RepoNo, path: PathNo) -> u16 {
        let content = self.new_content();
        self.put(repo, path, content);
        content
    }

    fn put(&mut self, repo: RepoNo, path: PathNo, content: u16) {
        let here = &mut self.repos[repo];
        here.files.insert(path, content);
        here.writing.remove(&path);
        here.ignored.remove(&path);
        here.confirmed.remove(&path);
    }

    fn remove(&mut self, repo: RepoNo, path: PathNo) {
        let here = &mut self.repos[repo];
        here.files.remove(&path);
        here.writing.remove(&path);
    }

    fn written(&mut self, repo: RepoNo, path: PathNo) {
        if !self.repos[repo].writing.remove(&path) {
            return;
        }
        if self.chance.one_in(3) {
            // Nothing more was written, so nothing is seen to change.
            if let Some(content) = self.repos[repo].files.get(&path) {
                self.unfinished.remove(content);
            }
            return;
        }
        self.write(repo, path);
        self.files_changed(repo, &[path]);
    }

    /// Enough files that it must be asked about.
    fn vanish(&mut self, repo: RepoNo) {
        let here = &mut self.repos[repo];
        let there: Vec<PathNo> = here
            .files
            .keys()
            .filter(|path| here.index.contains_key(path))
            .copied()
            .collect();
        if here.root != Root::Same || there.len() < 5 || there.len() * 2 <= here.index.len() {
            return;
        }
        for path in &there {
            here.files.remove(path);
            here.writing.remove(path);
        }
        self.files_changed(repo, &there);
    }

    fn answer(&mut self, repo: RepoNo, question: Question, yes: bool) {
        let here = &mut self.repos[repo];
        let questions = here.engine.as_ref().map(|engine| engine.assistant.questions());
        let is_open = questions.is_some_and(|open| open.iter().any(|open| open.is_same(&question)));
        if yes && is_open {
            match question.about() {
                About::Removed => {
                    let gone = here.index.keys().filter(|path| !here.files.contains_key(path));
                    let gone: Vec<_> = gone.copied().collect();
                    here.confirmed.extend(gone);
                }
                About::Deleted(commit) => {
                    self.agreed.insert((repo, commit));
                }
                About::Remote(_) => {}
            }
        }
        self.tell_now(repo, Event::Answered { question, yes });
    }

    fn damage(&mut self) {
        let repo = self.chance.below(self.repos.len());
        let objects: Vec<_> = self.repos[repo].objects.iter().copied().collect();
        let Some(content) = self.chance.pick(&objects) else {
            return;
        };
        self.repos[repo].damaged.insert(content);
        self.harmed.insert(content);
        let key = self.contents[usize::from(content)].clone();
        for engine in self.repos.iter_mut().filter_map(|repo| repo.engine.as_mut()) {
            engine.under_way.damaged(&key);
        }
    }

    fn change_rule(&mut self, repo: RepoNo) {
        let slot = self.chance.below(self.repos[repo].remotes.len());
        let which = self.chance.below(4);
        if which == 3 {
            return self.change_barred(repo, slot);
        }
        let Some(remote) = self.repos[repo].remotes.get_mut(slot) else {
            return;
        };
        let rule = match which {
            0 => &mut remote.pull,
            1 => &mut remote.push,
            _ => &mut remote.content,
        };
        *rule = !*rule;
        let facts = self.remote_facts(repo);
        self.tell_now(repo, Event::RemotesListed(facts));
    }

    /// The user writes rules for directories: some contents may not travel to or from a remote; or takes all back.
    fn change_barred(&mut self, repo: RepoNo, slot: Slot) {
        let direction = if self.chance.one_in(2) {
            Direction::Get
        } else {
            Direction::Send
        };
        if !self.repos[repo].barred.is_empty() && self.chance.one_in(2) {
            self.repos[repo].barred.clear();
        } else if slot < self.repos[repo].remotes.len() {
            for content in 0..self.contents.len() {
                if self.chance.one_in(2) {
                    self.repos[repo].barred.insert((content as Content, slot, direction));
                }
            }
        }
        self.note(|| format!("r{repo} has other rules"));
        let barred = self.barred_keys(repo);
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.under_way.barred = barred;
        }
        self.tell_now(repo, Event::RulesChanged);
    }

    fn barred_keys(&self, repo: RepoNo) -> BTreeSet<(Key, RemoteName, Direction)> {
        let barred = self.repos[repo].barred.iter();
        barred
            .map(|&(content, slot, direction)| {
                let key = self.contents[usize::from(content)].clone();
                (key, self.repos[repo].remotes[slot].name.clone(), direction)
            })
            .collect()
    }

    fn echo(&mut self, repo: RepoNo) {
        let refs = self.refs(repo);
        let names: Vec<_> = self.repos[repo]
            .remotes
            .iter()
            .map(|remote| remote.name.clone())
            .collect();
        match self.chance.below(6) {
            0 if self.chance.one_in(2) => self.tell_later(repo, Event::NetworkChanged),
            0 => self.tell_later(repo, Event::PlacesChanged),
            4 => self.tell_later(repo, Event::RulesChanged),
            1 => self.tell_later(repo, Event::RefsMoved(refs)),
            2 => self.tell_later(repo, Event::Woke),
            3 => {
                let path = self.some_path();
                self.files_changed(repo, &[path]);
            }
            _ => {
                if let Some(name) = names.first() {
                    self.tell_later(repo, Event::RemoteRefsMoved(name.clone()));
                }
            }
        }
    }

    /// Kills an engine, at times in the middle of an effect.
    fn crash(&mut self, repo: RepoNo) {
        if self.repos[repo].engine.is_none() {
            return;
        }
        self.counts.crashes += 1;
        let waiting = self.waiting_effects(repo);
        let at = self.chance.below(waiting.len() + 1);
        if let Some(effect) = waiting.into_iter().nth(at) {
            self.crash_in(repo, effect);
        }
        self.repos[repo].engine = None;
        self.repos[repo].incarnation += 1;
        let after = Duration::from_millis(self.chance.between(1, 3000));
        self.schedule(after, Step::Happen(Happening::Restart(repo)));
    }

    /// A new engine knows nothing but the repository.
    pub(crate) fn start_engine(&mut self, repo: RepoNo) {
        let mut under_way = UnderWay::default();
        under_way.barred = self.barred_keys(repo);
        for content in &self.harmed {
            under_way.damaged(&self.contents[usize::from(*content)]);
        }
        let here = &mut self.repos[repo];
        if here.engine.is_some() {
            return;
        }
        // An engine does not start on a folder that is not there.
        here.root = Root::Same;
        here.incarnation += 1;
        // A new assistant does not know what was tried before.
        here.blocked_at.clear();
        here.ahead = None;
        let seed = self.chance.draw();
        here.engine = Some(Engine {
            assistant: Assistant::new(here.uuid.clone(), seed, self.now),
            classes: BTreeMap::new(),
            backed_off: BTreeMap::new(),
            firsts: BTreeSet::new(),
            held: BTreeMap::new(),
            found: None,
            held_deletions: BTreeSet::new(),
            transfers: BTreeMap::new(),
            wake_at: None,
            under_way,
        });
        let mut first = [
            Event::RefsMoved(self.refs(repo)),
            Event::RemotesListed(self.remote_facts(repo)),
        ];
        if self.chance.one_in(2) {
            first.reverse();
        }
        for event in first {
            self.tell(repo, event);
        }
    }

    /// All that fails or is away comes right again.
    pub(crate) fn heal(&mut self) {
        self.is_calm = true;
        self.note(|| "   ** all is well".into());
        for repo in 0..self.repos.len() {
            let writing: Vec<_> = self.repos[repo].writing.iter().copied().collect();
            for path in writing {
                self.written(repo, path);
            }
            self.repos[repo].ignored.clear();
            for slot in 0..self.repos[repo].remotes.len() {
                self.repos[repo].remotes[slot].is_cut = false;
                self.repos[repo].remotes[slot].is_slow = false;
            }
            self.happen(Happening::RootBack(repo));
            if self.repos[repo].has_engine {
                self.start_engine(repo);
                self.happen(Happening::Resume(repo));
            }
        }
        self.everybody_sees_places_change();
    }
}
