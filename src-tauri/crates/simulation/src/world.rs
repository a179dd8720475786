//! The world: repositories, a clock, and a queue of what is going to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use assistant::{Abilities, About, Assistant, Direction, Effect, Event, Heads, Id, Question, RemoteFacts, Root};
use model::{Cost, Key, Medium, Oid, RemoteName, RepoPath, Timestamp, Uuid};

use crate::chance::Chance;
use crate::happenings::Happening;
use crate::history::{CommitNo, Commits, Content, Facts, Files, Numbers, PathNo, Tree};
use crate::invariants::{self, UnderWay};
use crate::transfers::Transfer;

/// Names a repository in the world.
pub(crate) type RepoNo = usize;
/// Names a remote of one repository.
pub(crate) type Slot = usize;
/// The common properties of the keys of a class: who has them, who wants them, how they may not travel, and whether they are
/// spare here.
pub(crate) type ClassName = (u16, u16, BTreeSet<(Slot, Direction)>, bool);

/// A remote as one repository has it configured.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) name: RemoteName,
    pub(crate) target: RepoNo,
    pub(crate) cost: Cost,
    pub(crate) pull: bool,
    pub(crate) push: bool,
    pub(crate) content: bool,
    /// The link is cut.
    pub(crate) is_cut: bool,
    /// Everything done with it takes seconds.
    pub(crate) is_slow: bool,
    /// It is there, but everything done with it fails.
    pub(crate) is_broken: bool,
}

/// Which contents a repository wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Everything,
    Nothing,
    /// Every other content.
    Half,
}

/// Where a repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where every link leads.
    Anywhere,
    /// A drive, plugged in at one repository's machine or nowhere.
    At(Option<RepoNo>),
}

/// The branches that a repository was given and has to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Branches {
    pub(crate) tree: Option<CommitNo>,
    pub(crate) annex: Option<CommitNo>,
}

/// The result of the last scan.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) look: Id,
    pub(crate) changed: Vec<PathNo>,
    pub(crate) removed: Vec<PathNo>,
    /// How many files were gone without the user's word, those out of the look's sight included, and how many there should
    /// have been.
    pub(crate) all_gone: usize,
    pub(crate) tracked: usize,
}

/// A running engine: what is lost in a crash.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) assistant: Assistant,
    /// The observations: for each class, its keys.
    pub(crate) classes: BTreeMap<u32, Vec<Content>>,
    /// When a key may be tried again with a remote, and how often it failed.
    pub(crate) backed_off: BTreeMap<(Content, Slot), (u32, Timestamp)>,
    /// Content that the user moved to the front, and where it goes.
    pub(crate) firsts: BTreeSet<(Content, RepoNo)>,
    /// Transfers that the user cancelled: the content, its destination, and when it resumes.
    pub(crate) held: BTreeMap<(Content, RepoNo), Timestamp>,
    pub(crate) found: Option<Findings>,
    /// Commits whose deletions wait for the user, each with the commit that was checked out when that was found.
    pub(crate) held_deletions: BTreeSet<(Option<CommitNo>, CommitNo)>,
    pub(crate) transfers: BTreeMap<Id, Transfer>,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) under_way: UnderWay,
}

/// One repository.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) uuid: Uuid,
    pub(crate) has_engine: bool,
    pub(crate) remotes: Vec<Remote>,
    pub(crate) wants: Wants,
    pub(crate) place: Place,
    pub(crate) root: Root,
    pub(crate) files: BTreeMap<PathNo, Content>,
    /// Files that are being written.
    pub(crate) writing: BTreeSet<PathNo>,
    /// Ignored files that are in the way of what comes from elsewhere.
    pub(crate) ignored: BTreeSet<PathNo>,
    pub(crate) index: Files,
    /// What is checked out and logged here.
    pub(crate) heads: Branches,
    /// The last merge, if some of its paths wait to be checked out; unknown to an engine that has just started.
    pub(crate) ahead: Option<CommitNo>,
    /// What was pushed here.
    pub(crate) synced: Branches,
    /// What was fetched from each remote: its own branches and those pushed to it.
    pub(crate) fetched: BTreeMap<Slot, [Branches; 2]>,
    pub(crate) objects: BTreeSet<Content>,
    pub(crate) damaged: BTreeSet<Content>,
    /// Ways that contents may not travel, by the user's rules for directories.
    pub(crate) barred: BTreeSet<(Content, Slot, Direction)>,
    /// Files that the user said were removed on purpose, and nobody wrote since.
    pub(crate) confirmed: BTreeSet<PathNo>,
    /// When merges were blocked or left paths waiting, since the last that did neither and since the engine started.
    pub(crate) blocked_at: Vec<Timestamp>,
    pub(crate) engine: Option<Engine>,
    pub(crate) incarnation: u32,
}

/// Something that is going to happen.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Tell {
        repo: RepoNo,
        incarnation: u32,
        event: Event,
    },
    Do {
        repo: RepoNo,
        incarnation: u32,
        effect: Effect,
    },
    Transfer {
        repo: RepoNo,
        incarnation: u32,
        id: Id,
    },
    Wake {
        repo: RepoNo,
        incarnation: u32,
        at: Timestamp,
    },
    Happen(Happening),
}

/// What went wrong in a run.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// The invariant and how it was broken.
    pub why: String,
}

/// How often things were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Steps of the world.
    pub steps: u64,
    /// Commits of work trees.
    pub commits: u64,
    /// Pushes that were tried.
    pub pushes: u64,
    /// Contents that arrived.
    pub arrived: u64,
    /// Contents that a transfer found at their destination already.
    pub already_there: u64,
    /// Contents that were dropped.
    pub dropped: u64,
    /// Contents that the user cancelled on their way.
    pub cancelled: u64,
    /// Merges that were tried.
    pub merges: u64,
    /// Engines that were killed.
    pub crashes: u64,
    /// Deletions that were asked about.
    pub questions: u64,
    /// Deletions that arrived and were asked about.
    pub held: u64,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) chance: Chance,
    pub(crate) repos: Vec<Repo>,
    pub(crate) trees: Commits<Tree>,
    pub(crate) annexes: Commits<Rc<Facts>>,
    pub(crate) numbers: Numbers,
    /// Commits that are not merges.
    pub(crate) own_commits: Vec<CommitNo>,
    /// Commits whose deletions a user wants, and in which repository.
    pub(crate) agreed: BTreeSet<(RepoNo, Oid)>,
    /// Contents that exist; a content that is only being written is not to be committed.
    pub(crate) contents: Vec<Key>,
    pub(crate) unfinished: BTreeSet<Content>,
    /// Contents whose copies were damaged by the world.
    pub(crate) harmed: BTreeSet<Content>,
    pub(crate) class_ids: BTreeMap<ClassName, u32>,
    queue: BTreeMap<(Timestamp, u32, u64), Step>,
    serial: u64,
    /// Steps in the queue that are not wakes.
    busy_steps: usize,
    last_substance: Timestamp,
    /// Nothing fails any more.
    pub(crate) is_calm: bool,
    /// Merges of the same two commits give the same commit everywhere.
    pub(crate) reproducible: bool,
    /// How many more small steps are carried out before the crash.
    pub(crate) until_crash: Option<u32>,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<String>,
    trace: Option<String>,
}

/// At most this many paths get a name.
pub(crate) fn path_name(path: PathNo) -> RepoPath {
    RepoPath::parse(format!("d{}/f{path}", path % 3).as_bytes()).expect("because digits and letters are a path")
}

pub(crate) fn path_number(path: &RepoPath) -> PathNo {
    let name = std::str::from_utf8(path.as_bytes()).unwrap_or_default();
    name.rsplit('f')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(PathNo::MAX)
}

impl World {
    pub(crate) fn new(seed: u64, tracing: bool) -> Self {
        Self {
            now: Timestamp(1000),
            chance: Chance::from_seed(seed),
            repos: Vec::new(),
            trees: Commits::new(0xcc),
            annexes: Commits::new(0xaa),
            numbers: Numbers {
                paths: 200,
                dots: 0,
                variants: crate::history::Variants::default(),
            },
            own_commits: Vec::new(),
            agreed: BTreeSet::new(),
            contents: Vec::new(),
            unfinished: BTreeSet::new(),
            harmed: BTreeSet::new(),
            class_ids: BTreeMap::new(),
            queue: BTreeMap::new(),
            serial: 0,
            busy_steps: 0,
            last_substance: Timestamp(0),
            is_calm: false,
            reproducible: true,
            until_crash: None,
            counts: Counts::default(),
            violation: None,
            trace: tracing.then(String::new),
        }
    }

    /// What happened, a line each; empty unless the world was made to trace.
    pub(crate) fn into_trace(self) -> String {
        self.trace.unwrap_or_default()
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now.0;
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "{now:>8} {}", what());
        }
    }

    pub(crate) fn violated(&mut self, why: String) {
        self.violation.get_or_insert(why);
    }

    pub(crate) fn check(&mut self, held: Result<(), String>) {
        if let Err(why) = held {
            self.violated(why);
        }
    }

    /// A new content, as a user makes one.
    pub(crate) fn new_content(&mut self) -> Content {
        let number = self.contents.len();
        let size = if number % 4 == 3 { 2 << 20 } else { 100 + number };
        let key =
            Key::parse(format!("SHA256E-s{size}--c{number}").as_bytes()).expect("because it has the form of a key");
        self.contents.push(key);
        Content::try_from(number).expect("because a run is short")
    }

    pub(crate) fn content_of(key: &Key) -> Content {
        let text = std::str::from_utf8(key.as_bytes()).unwrap_or_default();
        text.rsplit('c')
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(Content::MAX)
    }

    /// Mostly a moment, now and then seconds.
    pub(crate) fn a_while(&mut self) -> Duration {
        let most = if self.chance.one_in(16) { 2500 } else { 30 };
        Duration::from_millis(self.chance.between(1, most))
    }

    pub(crate) fn schedule(&mut self, after: Duration, step: Step) {
        self.serial += 1;
        if !matches!(step, Step::Wake { .. }) {
            self.busy_steps += 1;
        }
        let any_order = self.chance.draw() as u32;
        self.queue.insert((self.now + after, any_order, self.serial), step);
    }

    pub(crate) fn tell_later(&mut self, repo: RepoNo, event: Event) {
        if self.repos[repo].engine.is_some() {
            let (after, incarnation) = (self.a_while(), self.repos[repo].incarnation);
            self.schedule(
                after,
                Step::Tell {
                    repo,
                    incarnation,
                    event,
                },
            );
        }
    }

    /// Tells at once of all files of a repository that have changed.
    pub(crate) fn tell_of_files(&mut self, of: RepoNo) {
        let is_of_files = |step: &Step| match step {
            Step::Tell { repo, event, .. } => {
                *repo == of && matches!(event, Event::FilesChanged(_) | Event::CountLost(_))
            }
            Step::Do { .. } | Step::Transfer { .. } | Step::Wake { .. } | Step::Happen(_) => false,
        };
        let due: Vec<_> = self.queue.extract_if(.., |_, step| is_of_files(step)).collect();
        for (_, step) in due {
            self.busy_steps -= 1;
            if let Step::Tell {
                repo,
                incarnation,
                event,
            } = step
                && self.is_alive(repo, incarnation)
            {
                self.tell(repo, event);
            }
        }
    }

    /// An effect of this repository that is waiting to be carried out.
    pub(crate) fn waiting_effects(&self, of: RepoNo) -> Vec<Effect> {
        let ours = |step: &Step| match step {
            Step::Do {
                repo,
                incarnation,
                effect,
            } => (*repo == of && *incarnation == self.repos[of].incarnation).then(|| effect.clone()),
            Step::Tell { .. } | Step::Transfer { .. } | Step::Wake { .. } | Step::Happen(_) => None,
        };
        self.queue.values().filter_map(ours).collect()
    }

    /// Lets the world go on until nothing is left to happen but looking for remotes that are away. What was cancelled goes
    /// on after an hour.
    pub(crate) fn run_until_quiet(&mut self, most_steps: u64) {
        let last = self.counts.steps + most_steps;
        while self.violation.is_none() {
            let Some((&(at, ..), _)) = self.queue.first_key_value() else {
                return;
            };
            if self.busy_steps == 0 && at.since(self.last_substance) > Duration::from_secs(4000) {
                return;
            }
            if self.counts.steps > last {
                self.violated(format!("I19 termination: still busy after {most_steps} steps"));
            }
            self.step();
        }
    }

    pub(crate) fn run_until(&mut self, end: Timestamp) {
        while self.violation.is_none() && self.queue.first_key_value().is_some_and(|((at, ..), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        let Some(((at, ..), step)) = self.queue.pop_first() else {
            return;
        };
        self.now = at;
        self.counts.steps += 1;
        if !matches!(step, Step::Wake { .. }) {
            self.busy_steps -= 1;
        }
        match step {
            Step::Tell {
                repo,
                incarnation,
                event,
            } => {
                if self.is_alive(repo, incarnation) {
                    self.tell(repo, event);
                }
            }
            Step::Do {
                repo,
                incarnation,
                effect,
            } => {
                if self.is_alive(repo, incarnation) {
                    self.carry_out(repo, effect);
                }
            }
            Step::Transfer { repo, incarnation, id } => {
                if self.is_alive(repo, incarnation) {
                    self.transfer_on(repo, id);
                }
            }
            Step::Wake { repo, incarnation, at } => {
                let awaited = |engine: &Engine| engine.wake_at == Some(at);
                if self.is_alive(repo, incarnation) && self.repos[repo].engine.as_ref().is_some_and(awaited) {
                    self.tell(repo, Event::Woke);
                }
            }
            Step::Happen(what) => self.happen(what),
        }
    }

    fn is_alive(&self, repo: RepoNo, incarnation: u32) -> bool {
        self.repos[repo].incarnation == incarnation && self.repos[repo].engine.is_some()
    }

    /// Gives an event to the assistant and starts what it answers.
    pub(crate) fn tell(&mut self, repo: RepoNo, event: Event) {
        self.note(|| format!("r{repo} <- {event:?}"));
        let (now, incarnation) = (self.now, self.repos[repo].incarnation);
        let Some(engine) = self.repos[repo].engine.as_mut() else {
            return;
        };
        let mut held = engine.under_way.learn(&event);
        let was_woken = event == Event::Woke;
        let effects = engine.assistant.handle(now, event);
        for effect in &effects {
            held = held.and(engine.under_way.start(effect));
        }
        held = held.and(engine.under_way.obeys_the_rules());
        held = held.and(invariants::no_spin(now, &engine.assistant));
        let wake_at = engine.assistant.next_wake();
        if engine.wake_at != wake_at || was_woken {
            engine.wake_at = wake_at;
            if let Some(at) = wake_at {
                self.schedule(at.since(now), Step::Wake { repo, incarnation, at });
            }
        }
        for effect in effects {
            self.start(repo, effect);
        }
        self.check(held.map_err(|why| format!("r{repo}: {why}")));
    }

    fn start(&mut self, repo: RepoNo, effect: Effect) {
        self.note(|| format!("r{repo} -> {effect:?}"));
        if !matches!(effect, Effect::Probe { .. }) {
            self.last_substance = self.now;
        }
        if let Effect::Ask(question) = effect {
            self.asked(repo, question);
            return;
        }
        let slow = effect
            .remote()
            .and_then(|name| self.remote_slot(repo, name))
            .is_some_and(|slot| self.repos[repo].remotes[slot].is_slow);
        let after = if slow {
            Duration::from_millis(self.chance.between(1000, 9000))
        } else {
            self.a_while()
        };
        let incarnation = self.repos[repo].incarnation;
        self.schedule(
            after,
            Step::Do {
                repo,
                incarnation,
                effect,
            },
        );
    }

    fn asked(&mut self, repo: RepoNo, question: Question) {
        match question.about() {
            About::Removed => self.counts.questions += 1,
            About::Deleted(_) => self.counts.held += 1,
            About::Remote(_) => {}
        }
        let after = Duration::from_millis(self.chance.between(50, 4000));
        let yes = self.chance.one_in(2);
        self.schedule(after, Step::Happen(Happening::Answer { repo, question, yes }));
    }

    pub(crate) fn remote_slot(&self, repo: RepoNo, name: &RemoteName) -> Option<Slot> {
        self.repos[repo].remotes.iter().position(|remote| remote.name == *name)
    }

    /// The repository at the other end, if it can be reached now.
    pub(crate) fn reachable(&self, repo: RepoNo, slot: Slot) -> Option<RepoNo> {
        let remote = &self.repos[repo].remotes[slot];
        let target = &self.repos[remote.target];
        let there = match target.place {
            Place::Anywhere => true,
            Place::At(machine) => machine == Some(repo),
        };
        (there && !remote.is_cut && target.root == Root::Same).then_some(remote.target)
    }

    pub(crate) fn wants(&self, repo: RepoNo, content: Content) -> bool {
        match self.repos[repo].wants {
            Wants::Everything => true,
            Wants::Nothing => false,
            Wants::Half => content.is_multiple_of(2),
        }
    }

    pub(crate) fn has_good(&self, repo: RepoNo, content: Content) -> bool {
        self.repos[repo].objects.contains(&content) && !self.repos[repo].damaged.contains(&content)
    }

    /// What the configuration says of the remotes.
    pub(crate) fn remote_facts(&self, repo: RepoNo) -> Vec<RemoteFacts> {
        let facts = |remote: &Remote| RemoteFacts {
            name: remote.name.clone(),
            uuid: None,
            medium: Medium::Disk,
            cost: remote.cost,
            abilities: Abilities {
                fetch: remote.pull,
                push: remote.push,
                get: remote.pull && remote.content,
                send: remote.push && remote.content,
                ..Abilities::ALL
            },
            seen: Heads::default(),
        };
        self.repos[repo].remotes.iter().map(facts).collect()
    }
}
