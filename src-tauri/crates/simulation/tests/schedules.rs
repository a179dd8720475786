//! Ten thousand schedules and more. A schedule that fails says how to replay it.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // What to play is asked of the environment, and shown.

use std::env;

use simulation::{Counts, Setting, Violation, run, starvation};

const CALM: Setting = Setting {
    faults: false,
    rules: false,
    merges_differ: false,
};
const FAULTS: Setting = Setting {
    faults: true,
    rules: false,
    merges_differ: false,
};
const RULES: Setting = Setting {
    faults: true,
    rules: true,
    merges_differ: false,
};
const MERGES_DIFFER: Setting = Setting {
    faults: true,
    rules: false,
    merges_differ: true,
};

/// The hundred thousands of a seed say which family its schedule is of, so a seed alone says everything.
fn setting(seed: u64) -> Setting {
    match seed / 100_000 % 10 {
        0 => CALM,
        1 => FAULTS,
        2 => RULES,
        _ => MERGES_DIFFER,
    }
}

fn last_lines(trace: &str, count: usize) -> String {
    let lines: Vec<_> = trace.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn explain(violation: &Violation, trace: &str) -> String {
    format!(
        "{}\n\nseed {}: {}\nreplay: ANABRANCH_SEED={} cargo test -p simulation replay -- --nocapture",
        last_lines(trace, 60),
        violation.seed,
        violation.why,
        violation.seed
    )
}

/// Plays so many schedules of a family; `ANABRANCH_TIMES=20` plays twenty times as many.
fn play(first: u64, count: u64) -> Counts {
    let times: u64 = env::var("ANABRANCH_TIMES")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1);
    let mut all = Counts::default();
    for seed in (0..times).flat_map(|more| (first..first + count).map(move |seed| seed + more * 1_000_000)) {
        match run(seed, setting(seed), false).0 {
            Ok(counts) => {
                all.steps += counts.steps;
                all.commits += counts.commits;
                all.pushes += counts.pushes;
                all.arrived += counts.arrived;
                all.already_there += counts.already_there;
                all.cancelled += counts.cancelled;
                all.dropped += counts.dropped;
                all.merges += counts.merges;
                all.crashes += counts.crashes;
                all.questions += counts.questions;
                all.held += counts.held;
            }
            Err(violation) => {
                let (_, trace) = run(seed, setting(seed), true);
                panic!("{}", explain(&violation, &trace));
            }
        }
    }
    println!("{all:?}");
    all
}

#[test]
fn calm_worlds_come_into_step() {
    let done = play(0, 2500);
    assert!(done.commits > 2000 && done.arrived > 2000, "{done:?}");
    assert!(done.cancelled > 500 && done.dropped > 500, "{done:?}");
}

#[test]
fn faults_are_survived_1() {
    let done = play(100_000, 2500);
    assert!(done.crashes > 500 && done.questions > 50 && done.held > 50, "{done:?}");
}

#[test]
fn faults_are_survived_2() {
    play(102_500, 2500);
}

#[test]
fn rules_are_kept() {
    play(200_000, 2500);
}

#[test]
fn merges_that_differ_end_through_back_off() {
    play(300_000, 1000);
}

#[test]
fn nobody_starves_behind_a_remote_that_hangs_or_fails() {
    for seed in 0..100 {
        if let Err(violation) = starvation(seed, false).0 {
            let (_, trace) = starvation(seed, true);
            panic!("{}", explain(&violation, &trace));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in (0..60)
        .chain(100_000..100_060)
        .chain(200_000..200_060)
        .chain(300_000..300_060)
    {
        let (first, second) = (run(seed, setting(seed), true).1, run(seed, setting(seed), true).1);
        assert!(!first.is_empty());
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Plays `ANABRANCH_SEED` with its whole trace; a schedule without faults if there is none.
#[test]
fn replay() {
    let seed = env::var("ANABRANCH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    let (ended, trace) = run(seed, setting(seed), true);
    println!("{trace}");
    if let Err(violation) = ended {
        panic!("{}", explain(&violation, ""));
    }
}
