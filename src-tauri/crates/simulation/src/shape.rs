//! Which world a seed makes, and how a schedule goes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use assistant::Root;
use model::{Cost, RemoteName, Timestamp, Uuid};

use crate::chance::Chance;
use crate::happenings::Happening;
use crate::history::Files;
use crate::world::{Branches, Counts, Place, Remote, Repo, RepoNo, Step, Violation, Wants, World};

/// What is varied from one family of schedules to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// Something fails, vanishes or crashes now and then.
    pub faults: bool,
    /// Rules forbid some ways.
    pub rules: bool,
    /// Two ends that merge the same commits make different commits of them, as engines without fixed merge times would.
    pub merges_differ: bool,
}

/// More steps than this in calm are a livelock.
const STEPS_TO_CALM: u64 = 12_000;

/// Plays the schedule of a seed. Gives what was done or which invariant broke, and the trace if asked for.
pub fn run(seed: u64, setting: Setting, tracing: bool) -> (Result<Counts, Violation>, String) {
    let mut world = World::new(seed, tracing);
    world.reproducible = !setting.merges_differ;
    let drives = build(&mut world, setting);
    live(&mut world, setting, &drives);
    wait_for_rest(&mut world, setting, &drives);
    let ended = match world.violation.clone() {
        None => Ok(world.counts),
        Some(why) => Err(Violation { seed, why }),
    };
    (ended, world.into_trace())
}

fn repo(number: RepoNo, has_engine: bool, place: Place, wants: Wants) -> Repo {
    Repo {
        uuid: Uuid::parse(&format!("u{number}")).expect("because letters and digits are a uuid"),
        has_engine,
        remotes: Vec::new(),
        wants,
        place,
        root: Root::Same,
        files: BTreeMap::new(),
        writing: BTreeSet::new(),
        ignored: BTreeSet::new(),
        index: Files::new(),
        heads: Branches::default(),
        ahead: None,
        synced: Branches::default(),
        fetched: BTreeMap::new(),
        objects: BTreeSet::new(),
        damaged: BTreeSet::new(),
        barred: BTreeSet::new(),
        confirmed: BTreeSet::new(),
        blocked_at: Vec::new(),
        engine: None,
        incarnation: 0,
    }
}

fn link(world: &mut World, from: RepoNo, to: RepoNo) {
    let cost = if world.chance.one_in(2) {
        Cost::LOCAL
    } else {
        Cost::NETWORK
    };
    world.repos[from].remotes.push(Remote {
        name: RemoteName::parse(&format!("r{to}")).expect("because letters and digits are a name"),
        target: to,
        cost,
        pull: true,
        push: true,
        content: true,
        is_cut: false,
        is_slow: false,
        is_broken: false,
    });
}

fn both(world: &mut World, a: RepoNo, b: RepoNo) {
    link(world, a, b);
    link(world, b, a);
}

/// Makes repositories and links; gives the drives that are carried around.
fn build(world: &mut World, setting: Setting) -> Vec<RepoNo> {
    let wants = |chance: &mut Chance| match chance.below(8) {
        0 => Wants::Half,
        1 if setting.rules => Wants::Nothing,
        _ => Wants::Everything,
    };
    let engines = 2 + world.chance.below(2);
    for number in 0..engines {
        let wants = wants(&mut world.chance);
        world.repos.push(repo(number, true, Place::Anywhere, wants));
    }
    let mut drives = Vec::new();
    let drive = |world: &mut World, place| {
        let (number, wants) = (world.repos.len(), wants(&mut world.chance));
        world.repos.push(repo(number, false, place, wants));
        number
    };
    match world.chance.below(6) {
        0 => {
            for a in 0..engines {
                for b in a + 1..engines {
                    both(world, a, b);
                }
            }
        }
        1 => (1..engines).for_each(|b| both(world, b - 1, b)),
        2 => (1..engines).for_each(|b| link(world, b, 0)),
        3 => {
            let hub = drive(world, Place::Anywhere);
            (0..engines).for_each(|a| link(world, a, hub));
        }
        4 => {
            let carried = drive(world, Place::At(Some(0)));
            drives.push(carried);
            (0..engines).for_each(|a| link(world, a, carried));
        }
        _ => {
            (1..engines).for_each(|b| both(world, b - 1, b));
            let carried = drive(world, Place::At(Some(0)));
            drives.push(carried);
            (0..engines).for_each(|a| link(world, a, carried));
        }
    }
    let first = world.annexes.commit(&[], Rc::default());
    for repo in &mut world.repos {
        repo.heads.annex = Some(first);
    }
    if setting.rules {
        for repo in 0..engines {
            for slot in 0..world.repos[repo].remotes.len() {
                let (pull, push, content) = (
                    !world.chance.one_in(5),
                    !world.chance.one_in(5),
                    !world.chance.one_in(8),
                );
                let remote = &mut world.repos[repo].remotes[slot];
                (remote.pull, remote.push, remote.content) = (pull, push, content);
            }
        }
    }
    drives
}

/// Some seconds of life: users edit, and what can go wrong does.
fn live(world: &mut World, setting: Setting, drives: &[RepoNo]) {
    world.is_calm = !setting.faults;
    let engines: Vec<RepoNo> = (0..world.repos.len())
        .filter(|&repo| world.repos[repo].has_engine)
        .collect();
    for &repo in &engines {
        let after = Duration::from_millis(world.chance.between(0, 500));
        world.schedule(after, Step::Happen(Happening::Restart(repo)));
        let first: Vec<_> = (0..world.chance.below(8)).collect();
        for path in first {
            let content = world.new_content();
            world.repos[repo]
                .files
                .insert(u16::try_from(path).unwrap_or(0), content);
        }
    }
    let length = world.chance.between(500, 6000);
    for _ in 0..2 + world.chance.below(7) {
        let Some(repo) = world.chance.pick(&engines) else {
            continue;
        };
        at_some_time(world, length, Happening::Edit(repo));
    }
    for _ in 0..world.chance.below(5) {
        if let Some(repo) = world.chance.pick(&engines) {
            at_some_time(world, length, Happening::First(repo));
            at_some_time(world, length, Happening::Cancel(repo));
        }
    }
    if setting.faults {
        for _ in 0..world.chance.below(7) {
            let Some(repo) = world.chance.pick(&engines) else {
                continue;
            };
            fault(world, length, repo, drives);
        }
    }
    if setting.rules {
        for _ in 0..world.chance.below(4) {
            let Some(repo) = world.chance.pick(&engines) else {
                continue;
            };
            at_some_time(world, length, Happening::Rule(repo));
        }
    }
    world.run_until(Timestamp(1000 + length));
}

fn at_some_time(world: &mut World, length: u64, what: Happening) {
    let after = Duration::from_millis(world.chance.between(0, length));
    world.schedule(after, Step::Happen(what));
}

fn fault(world: &mut World, length: u64, repo: RepoNo, drives: &[RepoNo]) {
    let (first, second) = (world.chance.between(0, length), world.chance.between(10, 3000));
    let in_turn = |world: &mut World, one: Happening, two: Happening| {
        world.schedule(Duration::from_millis(first), Step::Happen(one));
        world.schedule(Duration::from_millis(first + second), Step::Happen(two));
    };
    let slot = world.chance.below(world.repos[repo].remotes.len());
    match world.chance.below(12) {
        0 | 1 => at_some_time(world, length, Happening::Crash(repo)),
        2 | 3 => {
            if let Some(drive) = world.chance.pick(drives) {
                in_turn(
                    world,
                    Happening::Plug { drive, at: None },
                    Happening::Plug { drive, at: Some(repo) },
                );
            } else if slot < world.repos[repo].remotes.len() {
                let cut = |is_cut| Happening::Link { repo, slot, is_cut };
                in_turn(world, cut(true), cut(false));
            }
        }
        4 => in_turn(world, Happening::Pause(repo), Happening::Resume(repo)),
        5 => in_turn(world, Happening::RootGone(repo), Happening::RootBack(repo)),
        6 => at_some_time(world, length, Happening::Vanish(repo)),
        7 => at_some_time(world, length, Happening::Damage),
        8 => at_some_time(world, length, Happening::SyncAsked(repo)),
        9 => at_some_time(world, length, Happening::Obstacle(repo)),
        10 => {
            if let Some(remote) = world.repos[repo].remotes.get_mut(slot) {
                remote.is_slow = true;
            }
        }
        _ => at_some_time(world, length, Happening::Echo(repo)),
    }
}

/// Calm: everything must come into step, say so, and then be still.
fn wait_for_rest(world: &mut World, setting: Setting, drives: &[RepoNo]) {
    world.heal();
    let engines: Vec<RepoNo> = (0..world.repos.len())
        .filter(|&repo| world.repos[repo].has_engine)
        .collect();
    // A carried drive brings news there, brings back what came of it, and takes the last of it there.
    let rounds = if drives.is_empty() { 1 } else { 3 };
    for _ in 0..rounds {
        let stops = if drives.is_empty() { &engines[..1] } else { &engines[..] };
        for &stop in stops {
            for &drive in drives {
                world.happen(Happening::Plug { drive, at: Some(stop) });
            }
            world.run_until_quiet(STEPS_TO_CALM);
            check_rest(world);
        }
    }
    if !setting.rules && world.violation.is_none() {
        let held = world
            .all_commits_arrived()
            .and(world.only_live_writes())
            .and(world.all_contents_arrived());
        world.check(held);
    }
    if world.violation.is_none() {
        be_still(world, setting, &engines);
    }
}

fn check_rest(world: &mut World) {
    if world.violation.is_none() {
        let held = world
            .quiescent()
            .and(world.converged())
            .and(world.honest())
            .and(world.nothing_is_lost());
        world.check(held);
    }
}

/// I10: what is seen again, or is not so, leads to no commit, no push and no transfer.
fn be_still(world: &mut World, setting: Setting, engines: &[RepoNo]) {
    let before = world.counts;
    for &repo in engines {
        for _ in 0..3 {
            world.happen(Happening::Echo(repo));
        }
    }
    world.run_until_quiet(STEPS_TO_CALM);
    check_rest(world);
    let after = world.counts;
    // When places change, a remote that refused a push and gives nothing is tried once more.
    let pushes = if setting.rules { after.pushes } else { before.pushes };
    let still = Counts {
        steps: after.steps,
        pushes,
        ..before
    } == after;
    if !still {
        world.violated(format!("I10 quiescence: {before:?} became {after:?} without a change"));
    }
}

/// I20: plays a schedule in which one remote of a repository fails or hangs for ever, and all others must come into step
/// soon all the same.
pub fn starvation(seed: u64, tracing: bool) -> (Result<Counts, Violation>, String) {
    let mut world = World::new(seed, tracing);
    world.repos.push(repo(0, true, Place::Anywhere, Wants::Everything));
    for number in 1..5 {
        world
            .repos
            .push(repo(number, false, Place::Anywhere, Wants::Everything));
        link(&mut world, 0, number);
    }
    for slot in 0..3 {
        let slow = world.chance.one_in(2);
        let remote = &mut world.repos[0].remotes[slot];
        (remote.is_slow, remote.is_broken) = (slow, !slow);
    }
    let first = world.annexes.commit(&[], Rc::default());
    for repo in &mut world.repos {
        repo.heads.annex = Some(first);
    }
    world.is_calm = true;
    for path in 0..40 {
        let content = world.new_content();
        world.repos[0].files.insert(path, content);
    }
    world.start_engine(0);
    world.run_until(Timestamp(30_000));
    let (here, other) = (&world.repos[0], &world.repos[4]);
    if here.heads.tree.is_none() || other.synced.tree != here.heads.tree || other.objects != here.objects {
        world.violated("I20 no starvation: r4 is not up to date after half a minute".into());
    }
    let ended = match world.violation.clone() {
        None => Ok(world.counts),
        Some(why) => Err(Violation { seed, why }),
    };
    (ended, world.into_trace())
}
